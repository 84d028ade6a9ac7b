"""Reading the result file of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.html.ledger import Books
from couple.base.html.tables import html_table
from couple.base.units import IONS_PER_MM_UM3
from couple.files.open_hdf5 import FileKind
from couple.storage.records.record_file import Recording
from couple.storage.records.spike_trains import THRESHOLD, soma_spikes

FORMAT = "couple results 1"
"""Attribute `format` of a result file, and what its seal says."""

KIND = FileKind(
    (FORMAT,),
    "a result file",
    "give the results.h5 of a run or its folder",
    "run again, or resume the checkpoint of the run",
    parts=True,
    whole=False,
)

SHOWN = 24
"""Lines of one kind that a notebook shows."""

BLOCK_VALUES = 2**20
"""Values that are read at a time."""


class Results(Recording):
    """The results of one run: time series are (n_rows,). `Results("OUT")` opens OUT/results.h5.

    results["head.Ca"]: (n_rows,) molecules of a species; results["head.SK_open"]: an observable, mean of the exchange
    interval before each row; results["neuron.head(0.5)"]: mV. `time` is in ms. `file` is the HDF5 file.
    Raises InputError if the file is missing, damaged or of another kind, or for what was not recorded.

    >>> with Results("OUT") as results:
    ...     results.time.shape, results["head.Ca"].shape, results.micromolar("head", "Ca").shape
    ((11,), (11,), (11,))
    """

    KIND, FILE = KIND, "results.h5"

    def ledger(self) -> Books:
        """The books at the end: tables in a notebook, else as a dict."""
        return Books({k: json.loads(v) for k, v in self.file["ledger"].attrs.items()})

    def _repr_html_(self) -> str:
        time, head = self.time, f"{self.name}: {self.status}"
        span = f"{time[-1]:g} {self.time_unit} in {len(time)} rows" if len(time) else "nothing"
        engines = self.engines()
        peaks = [
            (f"{owner} {name}", value) for owner, entries in self.peaks().items() for name, value in entries.items()
        ]
        more = [] if len(peaks) <= SHOWN else [(f"{len(peaks) - SHOWN} more", None)]
        facts = [("simulated", span), *((f"engine of {s}", e) for s, e in list(engines.items())[:SHOWN])]
        return html_table(("", ""), facts, head) + html_table(("largest", ""), [*peaks[:SHOWN], *more])

    def spikes(self) -> tuple[Floats, dict[str, Floats]]:
        """(n,) ms of all spikes, and those of each cell: of a network by name ("E_3"), of those that fired; of other
        models by recorded somata ("soma(0.5)"), where V crosses `record.threshold`. Empty without either."""
        if "spikes" not in self.file:
            trains = {name: train for name, (train,) in soma_spikes(self).items()}
            return np.sort(np.concatenate([np.zeros(0), *trains.values()])), trains
        times, cells = np.asarray(self.file["spikes/time"]), np.asarray(self.file["spikes/cell"])
        populations: dict[str, int] = json.loads(self.file["spikes"].attrs["populations"])
        names = [f"{population}_{i}" for population, n in populations.items() for i in range(n)]
        by_cell = {int(cell): times[cells == cell] for cell in np.unique(cells)}
        return times, {names[cell] if cell < len(names) else str(cell): found for cell, found in by_cell.items()}

    def spike_counts(self) -> dict[str, Any]:
        """threshold_mV, and the count of each recorded soma; empty where there is none, and of a network."""
        trains = {} if "spikes" in self.file else self.spikes()[1]
        counts = {name: len(times) for name, times in trains.items()}
        return {"threshold_mV": float(self.file.attrs[THRESHOLD]), "count": counts} if counts else {}

    def calcium_not_linked(self) -> dict[str, float]:
        """Ion → share of the calcium charge of listened segments that it carries past the sites, no link taking it up:
        models that have calcium under a second name ("ca2", "Ca"). Empty where there is none.
        """
        linked = {link["link"].split(" ")[0] for link in self.ledger()["links"]}
        charges = {name: self._charge(name) for name in self.file.get("neuron", ()) if name.split("_")[0] == "charge"}
        ions = {name: name.partition("_")[2] or "ca" for name in charges}
        past = {ion: charges[name] for name, ion in ions.items() if f"neuron.i{ion}" not in linked and charges[name]}
        of_calcium = sum(charges[name] for name, ion in ions.items() if ion[:2].lower() == "ca")
        return {ion: charge / of_calcium for ion, charge in past.items() if of_calcium}

    def _charge(self, name: str) -> float:
        return float(np.abs(np.asarray(self.file[f"neuron/{name}"])).sum())

    def seconds(self) -> dict[str, float]:
        """Wall-clock seconds per component."""
        return {k: float(v) for k, v in self.file["timing"].attrs.items()}

    def passes(self) -> dict[int, int]:
        """How often windows were carried out → of how many this is so; empty unless a scheme repeats them."""
        return {int(n): int(w) for n, w in self.file["passes"].attrs.items()} if "passes" in self.file else {}

    def exchange_intervals(self) -> Floats:
        """(n_exchanges,) ms between an exchange and the one before; empty unless the run chose them."""
        name = "exchange_interval"
        return np.asarray(self.file[name]) if name in self.file else np.zeros(0)

    def peaks(self) -> dict[str, dict[str, float]]:
        """Largest values: "V ..." in mV, free ions in µM, observables."""
        found: dict[str, dict[str, float]] = {"neuron": {}, **{site: {} for site in self.sites()}}
        if "neuron/v" in self.file:
            names = self._axis("neuron/v", "segment")
            found["neuron"] = {f"V {s} [mV]": x for s, x in zip(names, self._largest("neuron/v").tolist(), strict=True)}
        for component in dict.fromkeys(c for c, _ in self.sites().values()):
            for name, values in self._peaks_of(component):
                for site, value in zip(self._sites_of(component), values.tolist(), strict=True):
                    found[site][name] = value
        return {k: v for k, v in found.items() if v}

    def _peaks_of(self, component: str) -> Iterator[tuple[str, Floats]]:
        """What is shown of a component, each with its (n_sites,) largest values."""
        attributes, counts, means = self.file[component].attrs, f"{component}/counts", f"{component}/means"
        if counts in self.file:
            names, largest = self._axis(counts, "species"), self._largest(counts)
            volumes, shares = np.asarray(attributes["volume_um3"]), self.shares(component)
            membrane = set(map(str, attributes["membrane"]))
            for species in map(str, attributes["free"]):
                if species in names:
                    values = largest[:, names.index(species)]
                    inside = IONS_PER_MM_UM3 * volumes * shares.get(species, 1.0)
                    concentrations = values / inside * 1e3
                    yield (species, values) if species in membrane else (f"{species} [uM]", concentrations)
        if means in self.file:
            yield from zip(self._axis(means, "observable"), self._largest(means).T, strict=True)

    def _sites_of(self, component: str) -> list[str]:
        return [site for site, (c, _) in self.sites().items() if c == component]

    def _largest(self, path: str) -> Floats:
        """Largest value over all rows, of the shape of a row; NaN if there is none. Reads few rows at a time."""
        data = self.file[path]
        largest = np.full(data.shape[1:], np.nan)
        rows = max(1, BLOCK_VALUES // max(largest.size, 1))
        for start in range(0, len(data), rows):
            largest = np.fmax(largest, np.max(data[start : start + rows], axis=0))
        return largest
