"""Terminals of 60 columns: nothing is cut off, in help and in what commands print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from support.called_commands import commands, place, place_more
from support.command_line import couple

NARROW, WIDE = "60", "300"

READING = [
    "check box.toml",
    "check box.toml --all",
    "show drawn",
    "show many",
    "show half",
    "examples list",
    "explain site",
    "explain chemistry.species",
    "features many --from features.toml",
    "compare drawn many --no-figure",
    "model trained",
    "posterior posterior.h5",
    "population patterns.toml --no-figure",
    "reproduce",
    "import-msm chain.csv --lag '1 ms'",
    "run nothing.toml",
    "run box.toml --set site.box.engin=ode",
    "nonsense",
]
"""What says the same each time, but for numbers that are of the machine; mistakes too."""


def said(capsys: pytest.CaptureFixture[str], columns: str, *words: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", columns)
        patch.setenv("TERMINAL_WIDTH", columns)
        capsys.readouterr()
        couple(*words)
        printed = capsys.readouterr()
    return printed.out + printed.err


def bare(text: str) -> list[str]:
    """All letters, in no order (columns break side by side), without numbers and lines that frames draw."""
    return sorted(re.sub(r"[-+.\deE\s│─╭╮╰╯]", "", text))


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in commands():
        text = said(capsys, NARROW, *name.split(), "--help")
        names = [o for p in command.params for o in (*p.opts, *p.secondary_opts) if o.startswith("-")]
        assert not [one for one in names if one not in text], name
        assert max(map(len, text.splitlines())) <= int(NARROW) and "…" not in text, name


@pytest.mark.acceptance
def test_nothing_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place_more(place(tmp_path)))
    cut = [
        call
        for call in READING
        if bare(said(capsys, NARROW, *shlex.split(call))) != bare(said(capsys, WIDE, *shlex.split(call)))
    ]
    assert not cut
