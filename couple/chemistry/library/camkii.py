"""Calmodulin with two lobes, and CaMKII that it binds, phosphorylates and pairs: a network expanded from a few rules.

Pepke et al. 2010 (PLoS Comput Biol 6:e1000675). With `topology = "dimer"` and calcium these are the 155 species of
Johnson et al. 2015 (Phys Biol 12:045005); `topology = "monomer"` is the smaller network without pairs.

A state of calmodulin is (c, n): ions on its C lobe and on its N lobe, 0 to 2 each. Names: CaM_c1n0; K_CaM_c1n0 with a
CaMKII subunit K; pK_CaM_c1n0 with a phosphorylated one; K_K_c1n0_c2n2 a pair of subunits with their calmodulins;
pK_K_c1n0_c2n2, the first of them phosphorylated.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import Block
from couple.base.units import Diffusion

State = tuple[int, int]
STATES: tuple[State, ...] = tuple(product(range(3), range(3)))
Rule = tuple[str, float, float | None]
"""A reaction, its rate forward and backward (None: irreversible) in µM and s."""

LOBES = ("C", "N")
PHOSPHORYLATION = {
    **{(0, 0): 0.0, (1, 0): 0.032, (2, 0): 0.064, (1, 1): 0.094, (2, 1): 0.124},
    **{(0, 1): 0.06, (0, 2): 0.12, (1, 2): 0.154, (2, 2): 0.96},
}
"""/s, of a subunit in a pair, by its own calmodulin."""
PAIRING = (50.0, 60.0)
"""/uM/s for a meeting of two given subunits, /s."""
PK_UNBINDING = 0.07
"""/s (Ordyan et al. 2020); calmodulin comes back at a third of the rate with K."""


class CaMKIIRates(Block):
    """Calcium binding by lobe and step, (on /uM/s, off /s), for calmodulin alone and on K; binding to K by state."""

    free: dict[str, tuple[float, float]]
    bound: dict[str, tuple[float, float]]
    to_K: dict[State, tuple[float, float]]


_TO_K = {
    **{(0, 0): 0.0038, (1, 0): 0.059, (2, 0): 0.92, (1, 1): 0.33, (2, 1): 5.2},
    **{(0, 1): 0.022, (0, 2): 0.1, (1, 2): 1.9, (2, 2): 30.0},
}


def _to_K(off: tuple[float, ...]) -> dict[State, tuple[float, float]]:
    return {state: (on, off[i]) for i, (state, on) in enumerate(_TO_K.items())}


RATES = {
    # thermodynamic cycles close within 4 %
    "consistent": CaMKIIRates(
        free={"C1": (4.0, 40.24), "C2": (10.0, 9.3), "N1": (100.0, 2660.0), "N2": (150.0, 990.0)},
        bound={"C1": (44.0, 29.04), "C2": (44.0, 2.42), "N1": (75.0, 301.5), "N2": (76.0, 32.68)},
        to_K=_to_K((6.56, 6.72, 6.35, 5.68, 5.25, 5.75, 1.68, 2.09, 1.95)),
    ),
    # as published, to compare with Pepke et al.; its cycles are off by up to tenfold
    "verbatim": CaMKIIRates(
        free={"C1": (4.0, 40.0), "C2": (10.0, 9.25), "N1": (100.0, 2500.0), "N2": (150.0, 750.0)},
        bound={"C1": (44.0, 33.0), "C2": (44.0, 2.7), "N1": (75.0, 300.0), "N2": (76.0, 33.0)},
        to_K={**_to_K((5.5, 6.8, 6.8, 3.4, 3.8, 3.1, 1.7, 1.9, 1.7)), (1, 1): (3.3, 3.4)},
    ),
}
"""consistent: Ordyan et al. 2020. verbatim: BioModels MODEL1001150000."""


class CaMKII(Block):
    """`include.camkii`: which network, with which rates.

    rates: "consistent" obeys detailed balance within 4 % per cycle; "verbatim" is as published. topology: "dimer", in
    which subunits are phosphorylated in pairs, or "monomer", in which each is on its own. pK_unbinding: calmodulin may
    leave a phosphorylated subunit (adds the species pK). D_CaM, D_CaMKII: diffusion, orders of magnitude.
    phosphatase: a species or an observable beside it, such as active PP1, of which each takes the phosphate off any
    phosphorylated subunit at the rate `dephosphorylation`.
    """

    rates: Literal["consistent", "verbatim"] = "consistent"
    topology: Literal["dimer", "monomer"] = "dimer"
    pK_unbinding: bool = False
    phosphatase: str | None = None
    dephosphorylation: str | None = None
    D_CaM: Diffusion = Field(default=0.01, ge=0)
    D_CaMKII: Diffusion = Field(default=0.001, ge=0)

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.phosphatase is None) != (self.dephosphorylation is None):
            raise ValueError('give phosphatase = "PP1" and dephosphorylation = "5 /uM/s" together')
        return self

    def content(self) -> dict[str, Any]:
        """Species, reactions and observables as a [chemistry] table holds them; the species Ca is the user's own."""
        return {
            "species": {name: self._species(name) for name in self.names()},
            "reactions": [*(_written(rule) for rule in self.rules()), *self._dephosphorylated()],
            "observables": self._observables(),
        }

    # -- species --------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """All species but Ca."""
        kinds = ["CaM", "K_CaM", "pK_CaM"]
        names = ["K", *(["pK"] if self.pK_unbinding else []), *(f"{kind}_{_at(s)}" for kind in kinds for s in STATES)]
        if self.topology == "dimer":
            names += [_pair(x, y) for x, y in combinations_with_replacement(STATES, 2)]
            names += [_mixed(x, y) for x, y in product(STATES, STATES)]
        return names

    def _species(self, name: str) -> dict[str, Any]:
        slow = self.D_CaMKII if "K" in name else self.D_CaM
        ions = sum(int(digit) for word in name.split("_") if word[0] == "c" for digit in word[1::2])
        amounts = {"Ca": ions, "CaM": name.count("_c"), "CaMKII": name.split("_c")[0].count("K")}
        if name in ("K", "pK"):
            amounts["CaM"] = 0
        return {"D": f"{slow:g} um^2/ms", "contains": {k: n for k, n in amounts.items() if n}}

    def _observables(self) -> dict[str, dict[str, int]]:
        """Subunits with calmodulin, phosphorylated subunits, and subunits in pairs."""
        names = self.names()
        heads = {name: name.split("_c")[0] for name in names}
        bound = {n: heads[n].count("K") for n in names if "_c" in n and "K" in heads[n]}
        found = {
            "K_with_CaM": bound,
            "K_phosphorylated": {n: heads[n].count("pK") for n in names if "pK" in heads[n]},
            "K_in_pairs": {n: 2 for n in names if heads[n] in ("K_K", "pK_K")},
        }
        return {name: members for name, members in found.items() if members}

    def _dephosphorylated(self) -> Iterator[dict[str, str]]:
        """By the phosphatase, if there is one."""
        if self.phosphatase is None or self.dephosphorylation is None:
            return
        phosphorylated = [f"pK_CaM_{_at(x)}" for x in STATES]
        equations = [f"{name} -> {name.removeprefix('p')}" for name in ["pK"] * self.pK_unbinding + phosphorylated]
        if self.topology == "dimer":
            equations += [f"{_mixed(x, y)} -> {_pair(x, y)}" for x, y in product(STATES, STATES)]
        for equation in equations:
            yield {"equation": equation, "forward": self.dephosphorylation, "catalyst": self.phosphatase}

    # -- rules ----------------------------------------------------------------------------------------------

    def rules(self) -> Iterator[Rule]:
        """Every reaction with its rates."""
        rates = RATES[self.rates]
        yield from _calcium("CaM_{}", rates.free)
        yield from _calcium("K_CaM_{}", rates.bound)
        yield from _calcium("pK_CaM_{}", rates.bound)
        for state, (on, off) in rates.to_K.items():
            yield f"K + CaM_{_at(state)} <-> K_CaM_{_at(state)}", on, off
            if self.pK_unbinding:
                yield f"pK + CaM_{_at(state)} <-> pK_CaM_{_at(state)}", on / 3, PK_UNBINDING
        if self.topology == "dimer":
            yield from self._pairs(rates)
        else:
            for x, k in PHOSPHORYLATION.items():
                if k:
                    yield f"K_CaM_{_at(x)} -> pK_CaM_{_at(x)}", k, None

    def _pairs(self, rates: CaMKIIRates) -> Iterator[Rule]:
        on, off = PAIRING
        for x, y in combinations_with_replacement(STATES, 2):
            # Two of a kind meet n (n - 1) / 2 times, and the macroscopic rate counts n (n - 1).
            yield f"K_CaM_{_at(x)} + K_CaM_{_at(y)} <-> {_pair(x, y)}", on / 2 if x == y else on, off
        for x, y in product(STATES, STATES):
            yield f"pK_CaM_{_at(x)} + K_CaM_{_at(y)} <-> {_mixed(x, y)}", on, off
            if PHOSPHORYLATION[x]:
                ways = 2 if x == y else 1
                yield f"{_pair(x, y)} -> pK_CaM_{_at(x)} + K_CaM_{_at(y)}", ways * PHOSPHORYLATION[x], None
            if PHOSPHORYLATION[y]:
                yield f"{_mixed(x, y)} -> pK_CaM_{_at(x)} + pK_CaM_{_at(y)}", PHOSPHORYLATION[y], None
        for other in STATES:
            for x, y, (kon, koff) in binding_steps(rates.bound):
                # Either calmodulin of two equal ones may take or lose the ion.
                yield (
                    f"Ca + {_pair(x, other)} <-> {_pair(y, other)}",
                    kon * (1 + (x == other)),
                    koff * (1 + (y == other)),
                )
                yield f"Ca + {_mixed(x, other)} <-> {_mixed(y, other)}", kon, koff
                yield f"Ca + {_mixed(other, x)} <-> {_mixed(other, y)}", kon, koff


