"""Many runs of one site in one engine: moments at the end of the experiment and what they cost."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import CoupleError, InputError, RunError, nearest
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.whole_counts import whole_and_rest
from couple.components.capabilities import HasDistribution
from couple.components.drive import Drive
from couple.components.engine import EngineSetup, Site, SiteEngine
from couple.experiment import Experiment
from couple.experiment.clock import Clock
from couple.geometry.geometry import Geometry
from couple.wiring.links.drives import DriveLink, plan_drives
from couple.wiring.sites.engine_choice import engine_choices, read_options
from couple.wiring.sites.initial_amounts import InitialAmounts, initial_amounts
from couple.wiring.sites.placed_site import PlacedSite
from couple.wiring.sites.site_blocks import place_sites

BATCH = 20
"""Runs that advance side by side; the time limit is looked at in between."""


@dataclass(frozen=True)
class Refusal:
    """An engine that does not run this chemistry, and why."""

    engine: str
    reason: str


@dataclass(frozen=True, eq=False)
class EngineMoments:
    """Quantities (species, then observables) at the end of the runs of one engine.

    runs: independent runs; 0 if the engine is exact or deterministic. mean, variance: (n_quantities,).
    mean_error, variance_error: their standard errors. seconds: CPU time per run. warnings: of the engine's check.
    """

    engine: str
    quantities: tuple[str, ...]
    runs: int
    mean: Floats
    variance: Floats
    mean_error: Floats
    variance_error: Floats
    seconds: float
    deterministic: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A site of an experiment without its engine."""

    experiment: Experiment
    network: ReactionNetwork
    clock: Clock
    place: PlacedSite
    start: InitialAmounts

    @property
    def initial(self) -> tuple[float, ...]:
        """(n_species,) molecules at the start, real numbers."""
        return self.start.counts

    @property
    def geometry(self) -> Geometry:
        """Volume (µm³) and membrane (µm²) of the site."""
        return self.place.geometry

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of the species, then of the observables."""
        return (*self.network.names, *self.network.observables)


def case_of(experiment: Experiment, site: str | None = None) -> Case:
    """The chemistry of one site (the first, or the one named). Raises InputError if the site needs NEURON."""
    if experiment.neuron is not None:
        raise InputError(
            "regimes compares chemistry without NEURON: drop [neuron], give the site its geometry, and drive it "
            "(influx, clamp, or the replay of a run)",
            where=f"{experiment.where}: neuron",
        )
    names = [block.name for block in experiment.site]
    if site is not None and site not in names:
        raise InputError(f'no site "{site}"; {nearest(site, names)}', where="--site")
    place = place_sites(experiment, engine_choices(experiment), None)[0 if site is None else names.index(site)]
    network = experiment.chemistry.network(regions=experiment.regions())
    start = initial_amounts(network, experiment.chemistry.initial, place.geometry)
    return Case(experiment, network, Clock.of(experiment), place, start)


def run_engine(case: Case, name: str, runs: int, seconds: float) -> EngineMoments | Refusal:
    """`runs` runs of an engine, fewer (at least 20) if they take more than `seconds` of CPU time."""
    try:
        factory: type[SiteEngine] = registry.load("couple.engines", name)
        options = read_options(factory, case.place.block.options.get(name, {}), f"site.{case.place.name}.{name}")
        probe = _engine(case, factory, options, [case.place.name])
        warnings = tuple(factory.check(probe.setup))
        with _quiet():
            _advance(case, probe, windows=1)  # compiles
            return replace(_ensemble(case, name, factory, options, runs, seconds), warnings=warnings)
    except CoupleError as error:
        return Refusal(name, " ".join(str(error).split()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Warnings of engines are in the table: not once more for every batch."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _ensemble(
    case: Case, name: str, factory: type[SiteEngine], options: object, runs: int, seconds: float
) -> EngineMoments:
    rows: list[Floats] = []
    spent = 0.0
    for names in _batches(case.place.name, runs):
        engine = _engine(case, factory, options, names)
        start = time.process_time()
        _advance(case, engine)
        spent += time.process_time() - start
        if isinstance(engine, HasDistribution):
            states, p = engine.distribution(0)
            return _exact(case, name, states, p, spent / len(names))
        rows += list(_values(case, engine))
        if len(rows) > 1 and not engine.integer and all((row == rows[0]).all() for row in rows):
            return _exact(case, name, None, None, spent / len(names), rows[0])
        if spent > seconds and len(rows) >= BATCH:
            break
    return sampled_moments(name, case.quantities, np.array(rows), spent / len(rows))


def sampled_moments(engine: str, quantities: tuple[str, ...], values: Floats, seconds: float = 0.0) -> EngineMoments:
    """Of (n_runs, n_quantities) values, at least two runs; seconds: CPU time of a run."""
    n, mean, variance = len(values), values.mean(axis=0), values.var(axis=0, ddof=1)
    fourth = ((values - mean) ** 4).mean(axis=0)
    of_variance = np.sqrt(np.maximum(fourth - variance**2 * (n - 3) / (n - 1), 0.0) / n)
    of_mean = np.sqrt(variance / n)
    return EngineMoments(engine, quantities, n, mean, variance, of_mean, of_variance, seconds, deterministic=False)


def _batches(site: str, runs: int) -> Iterator[list[str]]:
    """Names of the replicas of a site, first two, which show whether an engine is deterministic."""
    names = [f"{site}_{k}" for k in range(max(runs, 2))]
    yield names[:2]
    for k in range(2, len(names), BATCH):
        yield names[k : k + BATCH]


def _exact(
    case: Case,
    name: str,
    states: np.ndarray | None,
    p: Floats | None,
    seconds: float,
    values: Floats | None = None,
) -> EngineMoments:
    """Of a distribution over states, or of the one course of a deterministic engine."""
    if states is not None and p is not None:
        x = _with_observables(case, states.astype(float))
        mean = p @ x
        variance = p @ (x - mean) ** 2
    else:
        assert values is not None
        mean, variance = values, np.zeros_like(values)
    none = np.zeros_like(mean)
    return EngineMoments(name, case.quantities, 0, mean, variance, none, none, seconds, deterministic=states is None)


def _engine(case: Case, factory: type[SiteEngine], options: object, names: list[str]) -> SiteEngine:
    _, links = _drive(case)
    ions = tuple(dict.fromkeys(k.species for k in links if k.port == "ions"))
    held = tuple(dict.fromkeys(k.species for k in links if k.port == "clamp"))
    setup = EngineSetup(
        name=case.place.name,
        network=case.network,
        sites=tuple(Site(name, case.geometry, case.initial, together=case.start.together) for name in names),
        tick=case.clock.tick,
        injected=ions,
        clamped=held,
        seed=case.experiment.experiment.seed,
        options=options,  # type: ignore[arg-type]
        rounding=case.experiment.chemistry.rounding,
    )
    return factory(setup)


def _drive(case: Case) -> tuple[Drive | None, list[DriveLink]]:
    """Drives of this site alone."""
    experiment = case.experiment
    sites = place_sites(experiment, engine_choices(experiment), None)
    drives = plan_drives(experiment, case.clock, sites, case.network.shares)
    return drives.build(case.clock.played), [k for k in drives.links if k.site == case.place.name]


def _advance(case: Case, engine: SiteEngine, windows: int | None = None) -> None:
    """All windows of the experiment; whole ions into integer engines, the fraction carried."""
    drive, links = _drive(case)
    ions = [(engine.setup.injected.index(k.species), k.column) for k in links if k.port == "ions"]
    held = [(engine.setup.clamped.index(k.species), k.column) for k in links if k.port == "clamp"]
    carried = np.zeros(len(engine.setup.injected))
    total = case.clock.windows if windows is None else windows
    # nothing enters: no need to stop at every window
    stride = 1 if drive is not None else max(1, total // 10)
    for window in range(0, total, stride):
        if drive is not None:
            drive.advance(case.clock.window)
            influx = carried.copy()
            for j, column in ions:
                influx[j] += drive.read("ions")[column]
            given, carried = whole_and_rest(influx) if engine.integer else (influx, np.zeros_like(influx))
            engine.write("influx", given)
            for j, column in held:
                engine.read("clamp")[:, j] = drive.read("clamp")[column]
        engine.advance(min(stride, total - window) * case.clock.window)
    if not np.isfinite(engine.read("counts")).all():
        raise RunError(f'"{engine.name}": a count is not finite')


def _values(case: Case, engine: SiteEngine) -> Iterator[Floats]:
    yield from _with_observables(case, engine.read("counts")[:, : len(case.network.species)])


def _with_observables(case: Case, counts: Floats) -> Floats:
    """(n, n_quantities) counts, then observables."""
    weights = case.network.observable_weights[:, : counts.shape[1]]
    return np.concatenate([counts, counts @ weights.T], axis=1)


def damkoehler(case: Case, mean: Floats) -> float:
    """Time that diffusion takes to mix the site over the time in which its pairs react; 0 without pairs in the volume.

    Mixing: L² / (π² D), L the longest edge, D the larger one of the pair. Reaction: the faster reactant at the larger
    of the initial and the final counts. Infinite if a pair does not move.
    """
    length, worst = max(case.geometry.size), 0.0
    rates = case.network.count_rates(case.geometry.volume, case.geometry.area, laws=True)
    number = np.maximum(mean[: len(case.network.species)], case.initial)
    for reaction, rate in zip(case.network.reactions, rates, strict=True):
        pair = case.network.order_reactants(reaction)
        if len(pair) == 2 and any(s.on == "volume" for s in pair):
            D = max(s.D for s in pair if s.on == "volume")
            speed = rate * max(number[case.network.index(s.name)] for s in pair)
            mixing = length**2 / (math.pi**2 * D) if D > 0 else math.inf
            worst = max(worst, speed * mixing if speed > 0 else 0.0)
    return worst
