"""Breaks experiments at random and runs them: `python tests/fuzzing.py CASES SEED` prints one JSON line per case.

Every case runs in a fork of one process that has imported all heavy modules, in a copy of the experiment's folder,
with a time limit. What counts as a failure is said in `verdict`.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
LIMIT = 60.0
"""Seconds after which a case counts as hanging."""

DRIVEN = """
[experiment]
name = "driven"
duration = "20 ms"
exchange = "0.5 ms"
[chemistry]
species.Ca = { D = "220 um^2/s", contains = { Ca = 1 } }
species.B = { D = "10 um^2/s" }
species.CaB = { D = "10 um^2/s", contains = { Ca = 1 } }
species.P = { on = "membrane" }
species.CaP = { on = "membrane", contains = { Ca = 1 } }
reservoirs = ["Ca_out"]
observables.bound = ["CaB", "CaP"]
reactions = [
  { equation = "Ca + B <-> CaB", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "Ca + P <-> CaP", forward = "1e8 /M/s", backward = "100 /s" },
  { equation = "CaP -> P + Ca_out", forward = "10 /s" },
]
initial.Ca = "0.1 uM"
initial.B = { total = "20 uM", at = "steady" }
initial.P = { total = "100 /um^2", at = "steady" }
[[site]]
name = "first"
engine = "ssa"
geometry.cylinder = { diameter = "0.5 um", length = "0.5 um" }
[[site]]
name = "second"
engine = "ode"
geometry.sphere = { diameter = "0.4 um" }
ode.rtol = 1e-5
[[drive]]
to = "first.Ca"
influx = { times = "0 2 5 ms", rate = "0 490 0 /ms" }
[[drive]]
to = "second.Ca"
clamp = { times = "0 5 ms", values = "0.1 1 uM" }
[record]
every = "1 ms"
species = ["Ca", "CaB"]
variables = ["counts", "means"]
[checkpoint]
every = "10 ms"
"""


class Base(NamedTuple):
    """An experiment to break. folder: copied beside it. until: how far a case that still works is run."""

    name: str
    text: str
    folder: Path | None
    until: str


class Case(NamedTuple):
    """A broken experiment: what was done to which key."""

    base: Base
    what: str
    text: str | bytes


def bases() -> list[Base]:
    """The shipped experiments, on engines that start at once, and one without NEURON."""
    found = [Base("driven", DRIVEN, None, "2 ms")]
    for path in sorted(ROOT.glob("examples/*/*.toml")):
        text = path.read_text()
        if "[neuron]" in text:
            text = re.sub(r'^(\s*engine = )"[a-z]+"', r'\1"ode"', text, flags=re.M)
            found.append(Base(path.stem, text, path.parent, "0.4 ms"))
    return found


# --- how experiments break ---

Path_ = tuple[str | int, ...]
ODD: list[Any] = [
    *[
        "",
        " ",
        "x",
        "1",
        "1 ms",
        "1 mV",
        "5 kg",
        "1 /M/s",
        "nan ms",
        "inf ms",
        "-1 ms",
        "0 ms",
        "1e400 ms",
        "1e-300 ms",
    ],
    *["1e30 ms", "1e12 uM", "1e-30 uM", "-1 uM", "1 parsec", "1 uM/", "ms 1", "1,5 ms", "½ ms", "é", "a\nb", "a\x00b"],
    *["head", "head(0.5", "head(7)", "head(nan)", "../../..", "/", "/dev/null", "nowhere.toml", "nowhere.py:build"],
    *["cell.py", "cell.py:", ":build", "a" * 5000],
    *[0, 1, -1, 2, 10**30, -(10**30), 1e308, 1e-308, float("nan"), float("inf"), True, False],
    *[[], {}, [[]], [1, "a"], {"x": 1}, ["Ca", "Ca"]],
]


def _leaves(thing: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Paths of everything inside a document, tables included."""
    if at:
        yield at
    items = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for key, value in items:
        yield from _leaves(value, (*at, key))


def _parent(document: Any, at: Path_) -> Any:
    for key in at[:-1]:
        document = document[key]
    return document


def _misspelt(word: str, rng: random.Random) -> str:
    if not word:
        return "x"
    i = rng.randrange(len(word))
    kind = rng.randrange(4)
    if kind == 0:
        return word[:i] + word[i + 1 :]
    if kind == 1:
        return word[:i] + rng.choice("abcxyz019_.-* ") + word[i:]
    if kind == 2:
        return word[:i] + rng.choice("abcxyz019_.-* ") + word[i + 1 :]
    return word[:i] + word[i : i + 2][::-1] + word[i + 2 :]


