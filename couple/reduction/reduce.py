"""`couple.reduce`: a reduced model of some species of an experiment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from couple.base import registry
from couple.base.errors import InputError, nearest
from couple.base.units import quantities, quantity
from couple.experiment import ClampCourse, Experiment
from couple.experiment.clock import longest_interval
from couple.reduction.family import GROUP, Reduction, ReductionFamily, ReductionRequest

WINDOWS = 400
"""Rows of a run at most, where `every` is not given."""
CALCIUM = (1e-4, 1e-2)
"""mM, of calcium that links bring from NEURON."""


def reduce(
    experiment: Experiment,
    species: str | Sequence[str],
    family: str = "auto",
    *,
    drive: str | None = None,
    site: str | None = None,
    drive_range: str | None = None,
    duration: str | None = None,
    every: str | None = None,
    runs: int | None = None,
    order: int | None = None,
    seed: int | None = None,
    name: str | None = None,
    folder: str | Path | None = None,
) -> Reduction:
    """A reduced model of some species, to be learned: `reduce(...).fit()`.

    species:  that the model stands for, with all that they react with but the drive; "SK_*" for all that begin so.
    family:   "markov" (molecules that are independent of each other), "copy_numbers" (one to three numbers of
              molecules that meet), or another one that is registered; "auto" takes the first that fits.
    drive:    the species whose concentration drives them; by default the one that a drive or a link brings to the site.
    site:     whose geometry and start count; the first if not given.
    drive_range: "0.1 10 uM", what the model is learned and tested for; by default that of the drive's clamp, and 0.1
              to 10 uM for calcium that a link brings.
    duration, every: of the runs ("500 ms"), and of their rows; by default those of the experiment, in 400 rows at most.
    runs:     of each stimulus (markov: molecules). order: of the potentials (copy_numbers: 2 to 4). seed: of runs.
    name:     of the model, a word; that of the experiment if not given. folder: for the model and its summary; by
              default results/NAME-reduced.
    Stimuli are scaled to range and duration: steps and noise to learn from, spike trains to test on.
    Raises InputError for what does not fit, and where no family does: with the reason of each.

    >>> channel = Experiment.build(
    ...     experiment={"name": "channel", "duration": "40 ms", "exchange": "0.5 ms"},
    ...     chemistry={
    ...         "species": {"Ca": {"contains": {"Ca": 1}}, "C": {}, "O": {"contains": {"Ca": 1}}},
    ...         "reactions": [{"equation": "Ca + C <-> O", "forward": "200 /uM/s", "backward": "300 /s"}],
    ...         "initial": {"C": {"count": 20}},
    ...     },
    ...     site=[{"name": "head", "engine": "ssa", "geometry": {"sphere": {"diameter": "0.5 um"}}}],
    ...     drive=[{"to": "head.Ca", "clamp": {"times": "0 20 ms", "values": "0.1 5 uM"}}],
    ... )
    >>> reduce(channel, ["C", "O"], folder="MODEL").family
    'markov'
    """
    place = _site(experiment, site)
    driver = _drive(experiment, place) if drive is None else drive
    network = experiment.network()
    if driver not in network.names:
        raise InputError(f'no species "{driver}"; {nearest(driver, network.names)}', where="drive")
    given = (species,) if isinstance(species, str) else tuple(species)
    if not given:
        raise InputError("names no species: give those that the model stands for", where="species")
    for text in given:
        if not any(n == text or (text.endswith("*") and n.startswith(text[:-1])) for n in network.names):
            raise InputError(f'no species "{text}"; {nearest(text, network.names)}', where="species")
    span, rows = _times(experiment, duration, every)
    word = re.sub(r"\W", "_", experiment.experiment.name) if name is None else name
    request = ReductionRequest(
        experiment,
        given,
        driver,
        place,
        _range(experiment, place, driver, drive_range),
        span,
        rows,
        word,
        Path("results") / f"{word}-reduced" if folder is None else Path(folder),
        runs,
        order,
        seed,
    )
    return _family(family, request).prepare(request)


def _family(name: str, request: ReductionRequest) -> ReductionFamily:
    if name != "auto":
        chosen = _load(name)
        if why := chosen.refusal(request):
            raise InputError(f'"{name}" does not fit: {why}', where="family")
        return chosen
    found = {one: _load(one) for one in registry.names(GROUP)}
    reasons = []
    for one, made in sorted(found.items(), key=lambda item: (item[1].preference, item[0])):
        why = made.refusal(request)
        if not why:
            return made
        reasons.append(f"{one}: {why}")
    raise InputError(f"no family fits: {'; '.join(reasons) or 'none is registered'}", where="family")


def _load(name: str) -> ReductionFamily:
    made: ReductionFamily = registry.load(GROUP, name)()
    return made


def _site(experiment: Experiment, name: str | None) -> str:
    names = [block.name for block in experiment.site]
    if name is not None and not any(fnmatchcase(name, one) for one in names):
        raise InputError(f'no site "{name}"; {nearest(name, names)}', where="site")
    return names[0] if name is None else name


def _into(target: str, site: str) -> bool:
    """Whether "SITE.SPECIES" names a site; either may be a pattern."""
    place = target.split(".", 1)[0]
    return fnmatchcase(site, place) or fnmatchcase(place, site)


def _drive(experiment: Experiment, site: str) -> str:
    """The one species that drives and links bring to a site."""
    links = [one.target for one in experiment.link if one.target.split(".", 1)[0] != "neuron"]
    targets = [one.target for one in experiment.drive] + links
    found = sorted({t.split(".", 1)[1] for t in targets if _into(t, site)} & {*experiment.network().names})
    if len(found) == 1:
        return found[0]
    what = f"{', '.join(found)} come to {site}" if found else f"nothing comes to {site} by a drive or a link"
    raise InputError(f'{what}: say what drives the species, as drive = "Ca"', where="drive")


def _range(experiment: Experiment, site: str, drive: str, given: str | None) -> tuple[float, float]:
    """Least and largest mM."""
    if given is not None:
        return _two(given)
    for one in experiment.drive:
        if one.clamp is None or not _into(one.target, site) or one.target.split(".", 1)[1] != drive:
            continue
        held = quantities(one.clamp.values, "concentration") if isinstance(one.clamp, ClampCourse) else (one.clamp,)
        if max(held) > 0:
            return min(held), max(held)
    if any(_into(one.target, site) and one.target.endswith(f".{drive}") for one in experiment.link):
        return CALCIUM
    raise InputError(
        f'say between which concentrations {drive} moves, as drive_range = "0.1 10 uM"', where="drive_range"
    )


def _two(given: str) -> tuple[float, float]:
    """Raises InputError for anything but two concentrations."""
    try:
        found = quantities(given, "concentration")
    except InputError as error:
        raise error.at("drive_range") from None
    if len(found) != 2 or not 0 <= found[0] < found[1]:
        raise InputError(f'"{given}": give the least and the largest, as "0.1 10 uM"', where="drive_range")
    return found[0], found[1]


def _times(experiment: Experiment, duration: str | None, every: str | None) -> tuple[float, float]:
    """ms of a run and of its rows."""
    if experiment.time_unit != "ms":
        raise InputError("counts steps of a lattice: a model that a concentration drives has times in ms")
    run = experiment.experiment
    try:
        span = run.duration if duration is None else quantity(duration, "time")
    except InputError as error:
        raise error.at("duration") from None
    try:
        rows = max(longest_interval(experiment), span / WINDOWS) if every is None else quantity(every, "time")
    except InputError as error:
        raise error.at("every") from None
    if not 0 < rows <= span / 10:
        raise InputError(f"rows every {rows:g} ms of {span:g} ms: give ten rows or more", where="every")
    return span, span / round(span / rows)
