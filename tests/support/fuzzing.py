"""Breaks experiments at random and runs them: `python -m support.fuzzing CASES SEED` prints one JSON line per case.

Every case runs in a fork of one process that has imported all heavy modules, in a copy of the experiment's folder,
with a time limit. What counts as a failure is said in `verdict`.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from support.command_line import exit_in_fork
from support.fuzzed_experiments import EXPERIMENT, Base, bases

LIMIT = 60
"""Seconds of its own work after which a case counts as hanging: others may have the processor."""

PATIENCE = 10 * LIMIT
"""Seconds after which one hangs that does nothing."""


class Case(NamedTuple):
    """A broken experiment: what was done to which key, or to which of the base's other files (`file`)."""

    base: Base
    what: str
    text: str | bytes
    file: str = EXPERIMENT


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
    *["cell.py", "cell.py:", ":build", "cell.hoc", "cell.hoc:Cell", "cell.hoc:Nothing", "cell.swc", "mod", "a" * 5000],
    *["*", "*.*", "[", "dend*", "apic*", "soma(0.5)", "spine_*.head", "spine_0.neck", "neuron.ina", "neuron.nai"],
    *["5 .. 2 um", "0 .. 1e9 um", "50 .. 200", "1 ..", "1e9 /um", "1e-9 um", "0.01 um^3/ms", "1e9 um^3/ms", "1e9 nA"],
    *["-300 celsius", "22 celsius", "0 K", "1e-4 S/cm^2", "-1 S/cm^2", "pas", "hh", "remove", "ignore", "even"],
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


def _number(text: str, rng: random.Random) -> tuple[str, bytes]:
    """One number of a text replaced."""
    found = list(re.finditer(r"-?\d+\.?\d*(e-?\d+)?", text))
    if not found:
        return _raw(text, rng)
    old, new = rng.choice(found), rng.choice(["0", "-1", "1e9", "1e-9", "1e400", "nan", "x", "", "7", "100000"])
    return f"{old[0]!r} = {new!r}", (text[: old.start()] + new + text[old.end() :]).encode()


def _word_changed(text: str, rng: random.Random) -> tuple[str, bytes]:
    """One word of a text misspelt."""
    old = rng.choice(list(re.finditer(r"[A-Za-z_]\w*", text)) or list(re.finditer(r".", text)))
    new = _misspelt(old[0], rng)
    return f"{old[0]!r} = {new!r}", (text[: old.start()] + new + text[old.end() :]).encode()


def _damaged(base: Base, rng: random.Random) -> Case:
    """One of the files beside the experiment, damaged."""
    file = rng.choice(sorted(base.files))
    what, data = rng.choice([_raw, _number, _word_changed])(base.files[file], rng)
    return Case(base, f"{file}: {what}", data, file)


def broken(base: Base, rng: random.Random) -> Case:
    """One random change of a working experiment, or of a file that belongs to it."""
    if base.files and rng.random() < 0.25:
        return _damaged(base, rng)
    if rng.random() < 0.12:
        what, data = _raw(base.text, rng)
        return Case(base, what, data)
    while True:
        document = tomllib.loads(base.text)
        first = rng.choice(list(document))  # else most changes would hit the long lists of the chemistry
        at = rng.choice([p for p in _leaves(document) if p[0] == first])
        done = rng.choice(CHANGES)(document, at, rng)
        if done is not None:
            return Case(base, f"{_key(at)} {done}", toml_text(document))


def toml_text(document: dict[str, Any]) -> str:
    """A document as TOML, a table to a line."""
    return "\n".join(f"{_word(k)} = {_toml(v)}" for k, v in document.items())


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


OURS = ("OUT", "stdout", "stderr", "cache")


class Done(NamedTuple):
    """code: exit code, None if it was stopped at the limit. stray: files that appeared outside OUT."""

    code: int | None
    out: str
    err: str
    stray: list[str]
    seconds: float


