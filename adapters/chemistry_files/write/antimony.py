"""Antimony (Smith et al. 2009, Bioinformatics 25:2452), which Tellurium and libantimony read."""

from __future__ import annotations

from adapters.chemistry_files.write.infix import FORMULA, infix
from couple.chemistry.counted import CountedChemistry


def write_antimony(chemistry: CountedChemistry) -> str:
    """A model in molecules, µm and ms; all are in one compartment, for Antimony knows no areas.

    Raises InputError for a law that Antimony has no words for.
    """
    taken = {*chemistry.places, *chemistry.observables}
    title = _free("".join(c if c.isalnum() else "_" for c in chemistry.name) or "model", taken)
    place = _free("site_volume", taken)  # volume is a word for a unit
    lines = [f"model {title}"]
    lines += ["  unit ms = 1e-3 second; unit um = 1e-6 metre; unit um2 = (1e-6 metre)^2; unit um3 = (1e-6 metre)^3;"]
    lines += ["  unit substance = item; unit extent = item; unit time_unit = ms; unit length = um;"]
    lines += ["  unit area = um2; unit volume = um3;"]
    lines.append(f"  compartment {place} = {chemistry.volume!r}; {place} has um3;")
    for name, on in chemistry.places.items():
        where = f"  # on {chemistry.area!r} um^2 of membrane" if on == "membrane" else ""
        lines.append(f"  substanceOnly species {name} in {place}; {name} = {chemistry.counts[name]!r};{where}")
    for k, r in enumerate(chemistry.reactions, 1):
        left, right = (" + ".join(side) for side in (r.reactants, r.products))
        rate = _free(f"rate_{k}", taken)
        law = infix(r.law, FORMULA, r.text) if r.law is not None else " * ".join([rate, *r.reactants])
        lines.append(f"  {_free(f'reaction_{k}', taken)}: {left} => {right}; {law};")
        if r.law is None:
            lines.append(f"  {rate} = {r.rate!r};")
    for name, weights in chemistry.observables.items():
        if weights and name not in chemistry.places:
            lines.append(f"  {name} := {' + '.join(n if w == 1 else f'{w!r} * {n}' for n, w in weights.items())};")
    return "\n".join([*lines, "end", ""])


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
