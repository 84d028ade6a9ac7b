"""Records as an xarray Dataset. xarray is optional and imported here only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from couple.base.arrays import Floats, Ints
from couple.base.errors import MissingDependencyError
from couple.base.units import IONS_PER_MM_UM3
from couple.storage.records.record_file import Recording

if TYPE_CHECKING:
    import xarray


def to_xarray(recording: Recording) -> xarray.Dataset:
    """All records of a result or ensemble file as an xarray Dataset, in memory, with the same names for all engines.

    Of all sites: `counts(time, site, species)`, `concentration` (uM, of species in the volume), `means(time, site,
    observable)`, `influx(time, site, species)`, ...; of NEURON `v(time, segment)`, `cai`, `charge`; of an ensemble with
    `run` in front. `engine(site)` and `volume_um3(site)` are coordinates; variables have `units` and `long_name`. NaN
    stands for what is not recorded there: a species that a site's engine does not have (a surrogate has none that its
    model replaces), a voltage where only calcium is recorded. `dropna(dim, how="all")` leaves it out.

    recording: a Results or an Ensemble, open. Raises MissingDependencyError without xarray.

    >>> with Results("OUT") as results:
    ...     to_xarray(results)["counts"].sel(site="head", species="Ca").shape
    (11,)
    """
    try:
        import xarray
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "to_xarray() needs xarray, which is not installed: uv pip install xarray"
        ) from None
    coordinates = _coordinates(recording)
    parts: dict[str, list[h5py.Dataset]] = {}
    for component, group in recording.file.items():
        if isinstance(group, h5py.Group) and component != "timing":
            for quantity, data in group.items():
                if isinstance(data, h5py.Dataset) and "time" in data.attrs.get("dims", ()):
                    parts.setdefault(_name(component, quantity, data), []).append(data)
    parts = dict(sorted(parts.items(), key=lambda item: item[0] != "v"))  # its segments first
    for data in (data for several in parts.values() for data in several):
        for dim, labels in _labels(data):
            known = coordinates.setdefault(dim, (dim, [])) if labels is not None else ("", [])
            known[1].extend(x for x in dict.fromkeys(labels or ()) if x not in set(known[1]))
    variables = {name: _joined(data, coordinates) for name, data in parts.items()}
    if "counts" in variables:
        variables["concentration"] = _concentration(recording, variables["counts"], coordinates)
    about = {k: str(recording.file.attrs[k]) for k in ("name", "status", "engines", "experiment")}
    return xarray.Dataset(variables, coordinates, {**about, "seed": int(recording.file.attrs["seed"])})


def _coordinates(recording: Recording) -> dict[str, Any]:
    """Time, runs, and the sites in the order of the experiment with engine and volume."""
    found: dict[str, Any] = {
        "time": ("time", recording.time, {"units": recording.time_unit, "long_name": "simulated time"})
    }
    for name, meaning in (("run", "number of the run"), ("seed", "experiment.seed of the run")):
        if name in recording.file:
            found[name] = ("run", recording.file[name][()], {"long_name": meaning})
    if "parameters" in recording.file:
        data = recording.file["parameters"]
        about = zip(map(str, data.attrs["parameter"]), map(str, data.attrs["units"]), np.asarray(data).T, strict=True)
        found |= {key: ("run", values, {"units": unit, "long_name": key}) for key, unit, values in about}
    places, engines = recording.sites(), recording.engines()
    sites = [*(s for s in engines if s in places), *(s for s in places if s not in engines)]
    if sites:
        volumes, dims = _sizes(recording, [places[site] for site in sites], "volume_um3")
        found["site"] = ("site", sites)
        found["engine"] = ("site", [engines.get(s, "") for s in sites], {"long_name": "engine of the site"})
        found["volume_um3"] = (dims, volumes, {"units": "um^3", "long_name": "volume of the site"})
    return found


def _sizes(recording: Recording, places: list[tuple[str, int]], name: str) -> tuple[Floats, list[str]]:
    """(n_sites,) or, where they differ from run to run, (n_runs, n_sites); and the axes."""
    found = [np.atleast_1d(recording.size_of(component, row, name)) for component, row in places]
    values = np.stack([one.ravel() for one in found], axis=-1)
    return (values[0], ["site"]) if len(values) == 1 else (values, ["run", "site"])


def _name(component: str, quantity: str, data: h5py.Dataset) -> str:
    """The quantity alone of what can be joined: numbers on labelled axes; else with its component in front."""
    axes = [dim for dim, labels in _labels(data) if labels is None and dim not in ("time", "run")]
    return f"{component}_{quantity}" if axes or data.dtype.kind not in "iufb" else quantity


def _joined(parts: list[h5py.Dataset], coordinates: dict[str, Any]) -> tuple[list[str], Any, dict[str, str]]:
    """One variable of what several components record by this name; NaN where none does."""
    about = {"units": str(parts[0].attrs["unit"]), "long_name": str(parts[0].attrs["meaning"])}
    names = [list(_labels(data)) for data in parts]
    dims = [dim for dim, _ in names[0]]
    every = [None if labels is None else coordinates[dim][1] for dim, labels in names[0]]
    if len(parts) == 1 and [labels for _, labels in names[0]] == every:
        return dims, parts[0][()], about
    sizes = [n if labels is None else len(labels) for n, labels in zip(parts[0].shape, every, strict=True)]
    values = np.full(sizes, np.nan)
    for data, own in zip(parts, names, strict=True):
        at = [
            np.arange(n) if x is None else _places(x, of) for n, (_, x), of in zip(data.shape, own, every, strict=True)
        ]
        values[np.ix_(*at)] = data[()]
    return dims, values, about


def _places(labels: list[str], every: list[str] | None) -> Ints:
    number = {name: k for k, name in enumerate(every or ())}
    return np.array([number[name] for name in labels], dtype=np.int64)


def _labels(data: h5py.Dataset) -> Iterator[tuple[str, list[str] | None]]:
    """Axes with their labels, None of those without, or whose labels do not tell places apart."""
    for dim in map(str, data.attrs["dims"]):
        labels = [str(x) for x in data.attrs.get(dim, ())]
        yield dim, labels if dim in data.attrs and len(set(labels)) == len(labels) else None


def _concentration(
    recording: Recording, counts: Any, coordinates: dict[str, Any]
) -> tuple[list[str], Any, dict[str, str]]:
    """uM, of the species that have a volume: NaN for those on membranes and in reservoirs."""
    dims, values, _ = counts
    volumes = np.asarray(coordinates["volume_um3"][1])
    volumes = volumes[:, None] if volumes.ndim == 1 else volumes[:, None, :, None]  # of each run, at all times
    found = np.array(values, dtype=float) / (IONS_PER_MM_UM3 * volumes) * 1e3
    species = list(coordinates[dims[-1]][1])
    components = {c for c, _ in recording.sites().values()}
    shares = {s: share for c in components for s, share in recording.shares(c).items()}
    found /= [shares.get(s, 1.0) for s in species]
    for component in components:
        attributes = recording.file[component].attrs
        for s in (*attributes["membrane"], *attributes["reservoirs"]):
            if str(s) in species:
                found[..., species.index(str(s))] = np.nan
    return dims, found, {"units": "uM", "long_name": "molecules by the volume of the site, or of their compartment"}
