"""Every place of the input that the schemas name: blocks, their fields, and the options of every engine and chemistry.

What is walked is the pydantic models themselves, so that a new field, block or engine is covered as soon as it exists.
"""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from couple.base import registry
from couple.experiment import Experiment, SiteBlock
from reducers.training.files import LearningFile

Path_ = tuple[str | int, ...]

LONG = 5000

ABSURD: list[Any] = [
    *[
        "",
        " ",
        "\t",
        "x",
        "1",
        "-",
        "a" * LONG,
        "é½‮",
        "a\nb",
        "a\x00b",
        "../../x",
        "/dev/zero",
        "/",
        "*",
        "[",
        "(",
        "9" * LONG,
    ],
    *["1 ms/0", "1 ms^(9**9**9)", "1e999999 m**9999999", "1 ms**-99", "1 " + "m" * 100_000, "1 " + "(" * 500 + "m"],
    *["nan ms", "inf um", "1e400 uM", "1e300 um", "1e-320 ms", "1e30 /s", "-1e-9 mM", "1 degC", "1 dB", "1 ms # c"],
    *[
        "1 __import__",
        "1 um; um",
        "1 ms 2",
        "0 0 ms",
        "0 " * LONG + "ms",
        "5 steps",
        "1e12 .. 1e13 um",
        ".. um",
        "1 ..",
    ],
    *["1e12 um", "1e-12 um", "1e15 ms", "1e12 uM", "1e12 uM/s", "1e9 nS", "1e9 mV", "1e-9 pS", "1e9 celsius"],
    *[0, -1, 1, 10**9, 10**30, -(10**30), 1e308, -1e308, 5e-324, math.nan, math.inf, True],
    *[[], {}, [[]], [{}], {"": {}}, {"x": {"x": {}}}, ["x"] * 3, [0] * LONG, [[[[[[[[1]]]]]]]]],
]
"""Values that are empty, huge, or not what anybody means."""


def walk(model: type[BaseModel], at: Path_ = ()) -> Iterator[Path_]:
    """Paths of all fields of a table, and of those of the tables in it; lists by their first entry."""
    for name, field in model.model_fields.items():
        path = (*at, field.alias or name)
        if model is SiteBlock and name == "options":  # under the names of the engines themselves
            for engine in registry.names("couple.engines"):
                yield (*at, engine)
                yield from walk(registry.load("couple.engines", engine).Options, (*at, engine))
            continue
        yield path
        if path[-2:] == ("chemistry", "include"):
            for chemistry in registry.names("couple.chemistries"):
                yield from walk(registry.load("couple.chemistries", chemistry), (*path, chemistry))
        yield from _inside(field.annotation, path)


def _inside(annotation: Any, path: Path_) -> Iterator[Path_]:
    """Paths in what an annotation allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from walk(annotation, path)
    elif origin in (tuple, list) and arguments:
        yield (*path, 0)
        yield from _inside(arguments[0], (*path, 0))
    elif origin in (dict, Mapping) and len(arguments) == 2:
        yield (*path, "x")
        yield from _inside(arguments[1], (*path, "x"))
    elif origin in (Union, UnionType, Annotated):
        for one in arguments:
            yield from _inside(one, path)


def experiment_paths() -> list[Path_]:
    """All places of an experiment."""
    return list(dict.fromkeys(walk(Experiment)))


def training_classes() -> list[type[LearningFile]]:
    """The files of all kinds of trainings."""
    for name in registry.names("couple.trainings"):
        importlib.import_module(registry.load("couple.trainings", name).__module__)
    found, queue = [], [LearningFile]
    while queue:
        one = queue.pop()
        queue += one.__subclasses__()
        found += [] if one.__subclasses__() else [one]
    return sorted(found, key=lambda one: one.__name__)


def put(document: Any, path: Path_, value: Any) -> Any | None:
    """A copy of a document with another value at a path, whose tables and lists are made where there are none; None if
    something else stands there.
    """
    made = copy.deepcopy(document)
    place = made
    for k, key in enumerate(path):
        last = k == len(path) - 1
        fresh: Any = value if last else ([] if isinstance(path[k + 1], int) else {})
        if isinstance(key, int):
            if not isinstance(place, list):
                return None
            if not place:
                place.append(fresh)
            elif last:
                place[key] = value
        elif isinstance(place, dict):
            if last or key not in place:
                place[key] = fresh
        else:
            return None
        place = place[key]
    return made


def depth_in(document: Any, path: Path_) -> int:
    """How many of the keys of a path a document has."""
    n = 0
    for key in path:
        in_list = isinstance(key, int) and isinstance(document, list) and len(document) > key
        if not (in_list or (isinstance(key, str) and isinstance(document, dict) and key in document)):
            break
        document = document[key]
        n += 1
    return n


def working_options(engine: str) -> dict[str, Any]:
    """Options with which an engine can be had: those that it asks for, each the first plausible value that fits."""
    options = registry.load("couple.engines", engine).Options
    made: dict[str, Any] = {}
    for _ in range(8):
        try:
            options.model_validate(made)
        except ValidationError as error:
            missing = [str(e["loc"][0]) for e in error.errors() if e["type"] == "missing"]
            if not missing:
                return made
            made[missing[0]] = next((v for v in _PLAUSIBLE if _fits(options, {**made, missing[0]: v}, missing[0])), "x")
        else:
            return made
    return made


_PLAUSIBLE: list[Any] = ["50 nm", "0.1 ms", "1 uM", 1, 0.1, "ode", ["ode", "ssa"], True, {}]


def _fits(options: type[BaseModel], values: dict[str, Any], key: str) -> bool:
    try:
        options.model_validate(values)
    except ValidationError as error:
        return all(not e["loc"] or e["loc"][0] != key for e in error.errors())
    return True


def show(path: Path_) -> str:
    """A path as messages have it."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
