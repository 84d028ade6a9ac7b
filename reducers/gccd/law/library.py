"""Candidate functions of the law: what each reaction that could be there does to moments, dy/dt = Σ_r k_r F_r(y, c).

In the parameters μ of the field the same law is dμ/dt = C⁻¹ Σ_r k_r F_r, C the covariance of the features; moments are
used because μ diverges where a state is empty. Every F_r is linear in calcium c: F = F_0 + c F_1. Besides the reactions
that `kernel` can run there are decoys: uptake without calcium, and release, pairing and parting that calcium speeds up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats
from reducers.gccd.law.kernel import ALONE, DEPHOS, DK, DP, LEAVE, N_RATES, N_STATE, OFF, ON, PAIR, PART, PHOS
from reducers.gccd.law.molecule import LOBES

_CALCIUM = [
    f"{lobe}{step} {kind} {way}"
    for kind in ("free", "bound")
    for lobe in "CN"
    for step in (1, 2)
    for way in ("on", "off")
]
_BY_LOBES = [f"{what} c{c}n{n}" for what in ("K on", "K off") for c, n in LOBES]
_PHOS = [f"phosphorylation c{c}n{n}" for c, n in LOBES]
KNOWN = (
    *_CALCIUM,
    *_BY_LOBES,
    "pairing",
    "parting",
    *_PHOS,
    "phosphorylation unpaired",
    "dephosphorylation",
    "CaM leaves pK",
)
"""Names of the rates of `kernel`, in its order."""

DECOYS = (
    *(f"{name}, no Ca" for name in _CALCIUM if name.endswith("on")),
    *(f"{name}, by Ca" for name in _CALCIUM if name.endswith("off")),
    "pairing, by Ca",
    "parting, by Ca",
)
"""Names of candidates that only the regression knows."""

NAMES = (*KNOWN, *DECOYS)


def reduced(census: Floats) -> Floats:
    """(…, 29) state of `kernel` of a census (…, 46) in uM."""
    y = np.zeros((*census.shape[:-1], N_STATE))
    y[..., :9] = census[..., :9]
    y[..., 9:18] = census[..., 9:18] + census[..., 18:27]
    y[..., 18:27] = census[..., 27:36] + census[..., 36:45]
    y[..., DK], y[..., DP] = census[..., 18:27].sum(axis=-1), census[..., 36:45].sum(axis=-1)
    return y


def expanded(y: Floats) -> Floats:
    """(…, 45) uM in each state of a molecule, of states (…, 29): lobes and pairing are independent given B and P."""
    out = np.empty((*y.shape[:-1], 45))
    out[..., :9] = y[..., :9]
    for kind, at, paired in ((1, 9, DK), (3, 18, DP)):
        whole = y[..., at : at + 9].sum(axis=-1)
        share = np.clip(np.divide(y[..., paired], whole, out=np.zeros_like(whole), where=whole > 0), 0.0, 1.0)
        out[..., 9 * kind : 9 * kind + 9] = y[..., at : at + 9] * (1.0 - share)[..., None]
        out[..., 9 * kind + 9 : 9 * kind + 18] = y[..., at : at + 9] * share[..., None]
    return out


@dataclass(frozen=True)
class LibraryInput:
    """y (T, 29) and calcium (T,) in uM, subunits: CaMKII in all."""

    y: Floats
    calcium: Floats
    subunits: float


def term_values(at: LibraryInput) -> Floats:
    """(len(NAMES), T, 29) of F_r along a course."""
    y, calcium = at.y, at.calcium[:, None]
    out = np.zeros((len(NAMES), *y.shape))
    for j in range(4):
        for step in range(2):
            up, down = _lobe(y, j, step)
            on, off = 4 * j + 2 * step, 4 * j + 2 * step + 1
            out[on], out[off] = calcium * up, down
            out[N_RATES + on // 2], out[N_RATES + 8 + on // 2] = up, calcium * down
    _subunits(out, at)
    out[N_RATES + 16], out[N_RATES + 17] = calcium * out[PAIR], calcium * out[PART]
    return out


def _lobe(y: Floats, chain: int, step: int) -> tuple[Floats, Floats]:
    """Uptake and release of the first or second ion by a chain (C free, N free, C bound, N bound), at calcium 1."""
    up, down = np.zeros_like(y), np.zeros_like(y)
    apart = 3 if chain % 2 == 0 else 1
    for kind in (0,) if chain < 2 else (1, 2):
        for other in range(3):
            low = 9 * kind + other * (1 if apart == 3 else 3) + step * apart
            high = low + apart
            up[:, low], up[:, high] = -y[:, low], y[:, low]
            down[:, low], down[:, high] = y[:, high], -y[:, high]
    return up, down


def _subunits(out: Floats, at: LibraryInput) -> None:
    """Functions of K: binding, pairing, phosphorylation."""
    y = at.y
    bound, phosphorylated = y[:, 9:18].sum(axis=1), y[:, 18:27].sum(axis=1)
    free, m, q = at.subunits - bound - phosphorylated, bound - y[:, DK], phosphorylated - y[:, DP]
    paired = np.divide(y[:, DK], bound, out=np.zeros_like(bound), where=bound > 0)
    mixed = np.divide(y[:, DP], y[:, DK], out=np.zeros_like(bound), where=y[:, DK] > 0)
    for s in range(9):
        x, p = y[:, 9 + s], y[:, 18 + s]
        _move(out[ON + s], s, 9 + s, free * y[:, s])
        _move(out[OFF + s], 9 + s, s, (1 - paired) * x)
        _move(out[PHOS + s], 9 + s, 18 + s, paired * x)
        out[PHOS + s, :, DK] = -(2 - mixed) * paired * x
        out[PHOS + s, :, DP] = -mixed * paired * x
        _move(out[ALONE], 9 + s, 18 + s, (1 - paired) * x)
        _move(out[DEPHOS], 18 + s, 9 + s, p)
        _move(out[LEAVE], 18 + s, s, p)
    out[PAIR, :, DK], out[PAIR, :, DP] = m * (m + q), q * m
    out[PART, :, DK], out[PART, :, DP] = -y[:, DK], -y[:, DP]
    out[DEPHOS, :, DK], out[DEPHOS, :, DP] = y[:, DP], -y[:, DP]
    out[LEAVE, :, DK], out[LEAVE, :, DP] = -y[:, DP], -y[:, DP]


def _move(out: Floats, source: int, target: int, rate: Floats) -> None:
    out[:, source] -= rate
    out[:, target] += rate
