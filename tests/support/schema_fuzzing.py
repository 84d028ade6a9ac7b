"""Every field of the schemas with empty, huge and absurd values: `python -m support.schema_fuzzing CASES SEED`.

Prints one JSON line per case, as support/fuzzing.py does and by its verdict; each runs in a fork of this process.
"""

from __future__ import annotations

import json
import random
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

from couple.base import registry
from support import fuzzing, schema_walk
from support.fuzzed_experiments import Base, bases
from support.schema_walk import ABSURD, Path_

SMALL = """
[experiment]
name = "small"
duration = "2 ms"
exchange = "0.1 ms"
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = { D = "10 um^2/s" }
species.CaB = { D = "10 um^2/s", contains = { Ca = 1 } }
reactions = [{ equation = "Ca + B <-> CaB", forward = "1e7 /M/s", backward = "100 /s" }]
initial.Ca = { count = 5 }
initial.B = { count = 6 }
[[site]]
name = "box"
engine = "ENGINE"
geometry.box.size = "0.3 0.3 0.3 um"
[record]
species = "all"
"""
SLOW = ("pde", "knp", "spde")
"""Engines whose first use compiles forms in C."""


def small(engine: str) -> dict[str, Any]:
    """An experiment with one site of an engine."""
    document = tomllib.loads(SMALL.replace("ENGINE", engine))
    document["site"][0][engine] = schema_walk.working_options(engine)
    return document


def documents() -> dict[str, tuple[Base, dict[str, Any]]]:
    """The experiments of the other fuzz, and one for every engine."""
    found = {b.name: (b, tomllib.loads(b.text)) for b in bases()}
    for engine in registry.names("couple.engines"):
        found[f"engine {engine}"] = Base(f"engine {engine}", "", {}, "0.2 ms"), small(engine)
    return found


def cases(n: int, seed: int, *, among: dict[str, tuple[Base, dict[str, Any]]]) -> Iterator[tuple[str, Path_, Any, Any]]:
    """Name of the experiment, path, value, and the document with it, spread over all paths in turn."""
    rng = random.Random(seed)
    paths = schema_walk.experiment_paths()
    rng.shuffle(paths)
    made = 0
    while made < n:
        for path in paths:
            deepest = max(schema_walk.depth_in(d, path) for _, d in among.values())
            fitting = [k for k, (_, d) in among.items() if schema_walk.depth_in(d, path) == deepest]
            engine = f"engine {path[2]}" if path[0] == "site" and len(path) > 2 else ""
            name = engine if engine in among else rng.choice(fitting)
            value = rng.choice(ABSURD)
            document = schema_walk.put(among[name][1], path, value)
            if document is None:
                continue
            yield name, path, value, document
            made += 1
            if made == n:
                return


def main() -> None:
    fuzzing.prepare()
    among = documents()
    for number, (name, path, value, document) in enumerate(cases(int(sys.argv[1]), int(sys.argv[2]), among=among)):
        base = among[name][0]
        case = fuzzing.Case(base, schema_walk.show(path), fuzzing.toml_text(document))
        for command in fuzzing.commands(number, case):
            done = fuzzing.execute(case, command)
            wrong = fuzzing.verdict(done, case)
            line = {
                "case": number,
                "base": name,
                "what": f"{schema_walk.show(path)} = {str(value)[:60]!r}",
                "command": command[0],
                "code": done.code,
                "seconds": round(done.seconds, 2),
                "wrong": wrong,
                "says": done.err.strip()[-2000:],
            }
            print(json.dumps(line), flush=True)
            if wrong or done.code != 0:
                break


if __name__ == "__main__":
    main()