def _files(folder: Path) -> dict[str, int]:
    """When each was changed last, by path; what vanishes meanwhile is none."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            with suppress(FileNotFoundError):
                found[str(Path(place, name).relative_to(folder))] = os.lstat(f"{place}/{name}").st_mtime_ns
    return found


def execute(case: Case, command: list[str]) -> Done:
    """Run one command line of `couple` on a case, in a fork, in a folder of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as parent:
        folder, output = Path(parent) / "work", Path(parent) / "OUT"
        folder.mkdir()
        for name, text in {**case.base.files, EXPERIMENT: case.base.text, case.file: case.text}.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        before, start = _files(Path(parent)), time.monotonic()
        arguments = [a.replace("FILE", EXPERIMENT).replace("OUT", str(output)) for a in command]
        # MOD files that are broken compile into a cache that ends with the case
        cache = {"XDG_CACHE_HOME": str(Path(parent) / "cache")} if case.file.endswith(".mod") else {}
        code = _forked(arguments, folder, Path(parent) / "stdout", Path(parent) / "stderr", cache)
        seconds = time.monotonic() - start
        after = _files(Path(parent))
        stray = [p for p in after if after[p] != before.get(p) and p.split("/")[0] not in OURS]
        stray += [p for p in before if p not in after]
        out, err = ((Path(parent) / n).read_text(errors="replace") for n in ("stdout", "stderr"))
        return Done(code, out, err, stray, seconds)


def _forked(arguments: list[str], folder: Path, out: Path, err: Path, environment: dict[str, str]) -> int | None:
    """The exit code, None at the limit; compilers and workers that are left over end, too."""
    for path in (out, err):
        path.touch()  # a fork may die before it gets there
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.environ.update(environment)
        _become(arguments, folder, out, err)
    end, code = time.monotonic() + PATIENCE, None
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return None if code in (-signal.SIGXCPU, 128 + signal.SIGXCPU) else code


def _become(arguments: list[str], folder: Path, out: Path, err: Path) -> NoReturn:
    """In the fork: the command line, in a group of its own and with its streams in files."""

    def command_line() -> None:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        os.chdir(folder)
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), stream)
        from couple.cli.main import main

        main(arguments)

    exit_in_fork(command_line)


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
    if lines[0].startswith("error: --until: "):
        return None  # an option of every case, which a broken file may ask to be another
    if done.code == 2:
        file, _, rest = lines[0].removeprefix("error: ").partition(": ")
        if not re.search(r"\.(toml|py|hoc|swc|mod|h5|net|xml)$", file):
            return "does not name the file"
        if not (KEY.match(rest) or "line " in rest):
            return "does not name the key"
        if re.search(r"\b(\w+\[\d+\]).*\b\1", rest.partition(": ")[0]):
            return "names a key within itself"
    return None


def commands(number: int, case: Case) -> Iterator[list[str]]:
    """`check`, and what is done with a case that passes: mostly `run`, sometimes `sample`."""
    yield ["check", "FILE"]
    until = ["--out", "OUT", "--until", case.base.until]
    if number // len(bases()) % 4 == 3 and not case.file.endswith(".mod"):
        yield ["sample", "FILE", "--runs", "2", "--seed", "5", *until]
    else:
        yield ["run", "FILE", *until, "--no-figure"]


def campaign(cases: int, seed: int) -> Iterator[dict[str, Any]]:
    """Break every base in turn; `check` each case, and run those that pass."""
    found = bases()
    for number in range(cases):
        case = broken(found[number % len(found)], random.Random(f"{seed}.{number}"))
        for command in commands(number, case):
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


def prepare() -> None:
    """Have all modules, mechanisms and kernels in this process, so that forks start at once."""
    import couple.cli.main
    import couple.ensemble.sampling
    import couple.storage.records.results  # noqa: F401
    from adapters.neuron.mechanisms.builtin import channel_path
    from couple.experiment import Experiment
    from couple.simulation.simulation import Simulation

    channel_path()
    for base in bases():
        if not base.files:
            Simulation.in_memory(Experiment.parse(tomllib.loads(base.text))).step()


def main() -> None:
    prepare()
    for line in campaign(int(sys.argv[1]), int(sys.argv[2])):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
