"""Names such as "neuron.v" and "head.Ca" as places in a wired system, for a person who steps it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.components.component import Component, Port
from couple.components.engine import SiteEngine
from couple.wiring import System


def port(system: System, name: str) -> Port:
    """The port that a name means; for a site that of the component that the site is in."""
    component, key = _component(system, name)
    component.read(key)
    return {**component.inputs, **component.outputs}[key]


def read(system: System, name: str) -> Floats:
    """Values of a port, of its shape, or of a species or observable of a site, of shape (); a copy."""
    place = _place(system, name)
    if place is not None:
        engine, row, column, key = place
        return np.array(engine.read(key)[row, column])
    component, key = _component(system, name)
    return component.read(key).copy()


def write(system: System, name: str, values: npt.ArrayLike) -> None:
    """Set an input of the electrical model. Raises InputError for any other name."""
    component, key = _component(system, name)
    if component is not system.electrics:
        raise InputError(
            f'"{name}": what enters a site comes through links and drives; to add molecules, send("{name}", n)'
        )
    try:
        component.write(key, values)
    except ValueError:
        shape = component.read(key).shape
        raise InputError(f'"{name}" takes values of shape {shape}, not {np.shape(values)}') from None


def species_of(system: System, name: str) -> tuple[str, int]:
    """Site and column of a species. Raises InputError for anything else."""
    place = _place(system, name)
    if place is None or place[3] != "counts":
        _component(system, name)
        raise InputError(f'"{name}" is no species of a site')
    return name.partition(".")[0], place[2]


def _component(system: System, name: str) -> tuple[Component, str]:
    owner, _, key = name.partition(".")
    known: dict[str, Component] = {site.name: engine for engine in system.engines for site in engine.sites}
    known |= {c.name: c for c in system.components}
    if owner not in known:
        raise InputError(f'"{name}": nothing is named "{owner}"; {nearest(owner, known)}')
    return known[owner], key


def _place(system: System, name: str) -> tuple[SiteEngine, int, int, str] | None:
    """Engine, row, column and port of a species or observable of a site; None if the name is neither."""
    site, _, quantity = name.partition(".")
    for engine in system.engines:
        names = [s.name for s in engine.sites]
        if site in names and quantity in engine.network.observables:
            return engine, names.index(site), list(engine.network.observables).index(quantity), "means"
        if site in names and quantity in engine.network.states:
            return engine, names.index(site), engine.network.states.index(quantity), "counts"
    return None