def _odd(document: Any, at: Path_, rng: random.Random) -> str:
    value = copy.deepcopy(rng.choice(ODD))
    _parent(document, at)[at[-1]] = value
    return f"= {str(value)[:40]!r}"


def _unit(document: Any, at: Path_, rng: random.Random) -> str | None:
    value = _parent(document, at)[at[-1]]
    if not isinstance(value, str) or not re.match(r"^-?[\d.]", value):
        return None
    number, _, unit = value.rpartition(" ")
    factor = rng.choice(["0", "-1", "1e3", "1e6", "1e-6", "1e9", "1e20", "nan", "inf", "1e-20"])
    other = rng.choice([unit, unit, "ms", "uM", "mV", "um", "/s", "/um^2", "um^2/s", "pS", ""])
    new = f"{factor} {other}".strip() if rng.random() < 0.7 else f"{number} {other}".strip()
    _parent(document, at)[at[-1]] = new
    return f"= {new!r}"


def _rename(document: Any, at: Path_, rng: random.Random) -> str | None:
    parent, key = _parent(document, at), at[-1]
    if not isinstance(key, str):
        return None
    new = _misspelt(key, rng)
    items = [(new if k == key else k, v) for k, v in parent.items()]
    parent.clear()
    parent.update(items)
    return f"renamed to {new!r}"


def _misspell(document: Any, at: Path_, rng: random.Random) -> str | None:
    value = _parent(document, at)[at[-1]]
    if not isinstance(value, str):
        return None
    new = _misspelt(value, rng)
    _parent(document, at)[at[-1]] = new
    return f"= {new!r}"


def _delete(document: Any, at: Path_, rng: random.Random) -> str:
    del _parent(document, at)[at[-1]]
    return "deleted"


def _add(document: Any, at: Path_, rng: random.Random) -> str | None:
    value = _parent(document, at)[at[-1]]
    if isinstance(value, list):
        value.append(copy.deepcopy(rng.choice([*value, *ODD])))
        return "one more entry"
    if isinstance(value, dict):
        key = rng.choice(["x", "every", "name", "D", "file", "segment", "conductance", "", "a.b"])
        value[key] = copy.deepcopy(rng.choice(ODD))
        return f"gains {key!r} = {str(value[key])[:40]!r}"
    return None


def _swap(document: Any, at: Path_, rng: random.Random) -> str | None:
    other = rng.choice(list(_leaves(document)))
    value = copy.deepcopy(_parent(document, other)[other[-1]])
    _parent(document, at)[at[-1]] = value
    return f"= what {_key(other)} is"


CHANGES: list[Callable[[Any, Path_, random.Random], str | None]] = [
    _odd, _odd, _unit, _unit, _rename, _misspell, _misspell, _delete, _add, _swap,
]  # fmt: skip


def _key(at: Path_) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in at).lstrip(".")


def _raw(text: str, rng: random.Random) -> tuple[str, bytes]:
    """Damage below the level of TOML."""
    data = bytearray(text.encode())
    kind = rng.randrange(4)
    if kind == 0:
        return "truncated", bytes(data[: rng.randrange(len(data))])
    if kind == 1:
        data[rng.randrange(len(data))] = rng.randrange(256)
        return "one byte changed", bytes(data)
    if kind == 2:
        lines = text.splitlines()
        del lines[rng.randrange(len(lines))]
        return "one line deleted", "\n".join(lines).encode()
    lines = text.splitlines()
    i = rng.randrange(len(lines))
    lines.insert(i, lines[rng.randrange(len(lines))])
    return "one line repeated", "\n".join(lines).encode()


def broken(base: Base, rng: random.Random) -> Case:
    """One random change of a working experiment."""
    if rng.random() < 0.12:
        what, data = _raw(base.text, rng)
        return Case(base, what, data)
    while True:
        document = tomllib.loads(base.text)
        first = rng.choice(list(document))  # else most changes would hit the long lists of the chemistry
        at = rng.choice([p for p in _leaves(document) if p[0] == first])
        done = rng.choice(CHANGES)(document, at, rng)
        if done is not None:
            return Case(base, f"{_key(at)} {done}", "\n".join(f"{_word(k)} = {_toml(v)}" for k, v in document.items()))


