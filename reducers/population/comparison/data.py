"""The patterns that the file of a comparison names."""

from __future__ import annotations

from pathlib import Path

from couple.base.errors import InputError
from couple.rng.streams import generator
from reducers.population.comparison.settings import PopulationFile
from reducers.population.master_equation.patterns import simulate_patterns
from reducers.population.patterns import arrays, sources
from reducers.population.patterns.patterns import Patterns


def read_patterns(file: PopulationFile, folder: Path) -> Patterns:
    """Patterns to which models can be fitted. folder: in which paths start. Raises InputError."""
    found = _given(file, folder)
    if file.data.silent == "drop":
        found = found.without_silent()
    most = file.population.neurons
    if most and found.n > most:
        rng = generator(file.population.seed, "population", "neurons", "chosen")
        found = found.of(sorted(rng.choice(found.n, most, replace=False).tolist()))
    return found.check()


def _given(file: PopulationFile, folder: Path) -> Patterns:
    data, span = file.data, (file.data.begin, file.data.end)
    if file.master_equation is not None:
        return simulate_patterns(file.master_equation, file.population.seed)
    clip, window = data.multiple == "clip", data.window or 0.0
    if data.array is not None:
        return arrays.patterns_of_array(folder / data.array, window, data.unit, clip, data.only, span)
    if data.table is not None:
        return arrays.patterns_of_table(folder / data.table, window, data.unit, clip, data.only, span)
    if data.nwb is not None:
        return sources.spikes_of_nwb(folder / data.nwb, window, clip, data.only, span)
    path = folder / str(data.results)
    path = path / "results.h5" if path.is_dir() else path
    if data.record is not None:
        return sources.records_of_results(path, data.record, data.above, window, span)
    try:
        return sources.spikes_of_results(path, window, clip, data.only, span)
    except InputError as error:
        raise error if error.where else error.inside(str(path)) from None
