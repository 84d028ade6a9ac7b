"""Particles and exact fields that the tests of fields share."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from adapters.fem.field_basis.basis import MeshBasis
from adapters.fem.field_basis.meshes import box, interval
from couple.base.arrays import Floats
from reducers.fields.density.particles import ParticleRuns

TRAINING = """
[train]
name = "small"
allowed = 1e6
held_out = 10
[data]
particles = ["particles.h5"]
[model]
family = "field"
mesh = { interval = [-12, 12], resolution = 0.5 }
smooth = 3.0
[law]
diffusion = true
reactions = ["A -> 0"]
[report]
kernel = false
"""
"""A training of a field on particles.h5, as `brownian` makes them."""


@functools.lru_cache
def basis_of(dimension: int) -> MeshBasis:
    """A small mesh."""
    if dimension == 1:
        return interval(-1.0, 2.0, 12)
    return box((1.0, 0.8), 0.25) if dimension == 2 else box((1.0, 0.8, 0.7), 0.35)


def source(x: Floats, time: float, D: float = 1.0) -> Floats:
    """ν of a particle that was at 0 at time 0, on a line."""
    return x**2 / (4 * D * time) + 0.5 * np.log(4 * np.pi * D * time)


def brownian(
    runs: int, each: int, time: Floats, seed: int, *, D: float = 1.0, decay: float = 0.0, half: float = 12.0
) -> ParticleRuns:
    """Independent particles that start at 0 at time 0 and vanish at a rate, on a line from -half to half."""
    rng = np.random.default_rng(seed)
    gaps = np.diff(np.concatenate([[0.0], time]))
    places = np.cumsum(rng.normal(size=(runs, len(time), each)) * np.sqrt(2 * D * gaps)[:, None], axis=1)
    assert abs(places).max() < half
    alive = np.ones_like(places, dtype=bool)
    if decay:
        alive = rng.exponential(1 / decay, size=(runs, 1, each)) > time[:, None]
    run, row, _ = np.nonzero(alive)
    kind = np.zeros(len(run), dtype=np.int64)
    return ParticleRuns(time, ("A",), places[alive][:, None], run, row, kind, runs)


def place_field_training(folder: Path) -> None:
    """Put field.toml and the particles that it learns from into a folder."""
    brownian(40, 50, np.linspace(0.5, 1.5, 4), 1, decay=0.4).write(folder / "particles.h5")
    (folder / "field.toml").write_text(TRAINING)
