"""Records as columns over time, by the names that `results[...]` takes: for tables and other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from couple.base.arrays import Floats
from couple.storage.records.record_file import Recording


@dataclass(frozen=True)
class Column:
    """name: "neuron.soma(0.5)", "head.Ca", "head.SK_open". values: (n_rows,), of an ensemble (n_runs, n_rows).

    meaning: what the numbers are.
    """

    name: str
    unit: str
    values: Floats
    meaning: str


def columns_of(recording: Recording) -> Iterator[Column]:
    """Voltages and range variables, then of each site its species, their concentrations, and its observables."""
    for segment, values in recording.voltages().items():
        yield Column(f"neuron.{segment}", "mV", values, "membrane potential")
    for variable, segment, unit in recording.ranges():
        name = f"neuron.{segment}.{variable}"
        yield Column(name, unit, recording[name], "range variable")
    for site, (component, _) in recording.sites().items():
        species = recording.labels(site, "counts", "species")
        attributes = recording.file[component].attrs
        nowhere = {*map(str, attributes["membrane"]), *map(str, attributes["reservoirs"])}
        for one in species:
            yield Column(f"{site}.{one}", "molecules", recording.counts(site, one), "at the time of the row")
            if one not in nowhere:
                values = recording.micromolar(site, one)
                yield Column(f"{site}.{one}.uM", "uM", values, "molecules by the volume of the site")
        for one in recording.labels(site, "means", "observable"):
            yield Column(f"{site}.{one}", "molecules", recording.observable(site, one), "mean of the window before")
