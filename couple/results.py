"""Reading a result file. It is plain HDF5; this names what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import numpy.typing as npt

from couple.errors import InputError, nearest
from couple.units import IONS_PER_MM_UM3

Floats = npt.NDArray[np.float64]

FORMAT = "couple results 1"
"""Attribute `format` of a result file."""


class Results:
    """A result file, open for reading; use it in a `with` statement.

    Raises InputError if the file is missing, damaged or of another kind.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path = self.path / "results.h5"
        try:
            self.file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise InputError("no such file; give the results.h5 of a run or its folder", where=str(path)) from None
        except OSError as error:
            raise InputError(f"is not a readable HDF5 file: {error}", where=str(path)) from None
        if self.file.attrs.get("format", "") != FORMAT:
            self.file.close()
            raise InputError(f'is not a result file of couple run ("{FORMAT}")', where=str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    @property
    def time(self) -> Floats:
        """(n_rows,) ms, or steps of a lattice: see `time_unit`."""
        return np.asarray(self.file["time"])

    @property
    def time_unit(self) -> str:
        """What `time` counts: ms or step."""
        return str(self.file["time"].attrs["unit"])

    @property
    def name(self) -> str:
        """Of the experiment."""
        return str(self.file.attrs["name"])

    @property
    def status(self) -> str:
        """complete, partial, interrupted or failed."""
        return str(self.file.attrs["status"])

    def engines(self) -> dict[str, str]:
        """Site → engine."""
        return {k: str(v) for k, v in json.loads(self.file.attrs["engines"]).items()}

    def ledger(self) -> dict[str, Any]:
        """The books at the end."""
        return {k: json.loads(v) for k, v in self.file["ledger"].attrs.items()}

    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds per component."""
        return {k: float(v) for k, v in self.file["timing"].attrs.items()}

    def sites(self) -> dict[str, tuple[str, int]]:
        """Site → (component, row)."""
        found = {}
        for name, group in self.file.items():
            if isinstance(group, h5py.Group) and "counts" in group:
                for row, site in enumerate(group["counts"].attrs["site"]):
                    found[str(site)] = (name, row)
        return found

    def voltages(self) -> dict[str, Floats]:
        """Segment → (n_rows,) mV."""
        if "neuron/v" not in self.file:
            return {}
        data = self.file["neuron/v"]
        return {str(s): np.asarray(data[:, i]) for i, s in enumerate(data.attrs["segment"])}

    def counts(self, site: str, species: str) -> Floats:
        """(n_rows,) molecules. Raises InputError if it was not recorded."""
        return self._column(site, "counts", "species", species)

    def observable(self, site: str, name: str) -> Floats:
        """(n_rows,) mean over the last window."""
        return self._column(site, "means", "observable", name)

    def entered(self, site: str, species: str) -> Floats:
        """(n_rows,) molecules that entered since the start."""
        return np.asarray(np.cumsum(self._column(site, "influx", "species", species)))

    def extruded(self, site: str) -> dict[str, Floats]:
        """Reservoir → (n_rows,) molecules that left into it."""
        component, _ = self._place(site)
        known = self.labels(site, "counts", "species")
        return {str(r): self.counts(site, str(r)) for r in self.file[component].attrs["reservoirs"] if str(r) in known}

    def micromolar(self, site: str, species: str) -> Floats:
        """(n_rows,) µM. Raises InputError for a species of the membrane: it has no concentration."""
        component, row = self._place(site)
        if species in self.file[component].attrs["membrane"]:
            raise InputError(f'"{species}" lives on the membrane of {site}; take counts()', where=str(self.path))
        volume = float(self.file[component].attrs["volume_um3"][row])
        return self.counts(site, species) / (IONS_PER_MM_UM3 * volume) * 1e3

    def labels(self, site: str, quantity: str, axis: str) -> list[str]:
        """Names along an axis of a site's dataset; empty if there is none."""
        component, _ = self._place(site)
        path = f"{component}/{quantity}"
        return [str(x) for x in self.file[path].attrs[axis]] if path in self.file else []

    def free(self, site: str) -> list[str]:
        """Recorded species that links and drives fill or hold."""
        component, _ = self._place(site)
        return [str(s) for s in self.file[component].attrs["free"] if str(s) in self.labels(site, "counts", "species")]

    def peaks(self) -> dict[str, dict[str, float]]:
        """Largest values: "V ..." in mV, free ions in µM, observables."""
        found: dict[str, dict[str, float]] = {"neuron": {f"V {s} [mV]": _peak(v) for s, v in self.voltages().items()}}
        for site in self.sites():
            entry = {}
            for species in self.free(site):
                entry[f"{species} [uM]"] = _peak(self.micromolar(site, species))
            for name in self.labels(site, "means", "observable"):
                entry[name] = _peak(self.observable(site, name))
            found[site] = entry
        return {k: v for k, v in found.items() if v}

    def _place(self, site: str) -> tuple[str, int]:
        sites = self.sites()
        if site not in sites:
            raise InputError(f'no site "{site}"; {nearest(site, sites)}', where=str(self.path))
        return sites[site]

    def _column(self, site: str, quantity: str, axis: str, name: str) -> Floats:
        component, row = self._place(site)
        labels = self.labels(site, quantity, axis)
        if name not in labels:
            raise InputError(f'"{name}" of {site} was not recorded; {nearest(name, labels)}', where=str(self.path))
        return np.asarray(self.file[f"{component}/{quantity}"][:, row, labels.index(name)])


def _peak(values: Floats) -> float:
    return float(values.max()) if values.size else float("nan")


# Pairs (what, value) for a person.


def show_lines(results: Results) -> list[tuple[str, str]]:
    """All that `couple show` prints."""
    time = results.time
    lines = [("experiment", results.name), ("status", results.status)]
    lines.append(("simulated", f"{time[-1]:g} {results.time_unit} in {len(time)} rows" if len(time) else "nothing"))
    lines += peak_lines(results.peaks()) + ledger_lines(results.ledger())
    return lines + [(f"time in {k}", f"{v:.3f} s") for k, v in results.seconds().items() if k != "cpu_seconds"]


def peak_lines(peaks: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str]]:
    """One line per largest value."""
    return [
        (f"peak {name}" if owner == "neuron" else f"peak {owner} {name}", f"{value:.4g}")
        for owner, entries in peaks.items()
        for name, value in entries.items()
    ]


def ledger_lines(ledger: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The books: a line per link and per site, and the largest imbalance."""
    lines = [
        (
            e["link"],
            f"{e['sent']:.3f} sent = {e['received']:.3f} received + {e['carried']:.3f} carried - {e['owed']:.3f} owed",
        )
        for e in ledger["links"]
    ]
    for e in ledger["sites"]:
        start, parts = e["held_at_start"], " + ".join(f"{e[k]:.6g} {k}" for k in ("free", "bound", "extruded"))
        lines.append(
            (f"{e['substance']} in {e['site']}", f"{start:.0f} at start + {e['received']:.6g} received = {parts}")
        )
    return [*lines, ("largest imbalance", f"{ledger['max_imbalance_ions']:g} ions")]
