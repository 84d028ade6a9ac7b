"""Bundles of arrays that kernels take: what all sites have in common, what each of them is, its state, and scratch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from couple.base.arrays import Floats, Ints


class Model(NamedTuple):
    """What all sites have in common.

    exponents, place, binomials: see `Powers`. sizes: (3,) numbers S, kept, low. change: (R, S) molecules gained.
    driven: (R,) 1 where the drive is a reactant. forms: (R,) 0 to 2 factors of a propensity. slopes: (R, 2, S) of the
    factors by n. others: (D, S) numbers that follow, n_d = room_d + others_d · n. coarse: see `sums`.
    """

    exponents: Ints
    place: Ints
    binomials: Floats
    sizes: Ints
    change: Floats
    driven: Ints
    forms: Ints
    slopes: Floats
    others: Floats
    coarse: float


class Places(NamedTuple):
    """What a site is. rates: (n, R) per ms (and uM). consts: (n, R, 2) of the factors. room: (n, D). most: (n, S)."""

    rates: Floats
    consts: Floats
    room: Floats
    most: Floats


class Fields(NamedTuple):
    """State of the sites. moments: (n, kept) of x. centre, scale: (n, S). latent: (n, S) molecules.

    free: (n, 2, kept), linear: (n, 2, kept, kept) of dM/dt, without the drive and per uM. turn: (n, 2, S, S) J in
    molecules. speed: (n, 2) bounds of its rates, 1/ms. seen: (n, S) variances at the last look.
    """

    moments: Floats
    centre: Floats
    scale: Floats
    latent: Floats
    free: Floats
    linear: Floats
    turn: Floats
    speed: Floats
    seen: Floats


class Work(NamedTuple):
    """Scratch. sums: (n_powers,). wanted, nu, step, old: (kept,). curvature: (kept, kept). tangent: (low, kept).
    pushed: (low,). forms: (2, 4). quadratic: (4, 4). drift: (3, low). small: (4, 3, 3). vectors: (4, kept)."""

    sums: Floats
    wanted: Floats
    nu: Floats
    step: Floats
    old: Floats
    curvature: Floats
    tangent: Floats
    pushed: Floats
    drift: Floats
    small: Floats
    vectors: Floats


def work_of(kept: int, low: int, powers: int) -> Work:
    """Scratch of these sizes."""
    wanted, nu, step, old = np.zeros((4, kept))
    curvature, tangent, pushed = np.zeros((kept, kept)), np.zeros((low, kept)), np.zeros(low)
    drift, small, vectors = np.zeros((3, low)), np.zeros((4, 3, 3)), np.zeros((4, kept))
    return Work(np.zeros(powers), wanted, nu, step, old, curvature, tangent, pushed, drift, small, vectors)


def fields_of(n: int, kept: int, numbers: int) -> Fields:
    """Of n sites, all 0."""
    free, linear, turn = np.zeros((n, 2, kept)), np.zeros((n, 2, kept, kept)), np.zeros((n, 2, numbers, numbers))
    centre, scale, latent, seen = (np.zeros((n, numbers)) for _ in range(4))
    return Fields(np.zeros((n, kept)), centre, scale, latent, free, linear, turn, np.zeros((n, 2)), seen)
