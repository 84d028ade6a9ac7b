"""A model under couple against the same in NEURON alone: while sites only listen, and with the links as written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import CoupleError, InputError, RunError
from couple.experiment import Experiment
from couple.parallel.communicator import world
from couple.simulation.simulation import Simulation
from couple.wiring import Plan, assemble, make_plan
from couple.wiring.plan.warnings import overruled_reversals
from couple.wiring.system.electrics import listening

SPIKE = -20.0
"""mV; V that crosses it upwards is a spike."""
MOST = 200
"""Voltages that are compared at every step."""


@dataclass(frozen=True)
class Difference:
    """V of a run against V of the model alone, at every step.

    largest: max |dV|, mV, `at` ms in `segment`. first: ms of the first difference, None without one. spikes: of all
    segments, here and alone. shift: of spikes, ms, at most; None where a segment has not the same number.
    """

    largest: float
    at: float
    segment: str
    first: float | None
    spikes: tuple[int, int]
    shift: float | None

    @property
    def exact(self) -> bool:
        """Whether V is the same to the bit."""
        return self.first is None


@dataclass(frozen=True)
class Comparison:
    """What coupling does to a model.

    duration, dt: ms. segments: whose V is compared, `of` so many that are recorded. builds: what of the model couple
    builds in both. listening: with sites that take up ions and hand over nothing. linked: with the links as written;
    None, with the reason in `failed`, where that does not run. changes: what the links and the keys of the experiment
    change in the model. unsteady: whether the model alone differs from one run to the next.
    """

    duration: float
    dt: float
    segments: tuple[str, ...]
    of: int
    builds: str
    listening: Difference
    linked: Difference | None
    failed: str
    changes: tuple[str, ...]
    unsteady: bool = False


def against_neuron(experiment: Experiment, until: float | None = None) -> Comparison:
    """Run the model of an experiment three times: alone in a fresh process, listened to, and with its links.

    until: ms, at most the duration. Raises InputError without a model or on several ranks, RunError where the model
    alone cannot be run.
    """
    if experiment.neuron is None or world().size > 1:
        what = "several ranks: run it without mpiexec" if experiment.neuron else "an experiment without [neuron]"
        raise InputError(f"it compares a model with NEURON alone, not {what}", where="--against-neuron")
    try:
        plan = make_plan(experiment)
    except InputError as error:
        raise error if error.where.startswith(experiment.where) else error.inside(experiment.where) from None
    windows = plan.clock.windows if until is None else min(plan.clock.windows, plan.clock.windows_until(until))
    steps, model = windows * plan.clock.window, plan.model
    assert model is not None
    places = listening(plan)
    names = places.voltages or tuple(model.segments()[:1])
    segments = names[:MOST]
    builds, bare = model.couple_builds, model.alone(segments, steps)
    heard = _listened(plan, segments, windows)
    found = _difference(heard, bare, segments, plan.clock.tick)
    unsteady = not found.exact and not np.array_equal(model.alone(segments, steps), bare)
    numbers = {name: i for i, name in enumerate(model.segments())}
    linked, failed, changes = _linked(experiment, [numbers[name] for name in segments], windows)
    return Comparison(
        duration=plan.clock.time(windows),
        dt=plan.clock.tick,
        segments=segments,
        of=len(names),
        builds=builds,
        listening=found,
        linked=None if linked is None else _difference(linked, bare, segments, plan.clock.tick),
        failed=failed,
        changes=(*changes, *_choices(experiment)),
        unsteady=unsteady,
    )


def _listened(plan: Plan, segments: Sequence[str], windows: int) -> Floats:
    """(steps + 1, segments) V while all links only listen."""
    assert plan.model is not None
    plan.model.record_steps(segments)
    component = plan.model.attach(listening(plan))
    for _ in range(windows):
        component.advance(plan.clock.window)
    return plan.model.recorded_steps()


def _linked(experiment: Experiment, places: Sequence[int], windows: int) -> tuple[Floats | None, str, tuple[str, ...]]:
    """The same with the links as written; why it does not run; what they change in the model.

    places: of segments among those of the model: objects of a template may have other numbers when built again.
    """
    changes: tuple[str, ...] = ()
    try:
        plan = make_plan(experiment)
        assert plan.model is not None
        changes = (*plan.model.notices, *_handed_over(plan))
        everywhere = plan.model.segments()
        plan.model.record_steps([everywhere[i] for i in places])
        system = assemble(plan)
        assert system.electrics is not None
        changes = (*(f"pool: {note}" for note in system.electrics.notes), *changes)
        simulation = Simulation(None, system)
        simulation.orchestrator.start()
        simulation.orchestrator.run(windows)
        return plan.model.recorded_steps(), "", changes
    except CoupleError as error:
        return None, str(error), changes


def _handed_over(plan: Plan) -> Iterator[str]:
    """What links hand to the model, and the reversal potentials that follow it; before anything is attached."""
    if plan.branches is not None:
        yield from (f"eca: {line.removeprefix('neuron: ')}" for line in overruled_reversals(plan.links, plan.branches))
    handed: dict[tuple[str, str], set[str]] = {}
    for link in plan.links:
        if link.crossing != "charge":
            handed.setdefault((link.key, link.target), set()).update(link.site.segments)
    for (key, target), segments in handed.items():
        more = f" and {len(segments) - 1} more segments" if len(segments) > 1 else ""
        yield f"{key}: {target} of {min(segments)}{more} is that of the chemistry"


def _choices(experiment: Experiment) -> Iterator[str]:
    """What keys of the experiment choose, in all runs or in that with its links."""
    assert experiment.neuron is not None
    if seed := experiment.experiment.seed:
        yield f"random streams, if there are any: those of experiment.seed = {seed} with the links, else of NEURON (0)"
    if experiment.neuron.init:
        yield f'init: in all runs as neuron.init = "{experiment.neuron.init}" says'
    if experiment.neuron.cvode == "off":
        yield 'CVODE: off in all runs (neuron.cvode = "off")'


def _difference(here: Floats, alone: Floats, segments: Sequence[str], dt: float) -> Difference:
    if here.shape != alone.shape:
        raise RunError(f"{len(here)} steps were recorded here and {len(alone)} alone: does the model change its steps?")
    away = np.abs(here - alone)
    row, column = np.unravel_index(int(np.argmax(away)), away.shape)
    rows = np.flatnonzero((here != alone).any(axis=1))
    ours, theirs = ([_spikes(v) for v in run.T] for run in (here, alone))
    same = all(len(a) == len(b) for a, b in zip(ours, theirs, strict=True))
    shifts = [abs(a - b).max() for a, b in zip(ours, theirs, strict=True) if len(a)] if same else []
    return Difference(
        largest=float(away[row, column]),
        at=float(row * dt),
        segment=segments[int(column)],
        first=float(rows[0] * dt) if rows.size else None,
        spikes=(sum(map(len, ours)), sum(map(len, theirs))),
        shift=float(max(shifts, default=0)) * dt if same else None,
    )


def _spikes(v: Floats) -> Ints:
    """Steps at which V has crossed the threshold upwards."""
    return np.flatnonzero((v[1:] >= SPIKE) & (v[:-1] < SPIKE)) + 1
