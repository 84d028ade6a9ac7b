"""From the table [machine] to a deep Boltzmann machine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.layers import Bonds, Layer, Link, nearest_neighbours, patch
from reducers.machines.settings import MachineSettings


def build_machine(settings: MachineSettings) -> DeepBoltzmann:
    """The machine on the grid of the table. Raises InputError for layers or weights that do not fit."""
    near = nearest_neighbours(len(settings.shape))
    bonds = Bonds(near, settings.bonds, settings.periodic) if settings.bonds else None
    layers = [Layer(settings.shape, settings.states, bonds)]
    layers += [Layer(settings.shape, names) for names in settings.hidden]
    links = []
    for k, (lower, upper) in enumerate(pairwise(layers)):
        pairs = tuple((a, b) for a in lower.species for b in upper.species)
        chosen = pairs if settings.weights is None else settings.weights[k]
        links.append(Link(patch(len(settings.shape), settings.width), chosen, settings.periodic))
    return DeepBoltzmann(layers, links)


def held_values(settings: MachineSettings, parameters: Sequence[str]) -> tuple[np.ndarray, Floats]:
    """(n,) booleans, which parameters move, and (n,) the values of those that stay. Raises InputError."""
    for name in settings.held:
        if name not in parameters:
            raise InputError(f'no parameter "{name}"; {nearest(name, parameters)}', where=f"machine.held.{name}")
    moving = np.array([name not in settings.held for name in parameters])
    if not moving[: len(settings.states)].all() or not moving.any():
        raise InputError("biases of what is seen have to move", where="machine.held")
    return moving, np.array([settings.held.get(name, 0.0) for name in parameters])
