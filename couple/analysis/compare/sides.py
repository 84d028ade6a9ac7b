"""What is compared: runs of an experiment, made here, or results that are there."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from couple.base.toml import refuse_replaced
from couple.chemistry.lattice_units import GivenTime
from couple.ensemble import Ensemble, sample
from couple.ensemble.ensemble import ENSEMBLE
from couple.ensemble.folder import SPECIFICATION, Specification
from couple.ensemble.open_recording import open_recording
from couple.experiment import Experiment
from couple.projects.find import find_file
from couple.storage.folder.contents import refuse_link
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results
from couple.storage.run.run_folder import RESULTS

PLACES = 8
"""Sites that are looked at one by one; of more, the mean over all, and those that are asked for by name."""


@dataclass(frozen=True)
class Series:
    """One recorded quantity. kind: "V", "calcium", "conductance" or "observable". values: (n_runs, n_times)."""

    name: str
    kind: str
    unit: str
    values: Floats


@dataclass(frozen=True)
class Side:
    """One of what is compared.

    label: "A", "B", ... what: experiment and changes, or the file. time: (n_times,). seeds: of its runs, if they are
    known. parts: CPU seconds (n_runs,) by part. fixed: whether runs with different seeds are the same to the bit, so
    that there is no scatter; None if one run alone cannot tell.
    """

    label: str
    what: str
    time: Floats
    time_unit: str
    series: dict[str, Series]
    seeds: tuple[int, ...] = ()
    parts: dict[str, Floats] = field(default_factory=dict)
    fixed: bool | None = None

    @property
    def runs(self) -> int:
        """How many runs there are of it."""
        return len(next(iter(self.series.values())).values)


@dataclass(frozen=True)
class Request:
    """A side that a user asked for: a file or folder, and changes of an experiment."""

    path: Path
    changes: tuple[str, ...] = ()

    @property
    def is_experiment(self) -> bool:
        """Whether it is still to be run."""
        return self.path.suffix == ".toml"

    @property
    def what(self) -> str:
        """File and changes, in one line."""
        return " ".join([str(self.path), *self.changes])


def requests(arguments: Sequence[str], changes: Sequence[str]) -> list[Request]:
    """From the command line: files, folders, names of examples; "KEY=VALUE [; KEY=VALUE]": the one before, changed so.

    changes: of every experiment. Raises InputError for fewer than two, and changes of results.
    """
    found: list[Request] = []
    base: Path | None = None
    for text in arguments:
        if "=" in text and not Path(text).exists():
            if base is None:
                raise InputError(f'"{text}" changes the experiment before it; give that first', where="compare")
            own = [part.strip() for part in text.split(";")]
            refuse_replaced(own)
            found.append(Request(base, (*changes, *own)))
            continue
        path = Path(text)
        if not (path.is_dir() and any((path / name).exists() for name in (RESULTS, ENSEMBLE))):
            path = find_file(path, "experiment")
        if not path.exists():
            raise InputError("no such file or folder: give an experiment (.toml) or the results of one", where=text)
        base = path if path.suffix == ".toml" else None
        found.append(Request(path, tuple(changes) if base else ()))
    if len(found) < 2:
        raise InputError(
            "one side alone: give two or more, as in couple compare a.toml b.toml, or "
            "couple compare a.toml site.head.engine=ode",
            where="compare",
        )
    if changes and not any(r.is_experiment for r in found):
        raise InputError("results are there already: only experiments can be changed", where="--set")
    return found


def refuse_unreadable(wanted: Iterable[Request]) -> None:
    """Raise InputError for a side that cannot be read, before hours of work go into those in front of it."""
    for request in wanted:
        if request.is_experiment:
            Experiment.load(request.path, request.changes)
        else:
            with open_recording(request.path):
                pass


def side_of(
    label: str,
    request: Request,
    *,
    runs: int,
    seed: int | None,
    folder: Path,
    until: GivenTime | None,
    of: str | None = None,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Side:
    """Read results, or run an experiment `runs` times into `folder`; twice if runs do not depend on the seed.

    of: pattern of the quantities; by it single sites of many are had.
    """
    if not request.is_experiment:
        with open_recording(request.path) as recording:
            return _read(label, request.what, recording, None if until is None else until.on(recording.time_unit), of)
    experiment = Experiment.load(request.path, request.changes)
    end = None if until is None else until.on(experiment.time_unit)
    made: Side | None = None
    at = folder / label
    refuse_link(at)
    there = Specification.read(at).runs if (at / SPECIFICATION).is_file() else 0
    for n in (there or 2, runs):
        if made is None or (not made.fixed and n != made.runs):
            with sample(experiment, n, seed, at, jobs=jobs, until=end, progress=progress) as ensemble:
                made = _read(label, request.what, ensemble, None, of)
    assert made is not None
    return made


def _read(label: str, what: str, recording: Recording, until: float | None, of: str | None) -> Side:
    time = recording.time
    keep = slice(None) if until is None else slice(0, int(np.searchsorted(time, until * (1 + 1e-12), side="right")))
    if len(time) == 0:
        raise InputError("holds no rows", where=str(recording.path))
    series = {s.name: s for s in _series(recording, keep, of)}
    seeds: tuple[int, ...] = ()
    parts: dict[str, Floats] = {}
    fixed: bool | None = None
    if isinstance(recording, Ensemble):
        seeds, parts = tuple(recording.seeds.tolist()), _parts(recording)
        if len(seeds) > 1:
            fixed = all(bool((s.values == s.values[0]).all()) for s in series.values())
    elif isinstance(recording, Results):
        seeds = (int(recording.file.attrs["seed"]),)
        parts = _shares(recording)
    if not series:
        raise InputError("holds nothing that can be compared", where=str(recording.path))
    return Side(label, what, time[keep], recording.time_unit, series, seeds, parts, fixed)


def _parts(ensemble: Ensemble) -> dict[str, Floats]:
    found = {k: v for k, v in ensemble.parts.items() if np.isfinite(v).all()}
    return {**found, "all": ensemble.cpu_seconds}


def _shares(results: Results) -> dict[str, Floats]:
    """Of one run: its CPU time in proportion to the wall-clock time of its parts."""
    seconds = results.seconds()
    total = seconds.pop("cpu_seconds", float("nan"))
    wall = sum(seconds.values())
    return {**{k: np.array([total * v / wall]) for k, v in seconds.items() if wall > 0}, "all": np.array([total])}


def _series(recording: Recording, keep: slice, of: str | None) -> list[Series]:
    """Voltages, free ions, conductances and observables."""
    found = [Series(f"V {k}", "V", "mV", _runs(v)[:, keep]) for k, v in recording.voltages().items()]
    found += _of_sites(recording, keep, of)
    for kind, unit in (("density", "S/cm^2"), ("point", "uS")):
        path = f"neuron/g_{kind}"
        if path in recording.file:
            data = recording.file[path]
            values = np.moveaxis(np.asarray(data), -1, 0)
            names = [str(n) for n in data.attrs["channel"]]
            if len(names) > PLACES:
                names, values = [f"all {len(names)} channels"], values.mean(axis=0)[None]
            found += [
                Series(f"g {name}", "conductance", unit, _runs(v)[:, keep])
                for name, v in zip(names, values, strict=True)
            ]
    return found


def _of_sites(recording: Recording, keep: slice, of: str | None) -> list[Series]:
    """Free ions, observables and parameters of every site; of many, the mean over those that have it, and what fits
    `of`."""
    each: dict[tuple[str, str, str], dict[str, Floats]] = {}
    for site in recording.sites():
        component, _ = recording.sites()[site]
        membrane = {str(s) for s in recording.file[component].attrs["membrane"]}
        for species in recording.free(site):
            unit = "count" if species in membrane else "uM"
            get = recording.counts if species in membrane else recording.micromolar
            each.setdefault((species, "calcium", unit), {})[site] = _runs(get(site, species))[:, keep]
        for name in recording.labels(site, "means", "observable"):
            values = _runs(recording.observable(site, name))[:, keep]
            each.setdefault((name, "observable", "count"), {})[site] = values
    for name, unit in recording.linked_parameters().items():
        for site in recording.sites_of(name):
            each.setdefault((name, "observable", unit), {})[site] = _runs(recording.parameter(site, name))[:, keep]
    found = []
    for (name, kind, unit), sites in each.items():
        many = len(sites) > PLACES
        if many:
            found.append(
                Series(f"mean of {len(sites)} sites {name}", kind, unit, np.mean(list(sites.values()), axis=0))
            )
        found += [
            Series(f"{site} {name}", kind, unit, values)
            for site, values in sites.items()
            if not many or (of is not None and fnmatch.fnmatchcase(f"{site} {name}", of))
        ]
    return found


def _runs(values: Floats) -> Floats:
    return values[None, :] if values.ndim == 1 else values