def _word(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_word(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True).replace("\\ud", "\\\\ud")
    return str(value) if isinstance(value, int) else repr(value)


# --- running a case ---


class Done(NamedTuple):
    """code: exit code, None if it was stopped at the limit. stray: files that appeared outside OUT."""

    code: int | None
    out: str
    err: str
    stray: list[str]
    seconds: float


def _files(folder: Path) -> dict[str, int]:
    kept = (p for p in folder.rglob("*") if "__pycache__" not in p.parts)
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in kept if not p.is_dir()}


def execute(case: Case, command: list[str]) -> Done:
    """Run one command line of `couple` on a case, in a fork, in a folder of its own."""
    with tempfile.TemporaryDirectory() as parent:
        folder, output = Path(parent) / "work", Path(parent) / "OUT"
        if case.base.folder is None:
            folder.mkdir()
        else:
            shutil.copytree(case.base.folder, folder, ignore=shutil.ignore_patterns("__pycache__", "results"))
        file = folder / "case.toml"
        file.write_bytes(case.text if isinstance(case.text, bytes) else case.text.encode())
        before, start = _files(Path(parent)), time.monotonic()
        arguments = [a.replace("FILE", "case.toml").replace("OUT", str(output)) for a in command]
        code = _forked(arguments, folder, Path(parent) / "stdout", Path(parent) / "stderr")
        seconds = time.monotonic() - start
        after = _files(Path(parent))
        stray = [p for p in after if after[p] != before.get(p) and p.split("/")[0] not in ("OUT", "stdout", "stderr")]
        stray += [p for p in before if p not in after]
        out, err = ((Path(parent) / n).read_text(errors="replace") for n in ("stdout", "stderr"))
        return Done(code, out, err, stray, seconds)


def _forked(arguments: list[str], folder: Path, out: Path, err: Path) -> int | None:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(arguments, folder, out, err)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _become(arguments: list[str], folder: Path, out: Path, err: Path) -> None:
    """In the fork: the command line, with its streams in files. Does not return."""
    code = 70
    try:
        os.chdir(folder)
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
        from couple.cli import main

        try:
            main(arguments)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0
        except BaseException:  # noqa: BLE001 - whatever a user would see
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


KEY = re.compile(r"[A-Za-z_][\w-]*(\[\d+\])?([.:][\w \"-]*(\[\d+\])?)*")


def verdict(done: Done, case: Case) -> str | None:
    """What is wrong with the way a case ended, or None."""
    if done.code is None:
        return f"hangs (more than {LIMIT:g} s)"
    if "Traceback" in done.err or "Traceback" in done.out:
        return "shows a traceback"
    if done.stray:
        return f"writes outside OUT: {done.stray}"
    if done.code == 0:
        return None
    if done.code not in (1, 2):
        return f"ends with exit code {done.code}"
    lines = [line for line in done.err.splitlines() if line and not line.startswith("warning: ")]
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return "does not say what is wrong in one line"
    if len(lines[0]) > 700:
        return "says what is wrong in too many words"
    if done.code == 2:
        file, _, rest = lines[0].removeprefix("error: ").partition(": ")
        if not re.search(r"\.(toml|py|hoc|swc|mod|h5|net|xml)$", file):
            return "does not name the file"
        if not (KEY.match(rest) or "line " in rest):
            return "does not name the key"
    return None


def campaign(cases: int, seed: int) -> Iterator[dict[str, Any]]:
    """Break every base in turn; `check` each case, and run those that pass."""
    found = bases()
    for number in range(cases):
        rng = random.Random(f"{seed}.{number}")
        case = broken(found[number % len(found)], rng)
        for command in (["check", "FILE"], ["run", "FILE", "--out", "OUT", "--until", case.base.until, "--no-figure"]):
            done = execute(case, command)
            wrong = verdict(done, case)
            yield {
                "case": number,
                "base": case.base.name,
                "what": case.what,
                "command": command[0],
                "code": done.code,
                "seconds": round(done.seconds, 2),
                "wrong": wrong,
                "says": done.err.strip()[-2000:],
            }
            if wrong or done.code != 0:
                break


def main() -> None:
    import adapters.neuron.importing
    import adapters.wellmixed.ode
    import adapters.wellmixed.ssa  # noqa: F401
    import couple.cli
    import couple.results
    import couple.run  # noqa: F401

    cases, seed = int(sys.argv[1]), int(sys.argv[2])
    for line in campaign(cases, seed):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