def binding_steps(rates: dict[str, tuple[float, float]]) -> Iterator[tuple[State, State, tuple[float, float]]]:
    """The 12 steps (from, to) by which a calmodulin takes up one ion."""
    for c, n in STATES:
        if c < 2:
            yield (c, n), (c + 1, n), rates[f"C{c + 1}"]
        if n < 2:
            yield (c, n), (c, n + 1), rates[f"N{n + 1}"]


def _calcium(name: str, rates: dict[str, tuple[float, float]]) -> Iterator[Rule]:
    for x, y, (on, off) in binding_steps(rates):
        yield f"Ca + {name.format(_at(x))} <-> {name.format(_at(y))}", on, off


def _at(state: State) -> str:
    return f"c{state[0]}n{state[1]}"


def _pair(x: State, y: State) -> str:
    x, y = sorted((x, y))
    return f"K_K_{_at(x)}_{_at(y)}"


def _mixed(phosphorylated: State, other: State) -> str:
    return f"pK_K_{_at(phosphorylated)}_{_at(other)}"


def _written(rule: Rule) -> dict[str, str]:
    equation, forward, backward = rule
    bimolecular = "+" in equation.split("->")[0]
    table = {"equation": equation, "forward": f"{forward!r} {'/uM/s' if bimolecular else '/s'}"}
    return table if backward is None else {**table, "backward": f"{backward!r} /s"}
