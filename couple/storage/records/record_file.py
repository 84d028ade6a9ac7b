"""What result and ensemble files have in common: plain HDF5, one group per component; this names what is in it."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any, ClassVar, Self

import h5py
import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.budget import check_memory
from couple.base.errors import InputError, nearest
from couple.base.units import IONS_PER_MM_UM3
from couple.files.open_hdf5 import FileKind, open_hdf5, open_in_memory

PARAMETERS = ("parameter", "factor")
"""How names of datasets of parameters begin: values, and factors of what the model has."""

KEPT_BYTES = 256 * 2**20
"""Columns that were read and may be asked for again."""


class Recording:
    """A file of records, open for reading; use it in a `with` statement.

    Times series have the shape (..., n_rows): nothing in front in the results of one run, (n_runs, n_rows) in an
    ensemble. Raises InputError if the file is missing, damaged or of another kind.
    """

    KIND: ClassVar[FileKind]
    FILE: ClassVar[str]
    AXES_BEFORE_ROWS: ClassVar[int] = 0

    def __init__(self, path: str | Path | io.BytesIO) -> None:
        self._names: dict[tuple[str, str], tuple[str, ...]] = {}
        self._columns: dict[tuple[str, int], Floats] = {}
        if not isinstance(path, str | Path):
            self.path, self.file = Path("memory"), open_in_memory(path)
            return
        self.path = Path(path)
        if self.path.is_dir():
            self.path = self.path / self.FILE
        self.file = open_hdf5(self.path, self.KIND)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; arrays that were read stay."""
        self.file.close()

    @property
    def time(self) -> Floats:
        """(n_rows,) ms, or steps of a lattice: see `time_unit`."""
        return self._time

    @cached_property
    def _time(self) -> Floats:
        data = self.file["time"]
        check_memory(8.0 * data.size, f"time of {data.shape}", "the file is not as couple writes it", str(self.path))
        time = np.asarray(data, dtype=np.float64)
        if time.ndim != 1 or not np.isfinite(time).all():
            text = f"time of shape {time.shape}: finite numbers, one a row, are expected"
            raise InputError(text, where=str(self.path))
        return time

    @property
    def time_unit(self) -> str:
        """Unit of `time`: ms or step."""
        return str(self.file["time"].attrs["unit"])

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return str(self.file.attrs["name"])

    @property
    def status(self) -> str:
        """complete, partial, interrupted or failed."""
        return str(self.file.attrs["status"])

    def engines(self) -> dict[str, str]:
        """Site → engine."""
        return {k: str(v) for k, v in json.loads(self.file.attrs["engines"]).items()}

    def sites(self) -> dict[str, tuple[str, int]]:
        """Site → (component, row)."""
        return self._sites

    @cached_property
    def _sites(self) -> dict[str, tuple[str, int]]:
        found = {}
        for name, group in self.file.items():
            if isinstance(group, h5py.Group) and "volume_um3" in group.attrs:
                names = next(
                    (self._axis(f"{name}/{q}", "site") for q in ("counts", "means", "influx") if q in group), ()
                )
                found.update({site: (name, row) for row, site in enumerate(names)})
        return found

    def voltage_names(self) -> tuple[str, ...]:
        """Segments whose voltage is recorded."""
        return self._axis("neuron/v", "segment")

    def voltages(self) -> dict[str, Floats]:
        """Segment → (..., n_rows) mV."""
        if "neuron/v" not in self.file:
            return {}
        data = np.moveaxis(self._read("neuron/v", ...), -1, 0)
        return dict(zip(self._axis("neuron/v", "segment"), data, strict=True))

    def plot(self, kind: str | None = None) -> Any:
        """The figure of `couple plot`, which a notebook shows: `.figure` is matplotlib's, `.save(path)` writes it.

        kind: as of `couple.figure`. Raises InputError for a kind that the file does not have.
        """
        return registry.load("couple.views", "plot")(self, kind)

    def to_xarray(self) -> Any:
        """All records as an xarray Dataset, see `couple.to_xarray`. Raises MissingDependencyError without xarray."""
        return registry.load("couple.views", "to_xarray")(self)

    def to_pandas(self) -> Any:
        """All records over time as a DataFrame: a column for each, by the names that `results[...]` takes.

        The index is the time; of an ensemble (run, time). `attrs["units"]`: unit of each column. Raises
        MissingDependencyError without pandas.
        """
        return registry.load("couple.views", "to_pandas")(self)

    def __getitem__(self, name: str) -> Floats:
        """(..., n_rows) of a species ("head.Ca": molecules) or observable ("head.SK_open": window means) of a site, or
        of a parameter that a link sets by it ("head.AMPA.gmax"), or of a segment its voltage ("neuron.head(0.5)": mV)
        or a range variable ("neuron.head(0.5).m_hh").

        Raises InputError if it was not recorded.
        """
        site, _, quantity = name.partition(".")
        if site == "neuron":
            segment, _, variable = quantity.rpartition(".")
            if f"neuron/range_{variable}" in self.file:
                return self._range(segment, variable)
            names = self.voltage_names()
            if quantity not in names:
                raise InputError(f'"{name}" was not recorded; {nearest(quantity, names)}', where=str(self.path))
            return self._read("neuron/v", (..., names.index(quantity)))
        if "." in quantity:
            return self.parameter(site, quantity)
        if quantity in self.labels(site, "means", "observable"):
            return self.observable(site, quantity)
        return self.counts(site, quantity)

    def linked_parameters(self) -> dict[str, str]:
        """Parameter of the electrical model that links set, as "AMPA.gmax" → its unit; "1" for a factor."""
        there = self.file.get("neuron", {})
        heads = tuple(f"{kind}_" for kind in PARAMETERS)
        return {name.partition("_")[2]: str(there[name].attrs["unit"]) for name in there if name.startswith(heads)}

    def sites_of(self, parameter: str) -> tuple[str, ...]:
        """Sites that set a parameter such as "AMPA.gmax"."""
        return tuple(site for kind in PARAMETERS for site in self._axis(f"neuron/{kind}_{parameter}", "site"))

    def parameter(self, site: str, name: str) -> Floats:
        """(..., n_rows) of a parameter that a site sets, as "AMPA.gmax". Raises InputError if it was not recorded."""
        for kind in PARAMETERS:
            path = f"neuron/{kind}_{name}"
            names = self._axis(path, "site")
            if site in names:
                return self._read(path, (..., names.index(site)))
        known = self.sites_of(name)
        if known:
            raise InputError(f'"{name}" of {site} was not recorded; {nearest(site, known)}', where=str(self.path))
        raise InputError(f'"{name}" was not recorded; {nearest(name, self.linked_parameters())}', where=str(self.path))

    def _range(self, segment: str, variable: str) -> Floats:
        """(..., n_rows) of a range variable in a segment."""
        path = f"neuron/range_{variable}"
        names = self._axis(path, "segment")
        if segment not in names:
            raise InputError(
                f'"{variable}" of "{segment}" was not recorded; {nearest(segment, names)}', where=str(self.path)
            )
        return self._read(path, (..., names.index(segment)))

    def ranges(self) -> list[tuple[str, str, str]]:
        """(variable, segment, unit) of every range variable that is recorded."""
        if "neuron" not in self.file:
            return []
        found = []
        for path, data in self.file["neuron"].items():
            if path.startswith("range_"):
                segments = self._axis(f"neuron/{path}", "segment")
                found += [(path.removeprefix("range_"), s, str(data.attrs["unit"])) for s in segments]
        return found

    def counts(self, site: str, species: str) -> Floats:
        """(..., n_rows) molecules. Raises InputError if it was not recorded."""
        return self._column(site, "counts", "species", species)

    def observable(self, site: str, name: str) -> Floats:
        """(..., n_rows) mean over the last window."""
        return self._column(site, "means", "observable", name)

    def size_of(self, component: str, row: int, name: str) -> Floats:
        """volume_um3 or area_um2 of a site: a number, or (n_runs, 1) where it may differ from run to run."""
        group = self.file[component]
        if name in group:
            return np.asarray(group[name])[:, row, None]
        return np.asarray(group.attrs[name][row])

    def volume(self, site: str) -> Floats:
        """µm³ of a site: (..., n_rows) of one that grows, else as `size_of`."""
        component, row = self._place(site)
        return np.asarray(self.size_of(component, row, "volume_um3") * self._grown(site))

    def _grown(self, site: str) -> Floats:
        """The volume of a site over that at the start: (..., n_rows) of one that grows, else 1."""
        component, row = self._place(site)
        path = f"{component}/volume_now"
        if path not in self.file or site not in (names := self._names_along(path, "site")):
            return np.ones(())
        return np.asarray(self._read(path, (..., names.index(site))) / self.size_of(component, row, "volume_um3"))

    def observed_on(self, site: str, name: str) -> str:
        """Where the species of an observable live: "membrane", "volume" or "both"; "" in files that do not say."""
        component, _ = self._place(site)
        homes = dict(
            zip(
                self.labels(site, "means", "observable"),
                self.file[component].attrs.get("observed_on", ()),
                strict=False,
            )
        )
        return str(homes.get(name, ""))

    def per_membrane(self, site: str, name: str) -> Floats:
        """(..., n_rows) molecules per µm² of the site's membrane: mean of an observable over the last window."""
        component, row = self._place(site)
        area = self.size_of(component, row, "area_um2")
        return self.observable(site, name) / (area * (self._grown(site) ** (2 / 3)))

    def per_volume(self, site: str, name: str) -> Floats:
        """(..., n_rows) µM: mean of an observable over the last window, by the site's volume."""
        component, row = self._place(site)
        volume = self.size_of(component, row, "volume_um3") * self._grown(site)
        return self.observable(site, name) / (IONS_PER_MM_UM3 * volume) * 1e3

    def entered(self, site: str, species: str) -> Floats:
        """(..., n_rows) molecules that entered since the start."""
        total = self._column(site, "influx", "species", species)
        component, row = self._place(site)
        for port in ("influx_opening", "influx_along", "influx_feet"):
            names = self.labels(site, port, "species")
            if species in names:
                values = self._read(f"{component}/{port}", (..., names.index(species)))
                total = total + (values[..., row] if port == "influx_opening" else values.sum(axis=-1))
        return np.asarray(np.cumsum(total, axis=-1))

    def extruded(self, site: str) -> dict[str, Floats]:
        """Reservoir → (..., n_rows) molecules that left into it."""
        component, _ = self._place(site)
        known = self.labels(site, "counts", "species")
        return {str(r): self.counts(site, str(r)) for r in self.file[component].attrs["reservoirs"] if str(r) in known}

    def micromolar(self, site: str, species: str) -> Floats:
        """(..., n_rows) µM, of a species in a compartment by its volume.

        Raises InputError for a species of the membrane: it has no concentration.
        """
        component, row = self._place(site)
        if species in self.file[component].attrs["membrane"]:
            raise InputError(f'"{species}" lives on the membrane of {site}; take counts()', where=str(self.path))
        volume = self.size_of(component, row, "volume_um3") * self._grown(site)
        share = self.shares(component).get(species, 1.0)
        return self.counts(site, species) / (IONS_PER_MM_UM3 * volume * share) * 1e3

    def shares(self, component: str) -> dict[str, float]:
        """Species → share of the site's volume or membrane that it is in, of those that have a part to themselves."""
        attributes = self.file[component].attrs
        names = map(str, attributes.get("in_compartment", ()))
        return dict(zip(names, map(float, attributes.get("compartment_share", ())), strict=True))

    def along(self, site: str, species: str) -> Floats:
        """(..., n_rows, n_segments) µM of a species in every segment of a site along sections.

        Raises InputError for another site, and for what was not recorded.
        """
        component, _ = self._place(site)
        path, known = f"{component}/counts_along", self.labels(site, "counts_along", "species")
        if not known:
            raise InputError(f'"{site}" does not lie along sections', where=str(self.path))
        if species not in known:
            raise InputError(f'"{species}" of {site} was not recorded; {nearest(species, known)}', where=str(self.path))
        volumes = np.asarray(self.file[component].attrs["segment_volume_um3"])
        volumes = volumes * self.shares(component).get(species, 1.0)
        counts = self._read(path, (..., known.index(species)))
        return np.asarray(counts / (IONS_PER_MM_UM3 * volumes) * 1e3)

    def cable(self, site: str) -> tuple[Floats, list[str]]:
        """(n_segments,) distance along the tree, µm, and section of every segment; none of another site."""
        attributes = self.file[self._place(site)[0]].attrs
        away = np.asarray(attributes.get("segment_distance_um", ()), dtype=np.float64)
        return away, [str(name) for name in attributes.get("segment_branch", ())]

    def labels(self, site: str, quantity: str, axis: str) -> list[str]:
        """Names along an axis of a site's dataset; empty if there is none."""
        component, _ = self._place(site)
        return list(self._axis(f"{component}/{quantity}", axis))

    def _axis(self, path: str, axis: str) -> tuple[str, ...]:
        """The same by the dataset's path, read once: with many sites HDF5 takes longer over names than over numbers."""
        if (path, axis) not in self._names:
            names = self._names_along(path, axis) if path in self.file else ()
            self._names[path, axis] = names
        return self._names[path, axis]

    def _names_along(self, path: str, axis: str) -> tuple[str, ...]:
        """Raises InputError where they are no text, or not as many as the dataset is long."""
        data = self.file[path]
        names = data.attrs[axis]
        texts, dims = [name for name in np.ravel(names) if isinstance(name, str)], list(data.attrs.get("dims", ()))
        if np.shape(names) != (len(texts),) or axis not in dims or len(texts) != data.shape[dims.index(axis)]:
            raise InputError(f'{path}: "{axis}" does not name each place of its axis', where=str(self.path))
        return tuple(texts)

    def free(self, site: str) -> list[str]:
        """Recorded species that links and drives fill or hold."""
        component, _ = self._place(site)
        return [str(s) for s in self.file[component].attrs["free"] if str(s) in self.labels(site, "counts", "species")]

    def _place(self, site: str) -> tuple[str, int]:
        sites = self.sites()
        if site not in sites:
            raise InputError(f'no site "{site}"; {nearest(site, sites)}', where=str(self.path))
        return sites[site]

    def _column(self, site: str, quantity: str, axis: str, name: str) -> Floats:
        component, row = self._place(site)
        labels = self.labels(site, quantity, axis)
        if name not in labels:
            raise InputError(self._not_recorded(site, quantity, name, labels), where=str(self.path))
        return self._of_all_sites(f"{component}/{quantity}", labels.index(name))[..., row].copy()

    def _not_recorded(self, site: str, quantity: str, name: str, labels: Sequence[str]) -> str:
        """Why there is none: it may be of the other kind, an observable asked for as a species."""
        species, observables = self.labels(site, "counts", "species"), self.labels(site, "means", "observable")
        if quantity == "counts" and name in observables:
            return (
                f'"{name}" of {site} is an observable, recorded as a mean number over each window: take '
                f'observable("{site}", "{name}")'
            )
        if quantity == "means" and name in species:
            return f'"{name}" of {site} is a species, not an observable: take counts("{site}", "{name}")'
        return f'"{name}" of {site} was not recorded; {nearest(name, labels)}'

    def _read(self, path: str, part: EllipsisType | tuple[EllipsisType, int]) -> Floats:
        """All of a dataset, or one column. Raises InputError if it does not fit into memory, or has other rows."""
        data = self.file[path]
        if data.shape[self.AXES_BEFORE_ROWS :][:1] != self.time.shape:
            rows = f"{len(self.time)} rows are expected"
            raise InputError(f"{path} of shape {data.shape}: {rows}", where=str(self.path))
        columns = 1 if part is ... else data.shape[-1]
        needed = math.prod(data.shape) / max(columns, 1) * max(data.dtype.itemsize, 8)
        check_memory(needed, f"{path} of {data.shape}", "read a part of it from `file`", str(self.path))
        return np.asarray(data[part])

    def _of_all_sites(self, path: str, column: int) -> Floats:
        """(..., n_rows, n_sites), kept: a chunk of the file holds all sites, and whoever asks for one asks for more."""
        if (path, column) not in self._columns:
            values = self._read(path, (..., column))
            if sum(v.nbytes for v in self._columns.values()) + values.nbytes > KEPT_BYTES:
                self._columns.clear()
            self._columns[path, column] = values
        return self._columns[path, column]
