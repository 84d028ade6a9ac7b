"""`couple train` and `couple model` for CaMKII: what they call when a training file or model is of this kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py

from couple import checkpoint
from couple.terminal import out
from couple.toml import read_toml
from reducers.driven.file import FORMAT, read_block
from reducers.driven.mrf import MarkovFieldBlock
from reducers.gccd.report import ablation_lines, check_lines, figure, report_lines
from reducers.gccd.training import CHECKPOINT, MODEL, GccdTraining, Progress


def is_gccd(path: Path) -> bool:
    """Whether a training file has protocols of stimuli, or a checkpoint was written by such a training."""
    if path.is_dir() or path.suffix == ".h5":
        return "gccd" in checkpoint.read(path / CHECKPOINT if path.is_dir() else path)
    return "protocol" in read_toml(path)


def begin(
    file: Path | None,
    folder: Path | None,
    overrides: Iterable[str],
    resume: Path | None,
    force: bool,
    tell: Callable[[str], None],
) -> GccdTraining:
    """The training that the command was given."""
    if resume is not None:
        return GccdTraining.resumed(resume, tell=tell)
    assert file is not None
    return GccdTraining.new(file, folder, overrides, force=force, tell=tell)


def finish(
    training: GccdTraining, progress: Progress | None, *, quiet: bool, as_json: bool, draw: bool
) -> dict[str, Any]:
    """Run it to the end, draw, and say how good it is."""
    summary = training.run(progress)
    if draw:
        block = read_block(training.folder / MODEL)
        assert isinstance(block, MarkovFieldBlock)
        figure(block, training.folder / "model.png")
    if as_json:
        out.print_json(json.dumps(summary))
    elif not quiet:
        out.print(f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s of CPU time", markup=False)
        out.print(f"on {', '.join(summary['on'])}, which it was not learned from:", markup=False)
        for line in [*ablation_lines(summary), *check_lines(summary)]:
            out.print(line, markup=False, soft_wrap=True)
        out.print(f"model in {training.folder / MODEL}", markup=False)
    return summary


def is_driven(path: Path) -> bool:
    """Whether a file is the model of a block."""
    try:
        with h5py.File(path) as file:
            return str(file.attrs.get("format", "")) == FORMAT and str(file.attrs.get("kind", "")) == "mrf"
    except OSError:
        return False


def describe(path: Path, output: Path | None, *, as_json: bool) -> None:
    """Say and draw what a model is."""
    block = read_block(path)
    assert isinstance(block, MarkovFieldBlock)
    lines = report_lines(block)
    picture = figure(block, output or path.with_suffix(".png"))
    if as_json:
        out.print_json(json.dumps([list(line) for line in lines]))
        return
    width = max(len(what) for what, _ in lines)
    for what, value in lines:
        out.print(f"{what:<{width}}  {value}", markup=False, soft_wrap=True)
    out.print(str(picture), markup=False)
