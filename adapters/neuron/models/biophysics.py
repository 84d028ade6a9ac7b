"""The block [neuron.biophysics]: capacitance, axial resistance and mechanisms by region, and the size of segments.

    d_lambda = 0.1                      # or max_segment = "20 um"
    all    = { cm = "1 uF/cm^2", Ra = "150 ohm cm", pas = { g = "5e-5 S/cm^2", e = "-65 mV" } }
    soma   = { hh = { gnabar = "0.1 S/cm^2" }, ena = "50 mV" }
    apical = { couple_cav = { gmax = "1e-4 S/cm^2" } }

Regions: soma, axon, basal (also dend), apical (also apic), dend_5 ... for other SWC types, and all. `all` comes
first, then the others: a region overrides. Units are NEURON's own; where NEURON knows none, a plain number is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms.parameters import density_mechanisms, in_unit, parameters
from adapters.neuron.models.regions import REGIONS, region_of
from couple.base.errors import InputError, nearest
from couple.base.units import quantity

WHERE = "neuron.biophysics"

_OTHER_NAMES = {"dend": "basal", "apic": "apical", "dendrite": "basal"}
_CABLE = {"cm": "uF/cm^2", "Ra": "ohm cm"}
_FREQUENCY = 100.0
"""Hz, of the d_lambda rule (Hines & Carnevale 2001, Neuroscientist 7:123)."""


@dataclass(frozen=True)
class Membrane:
    """What a region gets: cm (µF/cm²) and Ra (Ω cm) by name, reversal potentials (mV), parameters by mechanism."""

    region: str
    cable: Mapping[str, float]
    reversal: Mapping[str, float]
    mechanisms: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Biophysics:
    """All regions, `all` first, and the number of segments of a section."""

    membranes: tuple[Membrane, ...]
    segments: Callable[[Any], int]


def read(block: Mapping[str, Any]) -> Biophysics:
    """Check the block against the mechanisms that NEURON has. Raises InputError that names the key."""
    rest = dict(block)
    segments = _discretisation(rest)
    membranes: dict[str, Membrane] = {}
    for key, table in rest.items():
        region = _OTHER_NAMES.get(key, key)
        known = [*REGIONS, "all", *_OTHER_NAMES, "d_lambda", "max_segment"]
        if region not in (*REGIONS, "all") and not key.startswith(("dend_", "minus_")):
            raise InputError(f'unknown key "{key}"; {nearest(key, known)}', where=WHERE)
        if region in membranes:
            raise InputError(f'"{key}" is another name of "{region}", which is given too', where=WHERE)
        membranes[region] = _membrane(region, _table(table, f"{WHERE}.{key}"), f"{WHERE}.{key}")
    return Biophysics(tuple(sorted(membranes.values(), key=lambda m: m.region != "all")), segments)


def apply(biophysics: Biophysics, sections: Sequence[Any]) -> None:
    """Set everything on the sections. Raises InputError for a region that the cell does not have."""
    regions = {region_of(section.name()) for section in sections}
    for membrane in biophysics.membranes:
        if membrane.region != "all" and membrane.region not in regions:
            raise InputError(
                f'the cell has no "{membrane.region}"; it has: {", ".join(sorted(regions - {""}))}',
                where=f"{WHERE}.{membrane.region}",
            )
        mine = [s for s in sections if membrane.region in ("all", region_of(s.name()))]
        for section in mine:
            for name, value in membrane.cable.items():
                setattr(section, name, value)
    for section in sections:
        section.nseg = biophysics.segments(section)
    # Only now, so that all segments have the mechanisms' values and not copies of the middle one.
    for membrane in biophysics.membranes:
        for section in sections:
            if membrane.region in ("all", region_of(section.name())):
                _insert(membrane, section)


def _insert(membrane: Membrane, section: Any) -> None:
    for mechanism, values in membrane.mechanisms.items():
        section.insert(mechanism)
        for segment in section:
            for name, value in values.items():
                setattr(getattr(segment, mechanism), name, value)
    for name, value in membrane.reversal.items():
        if not h.ismembrane(f"{name[1:]}_ion", sec=section):
            raise InputError(
                f"no mechanism there has a current of {name[1:]}, in {section.name()}",
                where=f"{WHERE}.{membrane.region}.{name}",
            )
        setattr(section, name, value)


def _discretisation(rest: dict[str, Any]) -> Callable[[Any], int]:
    """Odd numbers of segments, so that every section has a middle. Takes the keys out of `rest`."""
    d_lambda, longest = rest.pop("d_lambda", None), rest.pop("max_segment", None)
    if d_lambda is not None and longest is not None:
        raise InputError("give d_lambda or max_segment, not both", where=WHERE)
    if longest is not None:
        try:
            length = quantity(longest, "length")
        except InputError as error:
            raise error.at(f"{WHERE}.max_segment") from None
        if not length > 0:
            raise InputError(f'"{longest}" is not positive', where=f"{WHERE}.max_segment")
        return lambda section: _odd(section.L / length)
    share = 0.1 if d_lambda is None else d_lambda
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 1e-4 <= share <= 10:
        raise InputError(f"{share!r} is not a share of the length constant, such as 0.1", where=f"{WHERE}.d_lambda")
    return lambda section: _odd(section.L / (share * length_constant(section)))


def _odd(pieces: float) -> int:
    if pieces > 32767:
        raise InputError(f"a section would have {pieces:.3g} segments; allow longer ones", where=WHERE)
    return max(1, 2 * math.ceil((pieces - 1) / 2 - 1e-9) + 1)


def length_constant(section: Any) -> float:
    """AC length constant at 100 Hz, µm: ½·sqrt(d / (π f Ra cm)) of a cylinder, in series along 3-d points.

    √d is averaged as L/Σ(Δx/√d), so that a section with a thin part gets the segments that the part needs.
    """
    n = section.n3d()
    if n > 1:
        pieces = 0.0
        for i in range(1, n):
            step = section.arc3d(i) - section.arc3d(i - 1)
            pieces += step / math.sqrt((section.diam3d(i) + section.diam3d(i - 1)) / 2)
        root = section.L / pieces
    else:
        root = math.sqrt(section(0.5).diam)
    cm = section(0.5).cm
    return 1e5 * float(root) * math.sqrt(1 / (4 * math.pi * _FREQUENCY * float(section.Ra * cm)))


def _membrane(region: str, table: Mapping[str, Any], where: str) -> Membrane:
    cable, reversal, mechanisms = {}, {}, {}
    known = density_mechanisms()
    reversals = [f"e{name.removesuffix('_ion')}" for name in known if name.endswith("_ion")]
    offered = [name for name in known if not name.endswith("_ion")]
    for key, value in table.items():
        if key in _CABLE:
            cable[key] = in_unit(value, _CABLE[key], f"{where}.{key}")
            if not cable[key] > 0:
                raise InputError(f'"{value}" is not positive', where=f"{where}.{key}")
        elif key in reversals:
            reversal[key] = in_unit(value, "mV", f"{where}.{key}")
        elif key in offered:
            mechanisms[key] = parameters(key, _table(value, f"{where}.{key}"), f"{where}.{key}")
        else:
            raise InputError(
                f'unknown mechanism "{key}"; {nearest(key, [*_CABLE, *offered, *reversals])} Mechanisms from MOD files '
                'come with neuron.mechanisms = "FOLDER"',
                where=where,
            )
    return Membrane(region, cable, reversal, mechanisms)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{value!r} is not a table of keys and values, like {{ KEY = VALUE }}", where=where)
    return value
