"""What one calmodulin is, as a graph of sites, and how often each state occurs among the 155 species.

Sites: C and N, the ions on either lobe (0 to 2); B, bound to a subunit of CaMKII; P, that subunit is phosphorylated;
D, it is paired. P and D need B, and a pair holds at most one phosphorylated subunit. Of a pair each half counts on its
own: what is kept is the distribution of single molecules, not who is paired with whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError

SITES = ("C", "N", "B", "P", "D")
LEVELS = (3, 3, 2, 2, 2)

CLASSES = ((0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1))
"""(B, P, D) that can be: free, on K, on K in a pair, on pK, on pK in a pair."""
FREE, MONO, PAIRED, P_MONO, P_PAIRED = range(5)

LOBES = tuple(product(range(3), range(3)))
"""(c, n), n fastest."""

STATES = np.array([(c, n, *kind) for kind in CLASSES for c, n in LOBES], dtype=np.int64)
"""(45, 5) all states of a molecule in the order of `SITES`: by class, then by lobes."""

IONS = (STATES[:, 0] + STATES[:, 1]).astype(float)
"""(45,) calcium that each holds."""


def observables(probabilities: Floats) -> dict[str, Floats]:
    """(…,) of calmodulin: share that is bound to CaMKII, phosphorylated there, in pairs; ions per molecule, / 4.

    probabilities: (…, 45).
    """
    share = probabilities @ STATES[:, 2:].astype(float)
    ions = probabilities @ IONS / 4.0
    return {"bound": share[..., 0], "phosphorylated": share[..., 1], "paired": share[..., 2], "calcium": ions}


HEADS = {"CaM": (FREE,), "K_CaM": (MONO,), "pK_CaM": (P_MONO,), "K_K": (PAIRED, PAIRED), "pK_K": (P_PAIRED, PAIRED)}
"""Beginning of a species' name → class of each calmodulin in it."""

SPECIES = ("K", *(f"{head}_c{c}n{n}" for head in ("CaM", "K_CaM", "pK_CaM") for c, n in LOBES))


def state_of(kind: int, c: int, n: int) -> int:
    """Row of `STATES`."""
    return 9 * kind + 3 * c + n


def members(species: str) -> list[int]:
    """States of the calmodulins in a species of the CaMKII network; none in "K". Raises InputError for others."""
    words = species.split("_")
    lobes = [w for w in words if len(w) == 4 and w[0] == "c" and w[2] == "n"]
    head = "_".join(words[: len(words) - len(lobes)])
    if species == "K":
        return []
    if head not in HEADS or len(lobes) != len(HEADS[head]):
        raise InputError(f'"{species}" is no species of calmodulin and CaMKII as include.camkii names them')
    return [state_of(kind, int(w[1]), int(w[3])) for kind, w in zip(HEADS[head], lobes, strict=True)]


def census(species: Sequence[str]) -> Floats:
    """(46, n_species) how many molecules in each state a molecule of each species holds; last row: free subunits K."""
    out = np.zeros((len(STATES) + 1, len(species)))
    for column, name in enumerate(species):
        for state in members(name):
            out[state, column] += 1.0
        out[-1, column] = float(name == "K")
    return out


def names_in(network_species: Sequence[str]) -> tuple[str, ...]:
    """Those of the network that are calmodulin or CaMKII. Raises InputError if it is not the network of pairs."""
    found = []
    for name in network_species:
        try:
            members(name)
        except InputError:
            continue
        found.append(name)
    if len(found) != 154:
        raise InputError(
            f"has {len(found)} species of calmodulin and CaMKII; the dimer network without pK_unbinding has 154",
            where="chemistry.include.camkii",
        )
    return tuple(found)


def dephosphorylated(species: Sequence[str]) -> dict[str, str]:
    """Each phosphorylated species of the CaMKII network → what it is when its phosphate is taken off.

    >>> dephosphorylated(["K", "pK_CaM_c0n2", "pK_K_c2n0_c0n1"])
    {'pK_CaM_c0n2': 'K_CaM_c0n2', 'pK_K_c2n0_c0n1': 'K_K_c0n1_c2n0'}
    """
    found = {}
    for name in species:
        head, *lobes = name.removeprefix("pK_").split("_")
        if name.startswith("pK_"):
            found[name] = "_".join(["K", head, *sorted(lobes)]) if head == "K" else "_".join(["K", head, *lobes])
    return found
