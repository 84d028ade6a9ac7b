"""Engine `knp`: reaction and electrodiffusion on finite elements, electroneutral (Kirchhoff, Nernst, Planck)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapters.fem.field_engine import FieldEngine, FieldOptions
from adapters.fem.mesh.discretisation import Discretisation
from adapters.fem.nernst_planck import NernstPlanck
from adapters.fem.solver.field_layout import FieldLayout
from adapters.fem.solver.system import WindowInputs
from couple.base.arrays import Floats
from couple.base.errors import InputError, RunError
from couple.base.units import Time
from couple.chemistry.network import ReactionNetwork
from couple.components import engine
from couple.components.capabilities import CarriesCharge
from couple.components.component import Port
from couple.components.engine import EngineSetup


class ElectrodiffusionOptions(FieldOptions):
    """Besides those of `pde`: step, the longest time for which reactions go on before ions drift and diffuse."""

    step: Time = Field(0.025, gt=0)


class Electrodiffusion(FieldEngine, CarriesCharge):
    """The fields of `pde`, of which those with a `charge` drift in the potential that keeps the site electroneutral.

    Windows are divided into equal steps no longer than `step`, in each of which `pde` does reactions, what enters, and
    species without charge; then ions drift and diffuse over it, in one linearly implicit step. Charge that enters
    gathers on the membrane, evenly, within the window; of a site with a neck, ions that carry it away ask to leave
    through the opening in the next (`drift_opening`). Reactions change no charge: what they take in ions, others that
    nobody names bring.
    Without species that have a charge and diffuse it is `pde`.
    """

    Options: ClassVar[type[engine.Options]] = ElectrodiffusionOptions

    def __init__(self, setup: EngineSetup, meshes: Mapping[str, Discretisation] | None = None) -> None:
        """meshes: see FieldEngine. Raises InputError for a clamped species with a charge."""
        _refuse_clamped_ions(setup)
        opened = any(site.opening_diameter is not None for site in setup.sites)
        port = Port("count", (len(setup.sites), len(setup.injected)), "extensive", setup.injected)
        super().__init__(setup, meshes, {"drift_opening": port} if opened else None)
        f, species = self._fields, self.network.species
        self._ions = [c for c in f.mobile_volume if _is_ion(self.network, c)]
        charges = [float(species[c].charge or 0) for c in self._ions]
        D = [species[c].D for c in self._ions]
        made: dict[int, NernstPlanck] = {}
        self._transport = [made.setdefault(id(d), NernstPlanck(d, charges, D)) for d in self._elements if self._ions]
        self.potentials = [np.zeros(len(d.places)) for d in self._elements]
        self.excess = np.zeros(len(self.sites))
        self._left = [np.zeros(len(d.places)) for d in self._elements]
        o = setup.options
        self._step = o.step if isinstance(o, ElectrodiffusionOptions) else 0.025

    def fields_of(self, setup: EngineSetup) -> FieldLayout:
        """See FieldEngine: ions diffuse in steps of their own."""
        fields = super().fields_of(setup)
        still = [_is_ion(self.network, c) for c in range(fields.n_species)]
        D = fields.D.copy()
        D[: fields.n_species][still] = 0.0
        return replace(fields, D=D)

    def potential(self, site: int = 0) -> Floats:
        """(N,) potential at the nodes of a site in units of RT/F, 0 on average over its volume, copied."""
        return self.potentials[site].copy()

    def _prepare_window(self, k: int, span: float) -> WindowInputs:
        before = self._charge(k)
        inputs = super()._prepare_window(k, span)
        self._left[k] = self._charge(k) - before
        return inputs

    def _window(self, k: int, inputs: WindowInputs, span: float, integrals: Floats) -> float:
        if not self._ions:
            return super()._window(k, inputs, span, integrals)
        n = max(1, math.ceil(span / self._step - 1e-9))
        of_part = np.empty_like(integrals)
        integrals[:] = 0.0
        places = [self._unknowns(k, column) for column in self._ions]
        kept, charge = self._gathering(k, inputs.load, places, span)
        for _ in range(n):
            self.inner[k] = super()._window(k, inputs, span / n, of_part)
            integrals += of_part
            self._drift(k, places, kept, span / n)
        self.excess[k] += charge
        self._ask_to_leave(k, charge)
        return float(self.inner[k])

    def _ask_to_leave(self, k: int, charge: float) -> None:
        """What is to leave through the opening: the charge that is there, and what is expected to come in the next
        window as in this one, by how well each ion conducts. charge: that came in this window, less what left.
        """
        if self._openings[k] is not None:
            charges, per_charge = self._carriers(k)
            asked = self.read("drift_opening")[k]
            asked[:] = (self.excess[k] + charge + charges @ asked) * per_charge

    def _carriers(self, k: int) -> tuple[Floats, Floats]:
        """(n_injected,) charge of each species, and molecules of it that carry one elementary charge at the opening."""
        opening, y, n = self._openings[k], self.densities[k], self.network
        assert opening is not None
        columns = [n.index(name) for name in self.setup.injected]
        charges = np.array([float(n.species[c].charge or 0) if c in self._ions else 0.0 for c in columns])
        conducting = [
            z * n.species[c].D * max(float(opening @ y.mobile[self._unknowns(k, c)]), 0.0) if z else 0.0
            for c, z in zip(columns, charges.tolist(), strict=True)
        ]
        total = float(charges @ conducting)
        return charges, np.array(conducting) / total if total > 0.0 else np.zeros(len(columns))

    def _write_opening_counts(self, k: int, entered: npt.ArrayLike) -> None:
        """See FieldEngine: the charge of what entered has gone on at once, so that only what is left of it is there."""
        through = np.asarray(entered, dtype=float)
        if self._openings[k] is not None and through.ndim and self._ions:
            charges, per_charge = self._carriers(k)
            through = through - per_charge * (charges @ through)
        super()._write_opening_counts(k, through)

    def _gathering(
        self, k: int, load: Floats, places: Sequence[npt.NDArray[np.int64]], span: float
    ) -> tuple[Floats, float]:
        """(N,) elementary charges per ms by which drift changes each node, to where they gather; and all that came."""
        s, came = self.steppers[k], self._left[k] / span
        for charge, at in zip(self._transport[k].charges.tolist(), places, strict=True):
            came += charge * load[at]
        kept = -came
        if len(s.areas):
            kept[self._elements[k].nodes] += came.sum() * s.areas / s.areas.sum()
        else:
            kept += came.sum() * s.volumes / s.volumes.sum()
        return kept, float(came.sum() * span)

    def _drift(self, k: int, places: Sequence[npt.NDArray[np.int64]], kept: Floats, h: float) -> None:
        """Let the ions of a site drift and diffuse for h ms."""
        y, s = self.densities[k], self.steppers[k]
        c = np.array([y.mobile[at] for at in places])
        if not c.any():
            return
        c, psi = self._transport[k].step(c, h, np.zeros_like(c), kept)
        if not (np.isfinite(c).all() and np.isfinite(psi).all()):
            raise RunError(
                f"{self._label(k)}: ions cannot be kept electroneutral: is there a place without any? Give them a "
                "start, or ask for more with step"
            )
        for at, density in zip(places, c, strict=True):
            y.mobile[at] = density
        self.potentials[k][:] = psi - (s.volumes @ psi) / s.volumes.sum()

    def _charge(self, k: int) -> Floats:
        """(N,) elementary charges of the ions that each node stands for."""
        y, d = self.densities[k], self._elements[k]
        found = np.zeros(len(d.places))
        for column in self._ions:
            found += (self.network.species[column].charge or 0) * (d.mass @ y.mobile[self._unknowns(k, column)])
        return found

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """See FieldEngine; and the potentials."""
        potentials: dict[str, Any] = {f"site{k}.potential": p for k, p in enumerate(self.potentials)}
        return {**super()._arrays(), "excess": self.excess, **potentials}

    @classmethod
    def check(cls, setup: EngineSetup) -> Sequence[str]:
        """See SiteEngine: as `pde`, and without any ions."""
        _refuse_clamped_ions(setup)
        warnings = list(super().check(setup))
        if not any(_is_ion(setup.network, c) for c in range(len(setup.network.species))):
            warnings.append("no species has a charge and diffuses: knp does what pde does")
        return warnings


def _is_ion(network: ReactionNetwork, column: int) -> bool:
    """Whether a species of the volume has a charge and diffuses."""
    species = network.species[column]
    return bool(species.charge) and species.D > 0 and species.on == "volume"


def _refuse_clamped_ions(setup: EngineSetup) -> None:
    for name in setup.clamped:
        if _is_ion(setup.network, setup.network.index(name)):
            raise InputError(
                f'"{name}" has a charge, and clamped it would bring any: knp keeps its sites electroneutral; leave out '
                "the clamp, or the charge"
            )
