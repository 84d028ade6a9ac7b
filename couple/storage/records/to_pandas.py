"""Records as a DataFrame. pandas is optional and imported here only."""

from __future__ import annotations

from typing import Any

import numpy as np

from couple.base.errors import MissingDependencyError
from couple.storage.records.columns import columns_of
from couple.storage.records.record_file import Recording


def to_pandas(recording: Recording) -> Any:
    """A DataFrame with a column for each record that is a number over time; see `Recording.to_pandas`."""
    try:
        import pandas as pd
    except ModuleNotFoundError:
        message = "to_pandas() needs pandas, which is not installed: uv pip install pandas"
        raise MissingDependencyError(message) from None
    columns = list(columns_of(recording))
    time = recording.time
    if "run" in recording.file:
        runs = np.asarray(recording.file["run"])
        index: Any = pd.MultiIndex.from_product([runs, time], names=["run", f"time_{recording.time_unit}"])
    else:
        index = pd.Index(time, name=f"time_{recording.time_unit}")
    table = pd.DataFrame({c.name: np.ravel(c.values) for c in columns}, index=index)
    table.attrs["units"] = {c.name: c.unit for c in columns}
    return table
