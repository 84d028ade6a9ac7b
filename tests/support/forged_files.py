"""Files with a seal that fits and a content that couple never writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from couple.files.write_hdf5 import replacing

ODD: dict[str, Any] = {
    "gone": None,
    "text": "abc",
    "number": 3.5,
    "empty": np.zeros(0),
    "huge": 1e300,
    "square of NaN": np.full((3, 3), np.nan),
    "words": ["a", "b"],
}
"""What stands in the place of a dataset or an attribute."""


def places(path: Path) -> Iterator[tuple[str, str | None]]:
    """Every dataset and group (name, None), and every attribute (name, key)."""
    with h5py.File(path) as file:
        names = [""]
        file.visit(names.append)
        for name in names:
            if name:
                yield name, None
            yield from ((name, key) for key in file[name or "/"].attrs)


def forge(source: Path, path: Path, name: str, key: str | None, value: object) -> None:
    """A copy of a file, sealed, with another value in a place; without it for None."""
    with h5py.File(source) as old, replacing(path, str(old.attrs["format"])) as new:
        new.attrs.update(old.attrs)
        for child in old:
            old.copy(child, new)
        if key is not None:
            del new[name or "/"].attrs[key]
            if value is not None:
                new[name or "/"].attrs[key] = value
            return
        attributes = dict(new[name].attrs)
        del new[name]
        if value is not None:
            new[name] = value
            new[name].attrs.update(attributes)
