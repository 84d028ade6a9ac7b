"""What a distribution has to beat: rate equations for the means, and the scatter of molecules that do not meet."""

from __future__ import annotations

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.units import IONS_PER_MM_UM3
from couple.components.engine import EngineSetup, Site
from reducers.copy_numbers.chemistry import Kinetics
from reducers.copy_numbers.sampling import CopyNumberRuns


def mean_field(found: Kinetics, runs: CopyNumberRuns, seed: int = 1) -> dict[str, Floats]:
    """Keys "mean" and "variance" → (C, T + 1, S) of the moving numbers under the stimuli of `runs`.

    Means follow the chemistry's own rate equations (engine `ode`) from the mean start of the runs; a number n of at
    most N molecules scatters as n (1 - n/N) (binomial), one without a bound as n (Poisson).
    """
    per_um, part = 1e-3 * IONS_PER_MM_UM3 * runs.geometry.volume, found.part
    start, ions = runs.start.mean(axis=1), runs.drive * per_um
    sites = []
    for c, counts in enumerate(start):
        amount = {**dict(zip(found.species, counts.tolist(), strict=True)), found.drive: float(ions[c, 0])}
        sites.append(Site(str(c), runs.geometry, tuple(amount[name] for name in part.names)))
    factory = registry.load("couple.engines", "ode")
    options = factory.Options()
    setup = EngineSetup("field", part, tuple(sites), runs.every, clamped=(found.drive,), seed=seed, options=options)
    engine = factory(setup)
    columns = [engine.network.index(found.species[k]) for k in found.moving]
    mean = np.empty((len(start), ions.shape[1] + 1, len(columns)))
    mean[:, 0] = engine.read("counts")[:, columns]
    for k in range(ions.shape[1]):
        engine.write("clamp", ions[:, k : k + 1])
        engine.advance(1)
        mean[:, k + 1] = engine.read("counts")[:, columns]
    most = _most(found, found.room(start))[:, None]
    with np.errstate(invalid="ignore"):
        variance = mean * (1.0 - np.minimum(mean / most, 1.0))
    variance[:, 0] = runs.numbers[:, :, 0].var(axis=1)
    return {"mean": mean, "variance": variance}


def _most(found: Kinetics, room: Floats) -> Floats:
    """(C, S) molecules that each moving number can have while no other takes from the same total; infinite without one.

    room: (C, D) of the totals.
    """
    out = np.full((len(room), len(found.moving)), np.inf)
    for d, row in enumerate(found.others):
        for s, slope in enumerate(row.tolist()):
            if slope < 0:
                out[:, s] = np.minimum(out[:, s], room[:, d] / -slope)
    return np.asarray(np.maximum(out, 1e-300))
