"""Runs of one site by several engines under the same inputs: how they differ, what decides it, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import process_time

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.capabilities import options_of
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.geometry.geometry import Geometry
from couple.rng.streams import generator
from couple.wiring.sites.engine_choice import read_options
from couple.wiring.sites.initial_amounts import initial_amounts
from reducers.accuracy.settings import AccuracyFile
from reducers.training.resumable import Tell

REPEATS = 2
"""Times that an engine is timed; the shorter counts."""


@dataclass(frozen=True)
class AccuracyRuns:
    """Of k inputs and e engines, the last of which is the truth of the others.

    n: (k,) molecules of the species, the harmonic mean over time. x: (k,) relative excess below the membrane, the root
    of the mean square. influx: (k,) per ms. errors: (k, e) relative, the root of the mean over time and observables of
    W² / m²: W the distance of two normal distributions with the means and deviations of runs (2-Wasserstein:
    W² = Δmean² + Δdeviation²), m the mean of the truth (1 at least), without what chance does to so many runs: a local
    error, of which 1/n and x² are means as well. noise: (k, e) what chance does. seconds: (k, e) of CPU per run and ms.
    """

    n: Floats
    x: Floats
    influx: Floats
    errors: Floats
    noise: Floats
    seconds: Floats

    def rows(self, chosen: np.ndarray) -> AccuracyRuns:
        """Some of the inputs."""
        return AccuracyRuns(*(array[chosen] for array in vars(self).values()))


def scaled(geometry: Geometry, factor: float) -> Geometry:
    """With lengths by a factor. Raises InputError for a shape that is given by something else than its lengths."""
    if geometry.shape not in ("cylinder", "sphere", "box"):
        raise InputError(
            f"{geometry.shape}: give a cylinder, a sphere or a box, whose size is varied", where="site.geometry"
        )
    size = tuple(factor * length for length in geometry.size)
    return Geometry(geometry.shape, size, factor**3 * geometry.volume, factor**2 * geometry.area, geometry.caps)


def sample_inputs(file: AccuracyFile, experiment: Experiment, geometry: Geometry, tell: Tell) -> AccuracyRuns:
    """All inputs, those that are held out behind the others. Raises RunError as engines do."""
    given, total = file.inputs, file.inputs.learned + file.inputs.held_out
    rng = generator(file.train.seed, "accuracy", "inputs", "all")
    sizes, influx = (_drawn(rng, span[0], span[-1], total) for span in (given.size, given.influx))
    rows = []
    for k in range(total):
        if k % max(total // 10, 1) == 0:
            tell(f"input {k + 1} of {total}")
        rows.append(_input(file, experiment, scaled(geometry, float(sizes[k])), float(influx[k]), k))
    n, x, errors, noise, seconds = (np.array(column) for column in zip(*rows, strict=True))
    return AccuracyRuns(n, x, influx, errors, noise, seconds)


def _drawn(rng: np.random.Generator, low: float, high: float, n: int) -> Floats:
    """(n,) log-uniform."""
    return np.exp(rng.uniform(np.log(low), np.log(high), n))


def _input(
    file: AccuracyFile, experiment: Experiment, geometry: Geometry, influx: float, number: int
) -> tuple[float, float, Floats, Floats, Floats]:
    """n, x, errors, noise and seconds of one input."""
    network, given, names = experiment.network(), file.inputs, file.accuracy.engines
    windows = round(given.duration / given.every)
    means, spreads, seconds = [], [], np.zeros(len(names))
    for e, name in enumerate(names):
        seen, numbers, seconds[e] = _runs(file, experiment, network, geometry, influx, name, number)
        means.append(seen.mean(axis=0))
        spreads.append(seen.std(axis=0, ddof=1))
        if e == len(names) - 1:
            scarce = np.maximum(numbers.mean(axis=0), 0.0)
    size = np.maximum(means[-1], 1.0)
    errors, noise = np.zeros(len(names)), np.zeros(len(names))
    for e in range(len(names) - 1):
        apart = (means[e] - means[-1]) ** 2 + (spreads[e] - spreads[-1]) ** 2
        chance = 1.5 * (spreads[e] ** 2 + spreads[-1] ** 2) / given.runs  # of a mean, and half of it of a deviation
        errors[e] = np.sqrt(np.maximum(((apart - chance) / size**2).mean(axis=0), 0.0).mean())
        noise[e] = np.sqrt((chance / size**2).mean())
    species = network.species[network.index(file.accuracy.species)]
    depth = geometry.volume / geometry.area if geometry.area else 0.0
    mixing = depth**2 / 2 / species.D if species.D else 0.0
    scarce = np.maximum(scarce, 1.0)
    excess = _course(windows) * influx * mixing / scarce[:-1]
    return float(1.0 / np.mean(1.0 / scarce)), float(np.sqrt(np.mean(excess**2))), errors, noise, seconds


def _course(windows: int) -> Floats:
    """(n_windows,) 1 while molecules enter."""
    at = (np.arange(windows) + 0.5) / windows
    return ((at > 0.25) & (at < 0.5)).astype(float)


def _runs(
    file: AccuracyFile,
    experiment: Experiment,
    network: ReactionNetwork,
    geometry: Geometry,
    influx: float,
    name: str,
    number: int,
) -> tuple[Floats, Floats, float]:
    """(R, T + 1, n_observables) and (R, T + 1) molecules of the species; seconds of CPU per run and ms."""
    given, asked = file.inputs, file.accuracy
    windows, best = round(given.duration / given.every), np.inf
    for _ in range(REPEATS):
        engine = _engine(file, experiment, network, geometry, name, number)
        columns = [engine.network.index(s) for s in (asked.observables or (asked.species,)) if s in network.names]
        watched = [list(network.observables).index(s) for s in asked.observables if s not in network.names]
        own = engine.network.index(asked.species)
        seen = np.empty((windows + 1, given.runs, len(columns) + len(watched)))
        numbers = np.empty((windows + 1, given.runs))
        course = _course(windows) * influx * given.every
        carried, begun = 0.0, process_time()
        for k in range(windows + 1):
            if k:
                carried += course[k - 1]
                entering = float(np.floor(carried)) if engine.integer else carried
                carried -= entering
                engine.write("influx", np.full((given.runs, 1), entering))
                engine.advance(1)
            counts = engine.read("counts")
            seen[k, :, : len(columns)], seen[k, :, len(columns) :] = (
                counts[:, columns],
                engine.read("means")[:, watched],
            )
            numbers[k] = counts[:, own]
        best = min(best, process_time() - begun)
    return seen.transpose(1, 0, 2), numbers.T, best / given.runs / given.duration


def _engine(
    file: AccuracyFile,
    experiment: Experiment,
    network: ReactionNetwork,
    geometry: Geometry,
    name: str,
    number: int,
) -> SiteEngine:
    """With a site for each run, all alike."""
    asked = file.accuracy
    factory: type[SiteEngine] = registry.load("couple.engines", name)
    options = read_options(factory, options_of(factory, name, asked.options), name)
    found = initial_amounts(network, experiment.chemistry.initial, geometry).counts
    sites = tuple(Site(f"{number} {r}", geometry, tuple(float(c) for c in found)) for r in range(file.inputs.runs))
    setup = EngineSetup(
        "accuracy", network, sites, file.inputs.every, (asked.species,), seed=file.train.seed, options=options
    )
    return factory(replace(setup, sites=factory.starting_sites(setup)))
