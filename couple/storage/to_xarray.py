"""Records as an xarray Dataset. xarray is optional and imported here only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py

from couple.base.errors import MissingDependencyError
from couple.storage.record_file import Recording

if TYPE_CHECKING:
    import xarray


def to_xarray(recording: Recording) -> xarray.Dataset:
    """All records of a result or ensemble file as an xarray Dataset, in memory.

    Variables are "neuron.v", "head.counts", ... over `time` (and `run`), with labels along every axis and `units` and
    `long_name` as attributes. Where two variables have an axis of the same name with other labels, that of the later is
    named after it ("species_of_head.influx").

    recording: a Results or an Ensemble, open. Raises MissingDependencyError without xarray.

    >>> with Results("OUT") as results:
    ...     to_xarray(results)["head.counts"].sel(site="head", species="Ca").shape
    (11,)
    """
    try:
        import xarray
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "to_xarray() needs xarray, which is not installed: uv pip install xarray"
        ) from None
    coordinates: dict[str, Any] = {
        "time": ("time", recording.time, {"units": recording.time_unit, "long_name": "simulated time"})
    }
    for name, meaning in (("run", "number of the run"), ("seed", "experiment.seed of the run")):
        if name in recording.file:
            coordinates[name] = ("run", recording.file[name][()], {"long_name": meaning})
    variables: dict[str, Any] = {}
    for component, group in recording.file.items():
        if isinstance(group, h5py.Group) and component != "timing":
            for quantity, data in group.items():
                name = f"{component}.{quantity}"
                dims = [_axis(data, str(dim), name, coordinates) for dim in data.attrs["dims"]]
                about = {"units": str(data.attrs["unit"]), "long_name": str(data.attrs["meaning"])}
                variables[name] = (dims, data[()], about)
    about = {k: str(recording.file.attrs[k]) for k in ("name", "status", "engines", "experiment")}
    return xarray.Dataset(variables, coordinates, {**about, "seed": int(recording.file.attrs["seed"])})


def _axis(data: h5py.Dataset, dim: str, name: str, coordinates: dict[str, Any]) -> str:
    """Name of an axis whose labels are those of `data`; makes it known."""
    if dim not in data.attrs:
        return dim
    labels = [str(x) for x in data.attrs[dim]]
    known = coordinates.setdefault(dim, (dim, labels))
    if known[1] == labels:
        return dim
    own = f"{dim}_of_{name}"
    coordinates[own] = (own, labels)
    return own
