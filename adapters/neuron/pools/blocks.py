"""TOML of sites that do what a pool does: chemistry, a site below the membrane, its links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adapters.neuron.pools.law import PoolLaw
from couple.base.arrays import Floats
from couple.base.errors import InputError

LEAST = 1e-12
"""1/ms; slower is not at all."""
PER_S, UM, UM_PER_S = 1e3, 1e3, 1e6
"""From 1/ms to 1/s, mM to µM, mM/ms to µM/s."""


@dataclass(frozen=True)
class PooledSegments:
    """A law and where it acts. site: name of the sites. on: sections or segments, "" where nothing is known of them."""

    law: PoolLaw
    site: str
    on: tuple[str, ...] = ()


def pool_blocks(pools: Sequence[PooledSegments], engine: str) -> str:
    """[chemistry], [[site]] and [[link]] of pools, all in one experiment. Raises InputError for a law that is none."""
    names = [_species(i, len(pools), pool.law) for i, pool in enumerate(pools)]
    parts = [_chemistry([pool.law for pool in pools], names)]
    parts += [_site(pool, species[0], engine) for pool, species in zip(pools, names, strict=True)]
    return "\n".join(parts)


def _species(number: int, of: int, law: PoolLaw) -> list[str]:
    """Names of the states: Ca, Ca_core; of several pools numbered."""
    ion = {"ca": "Ca"}.get(law.ion, law.ion.capitalize())
    first = f"{ion}_{number + 1}" if of > 1 else ion
    return [first, *(f"{first}_{state.replace('__', '_')}" for state in law.states[1:])]


def _chemistry(laws: Sequence[PoolLaw], names: Sequence[Sequence[str]]) -> str:
    lines = ["[chemistry]"]
    for law, species in zip(laws, names, strict=True):
        substance = {"ca": "Ca"}.get(law.ion, law.ion.capitalize())
        lines += [f"species.{s} = {{ contains = {{ {substance} = 1 }} }}" for s in species]
    outs = list(dict.fromkeys(_out(law) for law in laws))
    lines.append(f"reservoirs = [{', '.join(_quoted(o) for o in outs)}]")
    reactions = [r for law, species in zip(laws, names, strict=True) for r in _reactions(law, species)]
    lines += ["reactions = [", *(f"  {r}," for r in reactions), "]"]
    for law, species in zip(laws, names, strict=True):
        for s, c, volume in zip(species, law.start, _volumes(law), strict=True):
            lines.append(f'initial.{s} = "{_number(c * volume * UM)} uM"')
            if abs(volume - 1) > 1e-9:
                lines[-1] += f"  # counted in the volume of the shell, of which its own is {volume:.6g}"
    return "\n".join(lines) + "\n"


def _out(law: PoolLaw) -> str:
    return f"{ {'ca': 'Ca'}.get(law.ion, law.ion.capitalize()) }_out"


def _reactions(law: PoolLaw, species: Sequence[str]) -> Iterator[str]:
    """Exchange between the states, and what leaves each: amounts in the volume of the first."""
    volumes, matrix, n = _volumes(law), law.matrix, len(species)
    removed = -np.diag(matrix).copy()
    for i in range(n):
        for j in range(i + 1, n):
            if abs(matrix[i, j]) > LEAST or abs(matrix[j, i]) > LEAST:
                # As it leaves i: what enters j from it, in the amounts of both.
                there, back = matrix[j, i] * volumes[j] / volumes[i], matrix[i, j] * volumes[i] / volumes[j]
                removed[i] -= there
                removed[j] -= back
                yield _reaction(f"{species[i]} <-> {species[j]}", there, f"{_number(back * PER_S)} /s")
    for i in range(n):
        if removed[i] < -LEAST or law.constant[i] < -LEAST:
            raise InputError(f"{law.name}: {law.states[i]} loses less than it hands on: it is no pool")
        entering = law.constant[i] * volumes[i] * UM_PER_S
        if removed[i] > LEAST or entering > LEAST:
            forward = max(removed[i], 0.0)
            yield _reaction(f"{species[i]} <-> {_out(law)}", forward, f"{_number(entering)} uM/s")


def _reaction(equation: str, forward: float, backward: str) -> str:
    return f'{{ equation = "{equation}", forward = "{_number(forward * PER_S)} /s", backward = "{backward}" }}'


def _volumes(law: PoolLaw) -> Floats:
    """Volume of each state in units of the first's, by which exchange takes from one what the other gets.

    Raises InputError for a state that nothing joins to the others, or that only takes or only gives.
    """
    matrix, volumes = law.matrix, np.full(len(law.states), np.nan)
    volumes[0] = 1.0
    for _ in volumes:
        for i, j in np.argwhere(matrix > LEAST):
            if np.isfinite(volumes[i]) and np.isnan(volumes[j]) and matrix[j, i] > LEAST:
                volumes[j] = volumes[i] * matrix[i, j] / matrix[j, i]
    if np.isnan(volumes).any():
        lone = law.states[int(np.flatnonzero(np.isnan(volumes))[0])]
        raise InputError(f"{law.name}: {lone} does not exchange with {law.states[0]}: write it as reactions")
    return volumes


def _site(pool: PooledSegments, species: str, engine: str) -> str:
    law = pool.law
    where = f"place.on = [{', '.join(map(_quoted, pool.on))}]" if pool.on else 'segment = "soma(0.5)"  # where it is'
    name = f"{pool.site}_*" if pool.on else pool.site
    lines = [
        f"# {describe(law)}",
        *(["# in the model an outward current takes nothing out; here it does"] if law.one_way else []),
        "[[site]]", f'name = "{pool.site}"', where, f'engine = "{engine}"',
        f'geometry.shell = {{ depth = "{_number(law.depth)} um" }}',
    ]  # fmt: skip
    for ion in law.currents:
        lines += ["[[link]]", f'from = "neuron.i{ion}"', f'to = "{name}.{species}"']
        lines += [f"free_fraction = {_number(law.gamma)}"] if law.gamma < 1 else []
    lines += ["[[link]]", f'from = "{name}.{species}"', f'to = "neuron.{law.ion}i"']
    return "\n".join(lines) + "\n"


def describe(law: PoolLaw) -> str:
    """The law in the field's words: depth, tau, gamma, rest."""
    parts = [f"depth {law.depth:.6g} um", f"gamma {law.gamma:.6g}"]
    if len(law.states) == 1:
        parts.append(f"tau {-1 / law.matrix[0, 0]:.6g} ms" if law.matrix[0, 0] < -LEAST else "no removal")
    else:
        parts.append(f"with {', '.join(re.sub(r'__(\d+)', r'[\1]', state) for state in law.states[1:])}")
    parts.append(
        f"rest {law.rest[0] * UM:.6g} uM" if np.linalg.det(law.matrix) else f"start {law.start[0] * UM:.6g} uM"
    )
    return f"{law.name}, {law.ion}i: {', '.join(parts)}"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _number(value: float) -> str:
    return f"{value:.10g}"
