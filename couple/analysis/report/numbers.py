"""Numbers as the page has them: few digits, NaN as null, long arrays as bytes."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from couple.base.arrays import Floats


def plain(values: Floats, digits: int = 5) -> list[float | None]:
    """Rounded to significant digits; what is not finite is null."""
    found = np.asarray(values, dtype=np.float64).ravel().tolist()
    return [float(f"{x:.{digits}g}") if math.isfinite(x) else None for x in found]


def packed(values: Any, kind: str) -> dict[str, Any]:
    """An array as text of its bytes. kind: "f4", "i4", "u1" (little end first, as browsers have it)."""
    array = np.ascontiguousarray(np.asarray(values).astype(f"<{kind}"))
    return {"kind": kind, "shape": list(array.shape), "bytes": base64.b64encode(array.tobytes()).decode()}


def evenly(n: int, most: int) -> list[int]:
    """Numbers of at most so many of n rows, the first and the last among them."""
    return sorted({int(k) for k in np.linspace(0, n - 1, min(n, most))}) if n else []
