"""Which site took which accuracy when, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from adapters.adaptive.rule import CHOSEN, FEW, GRADIENT


@dataclass(frozen=True)
class Switch:
    """time: ms. set_aside: fractions of ions that a whole-number engine does not take, of all substances."""

    time: float
    site: str
    before: str
    after: str
    reason: str
    set_aside: float


def reason_of(why: int, indicator: float, engine: str, finer: bool, species: Sequence[str]) -> str:
    """In words. why, indicator: what speaks most against the cheaper of the two, `engine`."""
    if why == CHOSEN:
        return "the rule chose it"
    what = {FEW: f"few {', '.join(species)}", GRADIENT: f"{', '.join(species)} not mixed"}.get(
        why, "near the edge of its box"
    )
    if finer:
        return f"{engine} above its error bound ({indicator:.2f} of 1): {what}"
    return f"{engine} good enough (error indicator {indicator:.2f} of 1)"


def table(switches: Sequence[Switch]) -> npt.NDArray[np.void]:
    """For results: time (ms), site, before, after, reason, set_aside (molecules)."""
    width = {
        k: max([1, *(len(getattr(s, k).encode()) for s in switches)]) for k in ("site", "before", "after", "reason")
    }
    kind = np.dtype(
        [("time", "f8"), *((k, f"S{width[k]}") for k in ("site", "before", "after", "reason")), ("set_aside", "f8")]
    )
    return np.array(
        [
            (s.time, s.site.encode(), s.before.encode(), s.after.encode(), s.reason.encode(), s.set_aside)
            for s in switches
        ],
        dtype=kind,
    )


def to_json(switches: Sequence[Switch]) -> str:
    """As text; `from_json` reads it."""
    return json.dumps([astuple(s) for s in switches])


def from_json(text: str) -> list[Switch]:
    """What `to_json` wrote."""
    return [Switch(*row) for row in json.loads(text)]
