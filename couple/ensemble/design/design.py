"""Points over ranges: all combinations of what is listed, and draws of what is distributed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from couple.ensemble.design.ranges import Range, read_range

Method = Literal["random", "lhs", "sobol"]
METHODS = get_args(Method)
"""How draws are placed: independent, as a Latin hypercube, or as a scrambled Sobol sequence."""

MOST_POINTS = 10_000_000


@dataclass(frozen=True)
class Point:
    """One setting of all keys. values: in the units of their ranges; overrides: as `--set` takes them."""

    values: tuple[float, ...]
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Design:
    """Ranges of keys, and how many draws of those that are distributed.

    Every combination of the listed values is combined with every draw. method: see METHODS. seed: of the draws.
    joint: the k-th values of all ranges, which are listed and equally many, make point k, instead of all combinations.
    Raises InputError for ranges that make no design.
    """

    ranges: tuple[Range, ...]
    draws: int | None = None
    method: Method = "sobol"
    seed: int = 0
    joint: bool = False

    def __post_init__(self) -> None:
        drawn = [r for r in self.ranges if r.distribution]
        if self.method not in METHODS:
            raise InputError(f'no design "{self.method}"; {nearest(self.method, METHODS)}', where="--design")
        if not self.ranges:
            raise InputError("nothing varies", where="vary")
        if self.joint and (drawn or len({len(r.values) for r in self.ranges}) != 1):
            raise InputError("a joint design needs equally many values of each key", where="vary")
        if drawn and self.draws is None:
            raise InputError(f"{drawn[0].key} is drawn: say how many points", where="--points")
        if not drawn and self.draws is not None:
            raise InputError("all values are listed: leave it out", where="--points")
        if self.draws is not None and self.draws < 1:
            raise InputError(f"{self.draws}: give 1 or more", where="--points")
        if len(self) > MOST_POINTS:
            raise InputError(f"{len(self):.3g} combinations: give up to {MOST_POINTS:.0e}", where="vary")

    def __len__(self) -> int:
        """Number of points."""
        if self.joint:
            return len(self.ranges[0].values)
        count = self.draws or 1
        for one in self.ranges:
            count *= max(len(one.values), 1)
        return count

    @classmethod
    def of(cls, vary: Mapping[str, object], draws: int | None, method: str, seed: int) -> Design:
        """From key → text of its range. Raises InputError that names the key."""
        return cls(tuple(read_range(key, text) for key, text in vary.items()), draws, method, seed)  # type: ignore[arg-type]

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """All, in the order of runs: what is listed first changes slowest, draws fastest."""
        if self.joint:
            return tuple(self._point(values) for values in zip(*(r.values for r in self.ranges), strict=True))
        drawn = [r for r in self.ranges if r.distribution]
        columns = dict(zip((r.key for r in drawn), self._draws(drawn).T, strict=True))
        listed = [range(len(r.values) or 1) for r in self.ranges]
        found = []
        for choice in itertools.product(*listed):
            for draw in range(self.draws or 1):
                values = tuple(
                    float(columns[r.key][draw]) if r.distribution else r.values[k]
                    for r, k in zip(self.ranges, choice, strict=True)
                )
                found.append(self._point(values))
        return tuple(found)

    def _point(self, values: tuple[float, ...]) -> Point:
        return Point(values, tuple(r.override(v) for r, v in zip(self.ranges, values, strict=True)))

    def _draws(self, drawn: list[Range]) -> Floats:
        """(draws, keys) values."""
        if not drawn:
            return np.zeros((1, 0))
        quantiles = self._quantiles(len(drawn))
        return np.stack([r.at(quantiles[:, k]) for k, r in enumerate(drawn)], axis=1)

    def _quantiles(self, n: int) -> Floats:
        """(draws, n) in (0, 1). Of a sequence that goes on: fewer draws are the first of more, but for "lhs"."""
        from scipy.stats import qmc

        assert self.draws is not None
        text = f"design\x1f{self.method}\x1f{self.seed}".encode()
        rng = np.random.default_rng(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little"))
        if self.method == "random":
            found = rng.random((self.draws, n))
        elif self.method == "lhs":
            found = qmc.LatinHypercube(n, rng=rng).random(self.draws)
        else:
            sequence = qmc.Sobol(n, rng=rng)
            found = sequence.random(1 << (self.draws - 1).bit_length())[: self.draws]
        return np.clip(found, 2.0**-53, 1 - 2.0**-53)

    def to_json(self) -> dict[str, Any]:
        """For files: as JSON gives it back, with lists."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Design:
        """What `to_json` made."""
        ranges = tuple(
            Range(**{**one, "values": tuple(one["values"]), "numbers": tuple(one["numbers"])})
            for one in content["ranges"]
        )
        return cls(ranges, content["draws"], content["method"], content["seed"], content.get("joint", False))
