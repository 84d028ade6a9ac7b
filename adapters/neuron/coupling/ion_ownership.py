"""Who writes the concentration of an ion: where a link hands it over couple does, and nobody else.

`cai` of such a segment stays at what was last written to it, and `eca` follows it by Nernst at every step: that is
what NEURON does by itself with the ion style below, as long as no mechanism writes `cai`. The style holds for a whole
section: uncoupled segments of a coupled section keep `cai0_ca_ion` for ever. For any other ion X the same holds of
`Xi` and `eX`: a reversal potential that the model had set is replaced by that of the concentrations.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from adapters.neuron.hoc.h import h
from couple.components.attachments import CALCIUM

_WRITTEN = 3
"""Concentration style of NEURON's ion_style when some mechanism writes the concentration."""


def valences() -> dict[str, float]:
    """Charge number of every ion that NEURON knows now, by name."""
    kinds, name, found = h.MechanismType(0), h.ref(""), {}
    for i in range(int(kinds.count())):
        kinds.select(i)
        kinds.selected(name)
        if name[0].endswith("_ion"):
            found[name[0].removesuffix("_ion")] = float(h.ion_charge(name[0]))
    return found


def default_concentration(ion: str) -> float:
    """mM inside, where the model says nothing: `cai0_ca_ion`."""
    return float(getattr(h, f"{ion}i0_{ion}_ion"))


ReversalStyle = tuple[int, int, int]
"""Style of `eX`, whether NEURON computes it at init, and whether at each step."""

NERNST: ReversalStyle = (2, 1, 1)


def own_concentration(ion: str, section: Any, reversal: ReversalStyle = NERNST) -> None:
    """Make `Xi` of a section couple's: held between writes, kept by finitialize. reversal: what becomes of `eX`."""
    section.insert(f"{ion}_ion")
    # Of Xi: it is a state, and finitialize does not set it to Xi0.
    h.ion_style(f"{ion}_ion", _WRITTEN, *reversal, 0, sec=section)
    for segment in section:
        setattr(segment, f"{ion}i", default_concentration(ion))


def reversal_style(ion: str, section: Any) -> ReversalStyle:
    """As the model has it now; that of Nernst where it does not have the ion."""
    if not section.has_membrane(f"{ion}_ion"):
        return NERNST
    style = int(h.ion_style(f"{ion}_ion", sec=section))
    return style >> 3 & 3, style >> 5 & 1, style >> 6 & 1


def held_reversal(ion: str, segment: Any) -> float | None:
    """`eX`, mV, where the model has set it and nothing computes it from concentrations; else None."""
    if not segment.sec.has_membrane(f"{ion}_ion") or reversal_style(ion, segment.sec)[2]:
        return None
    value = float(getattr(segment, f"e{ion}"))
    return value if value != _default_reversal(ion) else None


@functools.cache
def _default_reversal(ion: str) -> float:
    """`eX` of a new section, mV."""
    scratch = h.Section(name="couple_scratch")
    scratch.insert(f"{ion}_ion")
    value = float(getattr(scratch(0.5), f"e{ion}"))
    h.delete_section(sec=scratch)
    return value


def density_names(section: Any) -> list[str]:
    """Density mechanisms of a section, ions left out."""
    return [mechanism.name() for mechanism in section(0.5) if not mechanism.name().endswith("_ion")]


def point_names(section: Any) -> list[str]:
    """Classes of the point processes of a section."""
    names = {process.hname().split("[")[0] for segment in section for process in segment.point_processes()}
    return sorted(names)


def calcium_use(name: str, *, point: bool) -> str:
    """What a mechanism does with calcium: "writes cai", "reads cai", "reads eca or ica" or ""."""
    style = _style_alone(name, CALCIUM, point)
    if style < 0:
        return ""
    return {_WRITTEN: "writes cai", 1: "reads cai", 2: "reads cai"}.get(style & 3, "reads or writes eca, ica")


def writes(name: str, ion: str, *, point: bool) -> bool:
    """Whether a mechanism writes `Xi`."""
    style = _style_alone(name, ion, point)
    return style >= 0 and style & 3 == _WRITTEN


@functools.cache
def _style_alone(name: str, ion: str, point: bool) -> int:
    """NEURON's style of an ion in a section that has only this mechanism; −1 if it does not use the ion."""
    scratch = h.Section(name="couple_scratch")
    if point:
        process = getattr(h, name)(scratch(0.5))
        style = int(h.ion_style(f"{ion}_ion", sec=scratch))
        del process
    else:
        scratch.insert(name)
        style = int(h.ion_style(f"{ion}_ion", sec=scratch))
    h.delete_section(sec=scratch)
    return style


def in_rxd(section: Any, ion: str) -> bool:
    """Whether NEURON's reaction-diffusion module integrates an ion there; it is no mechanism and has to be asked."""
    rxd = sys.modules.get("neuron.rxd.species")
    if rxd is None:
        return False
    for reference in rxd._all_species:
        species = reference()
        if species is not None and species.name == ion and hasattr(species, "regions"):
            regions = species.regions if isinstance(species.regions, (list, tuple)) else [species.regions]
            if any(section in region.secs for region in regions if region.nrn_region == "i"):
                return True
    return False
