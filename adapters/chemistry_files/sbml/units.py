"""Units of an SBML model: what the file declares, with `chemistry.units` for what it leaves open."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from adapters.chemistry_files.model import Units
from couple.base.errors import InputError
from couple.base.units import IONS_PER_MM_UM3
from couple.chemistry.reaction import Place

AVOGADRO = IONS_PER_MM_UM3 * 1e18
BUILT_IN = {"substance": "mole", "volume": "litre", "area": "metre", "length": "metre", "time": "second"}
"""Units of levels 1 and 2 that need no definition."""
_GETTERS = {
    "substance": "getSubstanceUnits",
    "volume": "getVolumeUnits",
    "area": "getAreaUnits",
    "time": "getTimeUnits",
    "extent": "getExtentUnits",
}
_CLOSE = 1e-9

Kinds = dict[str, int]


class SbmlUnits:
    """What units of a model are in ours. given: the table `chemistry.units`, None without.

    Raises InputError for units that are not read, for what neither the file nor the table says, and where the two
    contradict each other.
    """

    def __init__(self, libsbml: Any, model: Any, given: Units | None) -> None:
        self.libsbml, self.sbml, self.given = libsbml, model, given

    def time(self) -> float:
        """ms in the unit of time."""
        declared = self._declared("time", self._name("time"))
        asked = None if self.given is None else self.given.time
        return self._one("time", declared, asked, 1e3)

    def amount(self) -> float:
        """Molecules in the unit of substance (of a concentration in 1 µm³, where the table says so)."""
        name = self._name("substance")
        declared = self._declared("substance", name)
        extent = self._name("extent") if self.sbml.getLevel() > 2 else ""
        if extent and name and not _equal(self._declared("substance", extent), declared):
            raise InputError(f'extents are in "{extent}" and substances in "{name}": read if they are the same')
        if self.sbml.getLevel() > 2 and not name:
            declared = self._declared("substance", extent or self._of_all_species())
        return self._one("substance", declared, None if self.given is None else self.given.amount, AVOGADRO)

    def _of_all_species(self) -> str:
        """The unit that every species says is its own, "" if they do not agree."""
        names = {s.getSubstanceUnits() for s in self.sbml.getListOfSpecies()}
        return str(names.pop()) if len(names) == 1 else ""

    def check_species(self, species: Any) -> None:
        """Raise InputError for a species with a unit of its own that is not the model's."""
        if species.isSetSubstanceUnits() and not _equal(
            self._declared("substance", species.getSubstanceUnits()), self.amount()
        ):
            raise InputError(
                f'species "{species.getId()}" is in "{species.getSubstanceUnits()}", which is not the unit of '
                "substance of the model: not read"
            )

    def check_law(self, law: Any, reaction: str) -> None:
        """Raise InputError for a kinetic law (levels 1 and 2) in units that are not the model's."""
        for what, own, all_ in (("substance", "SubstanceUnits", self.amount), ("time", "TimeUnits", self.time)):
            if getattr(law, f"isSet{own}")():
                name = getattr(law, f"get{own}")()
                if not _equal(self._declared(what, name), all_()):
                    raise InputError(
                        f'reaction "{reaction}": its rate is in "{name}", not in the model\'s unit of {what}: not read'
                    )

    def sizes(
        self, compartments: Mapping[str, Any], bare: Mapping[str, float], place: Place, volume: float = 1.0
    ) -> dict[str, float]:
        """µm³ of volumes, µm² of membranes, that are together those of a site; bare: sizes in the file's units.

        volume: µm³ in the file's unit of volume, on which that of area goes where the table gives volumes.
        """
        what = "volume" if place == "volume" else "area"
        declared = {name: self._size_unit(c, what) for name, c in compartments.items()}
        given = self.given
        if given is None:
            default = 1e15 if place == "volume" else 1e12
            return {name: bare[name] * self._one(what, unit, None, default) for name, unit in declared.items()}
        if place == "membrane":
            return {name: bare[name] * (unit or volume ** (2 / 3)) for name, unit in declared.items()}
        if given.concentrations:
            return {name: bare[name] * (unit or given.volume) for name, unit in declared.items()}
        return self._together(compartments, bare, declared, given.volume)

    def _size_unit(self, compartment: Any, what: str) -> float | None:
        own = compartment.getUnits() if compartment.isSetUnits() else ""
        return self._declared(what, own or self._name(what))

    @staticmethod
    def _together(
        compartments: Mapping[str, Any], bare: Mapping[str, float], declared: Mapping[str, float | None], volume: float
    ) -> dict[str, float]:
        """Sizes of compartments that have the `volume` that the table gives, together."""
        units = {name: unit for name, unit in declared.items() if unit is not None}
        if not units:
            total = sum(bare[name] for name in compartments)
            return {name: volume * bare[name] / total for name in compartments}
        sizes = {name: bare[name] * unit for name, unit in units.items()}
        which = ", ".join(f'"{name}"' for name in compartments)
        if len(units) < len(compartments):
            raise InputError(f"of the compartments {which} some say their unit of volume, others do not: not read")
        if not _equal(sum(sizes.values()), volume):
            raise InputError(
                f"compartment{'s' if len(sizes) > 1 else ''} {which}: {sum(sizes.values()):g} um^3, "
                f"chemistry.units.volume says {volume:g} um^3: leave one out"
            )
        return sizes

    def _one(self, what: str, declared: float | None, asked: float | None, default: float) -> float:
        """What holds of a unit that the file declares, that the table asks for, and that level 2 has by default."""
        if declared is not None and asked is not None and not self._concentrations(what):
            if not _equal(declared, asked):
                raise InputError(
                    f"the file declares its unit of {what}, and chemistry.units gives another: leave it out"
                )
            return declared
        if declared is not None:
            if asked is not None:
                raise InputError(
                    "the file declares its unit of substance, and chemistry.units says that amounts are "
                    "concentrations: leave it out"
                )
            return declared
        if asked is not None:
            return asked
        if self.sbml.getLevel() > 2:
            raise InputError(
                f'the model does not say its unit of {what}: add chemistry.units = {{ amount = "count", volume = '
                '"1 um^3", time = "s" } (or amount = "uM" without a volume)'
            )
        return default

    def _concentrations(self, what: str) -> bool:
        return what == "substance" and self.given is not None and self.given.concentrations

    def _name(self, what: str) -> str:
        """The name of the model's unit, "" where nothing is said."""
        if self.sbml.getLevel() > 2:
            return str(getattr(self.sbml, _GETTERS[what])())
        return what if self.sbml.getUnitDefinition(what) else ""

    def _declared(self, what: str, name: str) -> float | None:
        """A unit by its name in ours: ms, µm³, µm² or molecules; None for "". Raises InputError if it is none."""
        if not name:
            return None
        scale, found = self._unit(name)
        known: dict[str, tuple[tuple[Kinds, float], ...]] = {
            "time": (({"second": 1}, 1e3),),
            "substance": (({"mole": 1}, AVOGADRO), ({"item": 1}, 1.0)),
            "volume": (({"litre": 1}, 1e15), ({"metre": 3}, 1e18)),
            "area": (({"metre": 2}, 1e12),),
        }
        for kinds, canonical in known[what]:
            if found == kinds and scale > 0 and math.isfinite(scale):
                return scale * canonical
        read = " (mole, item)" if what == "substance" else ""
        raise InputError(f'"{name}" is not a unit of {what} that is read{read}')

    def _unit(self, name: str) -> tuple[float, Kinds]:
        """(factor, base kind → exponent) of a unit by its name."""
        definition = self.sbml.getUnitDefinition(name)
        if definition is None and self.sbml.getLevel() < 3 and name in BUILT_IN:
            return 1.0, {BUILT_IN[name]: 2 if name == "area" else 1}
        if definition is None:
            return 1.0, {_spelt(name): 1} if name != "dimensionless" else {}
        scale, kinds = 1.0, Counter[str]()
        for unit in definition.getListOfUnits():
            if unit.isSetOffset() and unit.getOffset():
                raise InputError(f'the unit "{name}" has an offset: not read')
            exponent = unit.getExponentAsDouble() if unit.getLevel() > 2 else unit.getExponent()
            if exponent != exponent or exponent != int(exponent):
                raise InputError(f'the unit "{name}" has an exponent that is no whole number: not read')
            scale *= (unit.getMultiplier() * 10.0 ** unit.getScale()) ** exponent
            kinds[_spelt(self.libsbml.UnitKind_toString(unit.getKind()))] += int(exponent)
        return scale, {k: n for k, n in kinds.items() if n and k != "dimensionless"}


def _spelt(kind: str) -> str:
    return kind.replace("liter", "litre").replace("meter", "metre")


def _equal(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and math.isclose(a, b, rel_tol=_CLOSE)
