"""Transition matrices over a lag, as Markov state models of molecular dynamics give them, as states and rates.

CSV (with or without a first row of names), NumPy's .npy, or TOML with a key `matrix`. Rows are the states that a
molecule leaves. What the file leaves open is in the table `chemistry.units`, the same keys as in TOML.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from couple.base.arrays import Floats
from couple.base.errors import InputError, quoted
from couple.base.formats import recognise
from couple.base.schema import Block, explain
from couple.base.toml import read_toml
from couple.base.units import Time
from couple.chemistry.embedding import ROUNDING, Generator, generator_of
from couple.files.array_file import read_array

MOST = 200
"""States; every pair of them may be a reaction."""
LONGEST = 10**7
"""Bytes of a text file."""

_log = logging.getLogger(__name__)


class MatrixUnits(Block):
    """What a transition matrix needs besides its numbers.

    lag: the time between the two states of a transition. name: word before the names of states, by default that of the
    file. states: their names, by default those of the file, or S0, S1, ... on: where the molecules live. embed: what
    becomes of a matrix that no constant rates have: "refuse" it, or take the "nearest" rates.
    """

    lag: Time = Field(gt=0)
    name: str = Field(default="", pattern=r"([A-Za-z][A-Za-z0-9_]*)?")
    states: tuple[str, ...] = ()
    on: Literal["membrane", "volume"] = "membrane"
    embed: Literal["refuse", "nearest"] = "refuse"


def read_transition_matrix(path: Path, units: object = None) -> dict[str, Any]:
    """The content of `[chemistry]`: a species for each state, a reaction for each rate.

    units: the table `chemistry.units`, see `MatrixUnits`. Raises InputError that names the file and the key.
    """
    found, content = transition_rates(path, units)
    if found.error > 1e-9:
        _log.warning("%s: nearest rates; their matrix is off by up to %.2g", path.name, found.error)
    return content


def transition_rates(path: Path, units: object = None) -> tuple[Generator, dict[str, Any]]:
    """The rates, and the content of `[chemistry]`, see `read_transition_matrix`."""
    try:
        matrix, named, keys = _read(path)
    except InputError as error:
        raise error.inside(str(path)) from None
    given = {**keys, **units} if isinstance(units, Mapping) else keys
    if "lag" not in given:
        raise InputError(
            f"{path.name} is read as a transition matrix and has no lag: say after which time its transitions were "
            'counted, units = { lag = "10 us" }',
            where="chemistry.units",
        )
    try:
        options = MatrixUnits.model_validate(given)
    except ValidationError as error:
        raise explain(error, given).at("chemistry.units") from None
    states = options.states or named or tuple(f"S{k}" for k in range(len(matrix)))
    if len(set(states)) < len(states) or not all(re.fullmatch(r"[A-Za-z0-9_]+", s) for s in states):
        raise InputError(f"{quoted(', '.join(states))}: states have names of letters and digits, each another one",
                         where="chemistry.units.states")  # fmt: skip
    try:
        found = generator_of(matrix, options.lag, states, nearest=options.embed == "nearest")
    except InputError as error:
        raise error.inside(str(path)) from None
    prefix = options.name or re.sub(r"\W", "_", path.stem)
    names = [f"{prefix}_{s}" for s in states]
    least = ROUNDING * float(np.abs(found.rates).max())
    return found, {
        "species": {name: {"on": options.on} for name in names},
        "reactions": [
            {"equation": f"{names[i]} -> {names[j]}", "forward": f"{float(rate)!r} /ms"}
            for (i, j), rate in np.ndenumerate(found.rates)
            if i != j and rate > least
        ],
    }


def _read(path: Path) -> tuple[Floats, tuple[str, ...], dict[str, Any]]:
    """Matrix, names of its states if there are any, and the other keys of TOML. Raises InputError."""
    if not path.is_file():
        raise InputError("no such file")
    known = recognise(path)
    kind = "" if known is None else known.name
    if kind == "numpy":
        with path.open("rb") as file:
            try:
                matrix = read_array(file, path.name)
            except ValueError as error:
                raise InputError(f"is no array of NumPy: {error}") from None
        return _square(matrix), (), {}
    if path.stat().st_size > LONGEST:
        raise InputError(f"is longer than {LONGEST / 1e6:g} MB: {MOST} states at most")
    if kind in ("toml", "experiment", "training") or (path.suffix.lower() == ".toml" and kind != "csv"):
        content = read_toml(path, "a transition matrix (TOML with a key matrix)")
        rows = content.pop("matrix", None)
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise InputError("is no list of rows, matrix = [[0.9, 0.1], [0.2, 0.8]]", where="matrix")
        return _square(rows), (), content
    lines = [line.split(",") for line in path.read_text("utf-8-sig", errors="replace").splitlines() if line.strip()]
    lines = [line for line in lines if not line[0].lstrip().startswith("#")]
    head: tuple[str, ...] = ()
    if lines and not _number(lines[0][-1]):
        head = tuple(word.strip().strip('"') for word in lines.pop(0))
    return _square(lines), head, {}


def _number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _square(rows: Any) -> Floats:
    try:
        matrix = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("holds what is no number, or rows of different lengths: a square table of probabilities is "
                         "expected") from None  # fmt: skip
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not 2 <= len(matrix) <= MOST:
        raise InputError(f"has the shape {matrix.shape}: a square table of 2 to {MOST} states is expected")
    return matrix
