"""The tutorial does what it says: its steps are taken, one after another, in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from support.paths import ROOT

TEXT = (ROOT / "examples" / "tutorial" / "README.md").read_text()
STEP = re.compile(r"(?P<before>[^`]*(?:`[^`]+`[^`]*)*)```(?P<kind>\w+)\n(?P<body>.*?)```\n", re.S)
INSERT = re.compile(r"[Aa]fter the line\s+`([^`]+)`\s+of\s+`([^`]+)`\s+add:\s*$")
WRITE = re.compile(r"[Ww]rite\s+`([^`]+)`:\s*$")


def copy(folder: Path) -> None:
    """What a clone holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def install(folder: Path) -> None:
    """The entry points of the copy's pyproject.toml, as `uv run` would write them before it runs anything."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "couple-0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: couple\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    lines = [line for group, names in groups for line in (f"[{group}]", *(f"{k} = {v}" for k, v in names.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def command(line: str) -> list[str]:
    words = shlex.split(line)
    tools = {"couple": ["-m", "couple"], "pytest": ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]}
    if words[:2] == ["uv", "run"]:
        return [sys.executable, *tools[words[2]], *words[3:]]
    return words


def run(words: list[str], folder: Path) -> str:
    install(folder)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def take(step: re.Match[str], folder: Path) -> str:
    """Do one step; what it prints."""
    before, kind, body = step["before"], step["kind"], step["body"]
    if insert := INSERT.search(before):
        line, path = insert[1], folder / insert[2]
        assert path.read_text().count(f"{line}\n") == 1, f"{insert[2]} does not hold one line {line}"
        path.write_text(path.read_text().replace(f"{line}\n", f"{line}\n{body}"))
    elif write := WRITE.search(before):
        assert len(body.splitlines()) <= 60
        (folder / write[1]).write_text(body)
    elif kind == "python":
        return run([sys.executable, "-c", body], folder)
    else:
        assert kind == "sh", f"nobody says what to do with\n{body}"
        return "".join(run(command(line), folder) for line in body.splitlines())
    return ""


def test_the_tutorial(tmp_path: Path) -> None:
    copy(tmp_path)
    steps = list(STEP.finditer(TEXT))
    assert TEXT.count("```") == 2 * len(steps)
    printed = "\n".join(take(step, tmp_path) for step in steps)
    assert "Ca + Dye -> CaDye" in printed
    bright = re.search(r"bound dye: (\d+) molecules at rest, (\d+) at the peak", printed)
    assert bright and 0 < int(bright[1]) < int(bright[2])
    assert re.search(r"\b\d\d passed", printed)
    assert (tmp_path / "results" / "rk4" / "results.h5").is_file()
