"""Which accuracy a site needs: what is known against each, the default rule, and rules of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Floats, Ints
from couple.base.errors import InputError, RunError
from couple.base.paths.python_function import load_function
from couple.cache.kernels import njit

FEW, GRADIENT, REPORTED, CHOSEN = 0, 1, 2, 3
"""What speaks against an engine: too few molecules for real numbers, ions that are not mixed, its own estimate;
or that the user's rule wants it so."""


@dataclass(frozen=True)
class Situation:
    """What a rule is given: one site, at the start of a window.

    time, since:    ms now, and ms since it was last switched. engine: that is active.
    counts:         molecules of each species. concentrations: µM, of those in the volume.
    influx:         molecules that enter over the next window.
    error_indicator: of each engine, as the default rule sees it: good enough below 1.
    """

    site: str
    time: float
    since: float
    engine: str
    counts: Mapping[str, float]
    concentrations: Mapping[str, float]
    influx: Mapping[str, float]
    error_indicator: Mapping[str, float]


Rule = Callable[[Situation], str]


@njit(cache=True)
def judge(
    counts: Floats,
    influx: Floats,
    span: float,
    play: Ints,
    source: Ints,
    mixing: Floats,
    traits: Floats,
    limits: Floats,
    learned: Floats,
    running: Floats,
    reported: Floats,
    indicator: Floats,
    why: Ints,
) -> None:
    """What speaks against each engine in each site: `indicator` (n_sites, n_engines), good enough below 1, and `why`.

    play:    columns of the species in play. source: column of each in `influx`, -1 if nothing fills it.
    mixing:  (n_sites, n_play) ms, see `mixing_times`. traits: (n_engines, 2) whether it counts in real numbers, and
             whether it is well mixed. limits: few, gradient, and by how much an estimate fades over a window.
    running: (n_sites, n_play, 2) molecules, averaged; and the largest excess below the membrane, fading. NaN first.
    reported: (n_sites, n_engines) error indicators of the engines' own.
    """
    few, gradient, kept = limits[0], limits[1], limits[2]
    for s in range(len(counts)):
        lowest, largest = np.inf, 0.0
        for p in range(len(play)):
            n = counts[s, play[p]]
            entering = abs(influx[s, source[p]]) if source[p] >= 0 else 0.0
            excess = entering / span * mixing[s, p] / max(n, 1.0)
            if running[s, p, 0] != running[s, p, 0]:
                running[s, p, 0], running[s, p, 1] = n, excess
            running[s, p, 0] = kept * running[s, p, 0] + (1.0 - kept) * n
            running[s, p, 1] = max(excess, kept * running[s, p, 1])
            lowest, largest = min(lowest, running[s, p, 0]), max(largest, running[s, p, 1])
        for e in range(len(traits)):
            indicator[s, e], why[s, e] = reported[s, e], REPORTED
            if limits[3] > 0.0:
                rare, steep = learned[e, 0] / max(lowest, 1.0), learned[e, 1] * largest * largest
                said = math.sqrt(rare + steep + learned[e, 2]) / limits[3]
                if said > indicator[s, e]:
                    indicator[s, e], why[s, e] = said, GRADIENT if steep > rare else FEW
                continue
            scarce = few / max(lowest, 1e-3) if traits[e, 0] > 0 else 0.0
            if scarce > indicator[s, e]:
                indicator[s, e], why[s, e] = scarce, FEW
            unmixed = largest / gradient if traits[e, 1] > 0 and gradient > 0 else 0.0
            if unmixed > indicator[s, e]:
                indicator[s, e], why[s, e] = unmixed, GRADIENT


@njit(cache=True)
def cheapest(indicator: Floats, active: Ints, hysteresis: float, wanted: Ints) -> None:
    """(n_sites,) the first engine that is good enough; one that is cheaper than the active one by `hysteresis`."""
    for s in range(len(indicator)):
        wanted[s] = indicator.shape[1] - 1
        for e in range(indicator.shape[1] - 1):
            if indicator[s, e] * (hysteresis if e < active[s] else 1.0) < 1.0:
                wanted[s] = e
                break


@njit(cache=True)
def settle(wanted: Ints, now: float, dwell: float, active: Ints, calm_since: Floats, calm: Ints, chosen: Ints) -> bool:
    """(n_sites,) what to take now: a finer engine at once, a cheaper one after `dwell` ms in which all wanted one.

    calm_since: when a cheaper one was wanted first, NaN if it is not. calm: the finest of those wanted since. Returns
    whether any site switches.
    """
    any_site = False
    for s in range(len(wanted)):
        chosen[s] = active[s]
        if wanted[s] >= active[s]:
            chosen[s], calm_since[s] = wanted[s], np.nan
        elif calm_since[s] != calm_since[s]:
            calm_since[s], calm[s] = now, wanted[s]
        else:
            calm[s] = max(calm[s], wanted[s])
        if wanted[s] < active[s] and now - calm_since[s] >= dwell * (1 - 1e-12):
            chosen[s], calm_since[s] = calm[s], np.nan
        any_site |= chosen[s] != active[s]
    return any_site


def mixing_times(volumes: Sequence[float], areas: Sequence[float], diffusion: Sequence[float]) -> Floats:
    """(n_sites, n_species) ms: the relative excess below the membrane, by the relative influx per ms.

    Molecules that enter through the membrane at a steady rate J of n raise the concentration below it over the mean by
    J/n (V/A)² / (2 D): exact in a long cylinder; 3/5 in place of 1/2 in a sphere, 1/3 between two plates.
    """
    depth = np.array([v / a if a > 0 else 0.0 for v, a in zip(volumes, areas, strict=True)])
    with np.errstate(divide="ignore"):
        return np.asarray(depth[:, None] ** 2 / 2 / np.array(diffusion)[None, :])


def load_rule(text: str, folder: Path) -> tuple[Rule, list[Path]]:
    """The function of "rules.py:choose" and the files that its file reads. Raises InputError if there is none."""
    try:
        return load_function(text, folder, '(now): return "ENGINE"')
    except InputError as error:
        raise error.at("adaptive.rule") from None


def ask(rule: Rule, situation: Situation, engines: Sequence[str]) -> int:
    """The engine that a rule of the user's own chooses. Raises RunError if it fails or names none of them."""
    try:
        answer = rule(situation)
    except Exception as error:  # whatever the user's function raises
        raise RunError(f'site "{situation.site}": the rule failed: {type(error).__name__}: {error}') from error
    if answer not in engines:
        raise RunError(f'site "{situation.site}": the rule returned {answer!r}, not one of {", ".join(engines)}')
    return list(engines).index(answer)


def frozen(names: Sequence[str], values: npt.ArrayLike) -> Mapping[str, float]:
    """Names and values as a mapping that cannot be changed."""
    return MappingProxyType(dict(zip(names, np.asarray(values).tolist(), strict=True)))
