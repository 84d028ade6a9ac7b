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
from couple.components.electrics import CALCIUM

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


def own_concentration(ion: str, section: Any) -> None:
    """Make `Xi` of a section couple's: held between writes, kept by finitialize, and driving `eX`."""
    section.insert(f"{ion}_ion")
    # Arguments: concentration is a state, eX is assigned, computed at init, and at each step, no init from Xi0.
    h.ion_style(f"{ion}_ion", _WRITTEN, 2, 1, 1, 0, sec=section)
    for segment in section:
        setattr(segment, f"{ion}i", default_concentration(ion))


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
