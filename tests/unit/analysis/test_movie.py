"""`couple plot --movie`: frames differ where the run does, and what cannot be a movie is said."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from couple.analysis.plot import movie
from couple.analysis.plot.movie import movie as draw
from couple.base.errors import InputError
from couple.ensemble import Ensemble, sample
from couple.experiment import Experiment
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from support.command_line import couple
from support.ensembles import birth_death
from support.paths import EXAMPLES


def frames(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        return [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(image)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small and short ones."""
    monkeypatch.setattr(movie, "FRAMES", 4)
    monkeypatch.setattr(movie, "PIXELS", 50)


@pytest.mark.usefixtures("few")
def test_a_moment_moves_through_the_traces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four frames that differ from each other, the first and the last most; drawn again over its own file."""
    out = tmp_path / "run"
    Simulation.new(birth_death("10 ms"), out).run()
    for _ in range(2):
        assert couple("plot", str(out), "--movie") == 0
        assert capsys.readouterr().out.strip() == str(out / "movie.gif")
    seen = frames(out / "movie.gif")
    assert len(seen) == 4
    assert all((a != b).any() for a, b in itertools.pairwise(seen))


@pytest.mark.usefixtures("few")
def test_the_shape_takes_its_colours_from_v(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spine whose V is a ramp: the upper part of the picture differs between frames, but not where V stays."""
    spine = Experiment.load(
        EXAMPLES / "spine" / "spine.toml",
        ["site.head.engine=ode", "experiment.duration=2 ms", 'record.voltages=["*"]'],
    )
    simulation = Simulation.new(spine, tmp_path / "run")
    simulation.run()
    moved = []
    with Results(tmp_path / "run") as results:
        for rise in (85.0, 0.0):
            course = -65.0 + rise * np.linspace(0, 1, len(results.time))
            given = dict.fromkeys(results.voltages(), course)
            with monkeypatch.context() as patch:
                patch.setattr(Results, "voltages", lambda _, given=given: given)
                seen = frames(draw(results, tmp_path / "x.gif", "Ca"))
            part = [frame[len(frame) // 9 : len(frame) // 2] for frame in seen]
            moved.append(max(int(np.abs(one - part[0]).max()) for one in part))
    assert moved[0] > 150 > moved[1], "of 255; palettes of frames differ a little"


@pytest.mark.usefixtures("few")
def test_particles_of_a_lattice_are_drawn(tmp_path: Path) -> None:
    town = Experiment.load(EXAMPLES / "sir" / "town.toml", ["experiment.duration=6 steps"])
    simulation = Simulation.in_memory(town)
    simulation.run()
    with simulation.results as results:
        seen = frames(draw(results, tmp_path / "town.gif"))
    upper = [frame[: len(frame) // 2] for frame in seen]
    blue = [int(((f[..., 2] > 140) & (f[..., 0] < 60)).sum()) for f in upper]
    assert len(seen) == 4 and min(blue) > 50, "the susceptible, in the first colour"


FFMPEG = """#!/bin/sh
for last; do :; done
echo "$@" > "$last.words"
test "${FAILS:-no}" = no || { echo "no such codec" >&2; exit 1; }
{ echo "couple figure 1"; wc -c; } > "$last"
cp "$last.words" "$WORDS"
"""


@pytest.mark.usefixtures("few")
def test_ffmpeg_gets_all_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for ffmpeg counts the bytes: four frames of the size that it is told; what it complains of is said."""
    Simulation.new(birth_death("4 ms"), tmp_path / "run").run()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ffmpeg").write_text(FFMPEG)
    (tmp_path / "bin" / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("WORDS", str(tmp_path / "words"))
    assert couple("plot", str(tmp_path / "run"), "--movie", "--format", "mp4") == 0
    words = (tmp_path / "words").read_text().split()
    wide, high = map(int, words[words.index("-s") + 1].split("x"))
    assert int((tmp_path / "run" / "movie.mp4").read_text().split()[-1]) == 4 * 3 * wide * high
    assert wide % 2 == high % 2 == 0 and "comment=couple figure 1" in (tmp_path / "words").read_text()
    monkeypatch.setenv("FAILS", "yes")
    assert couple("plot", str(tmp_path / "run"), "--movie", "--format", "mp4") == 1
    assert "ffmpeg made no movie: no such codec; give a .gif" in capsys.readouterr().err


def test_what_is_no_movie_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Simulation.new(birth_death("2 ms"), tmp_path / "run").run()
    sample(birth_death("2 ms"), 2, 1, tmp_path / "many", jobs=1).close()
    monkeypatch.setenv("PATH", str(tmp_path))
    for more, message in (
        (("--kind", "ledger"), "--kind: is of still pictures"),
        (("--by", "site"), "--by: is of still pictures"),
        (("--format", "mp4"), "ffmpeg, which is not installed: install it, or give a .gif"),
        (("--out", str(tmp_path / "x.png")), '".png" is no format of a movie; give one of gif, mp4'),
        (("--of", "Q"), "Q"),
    ):
        assert couple("plot", str(tmp_path / "run"), "--movie", *more) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "mine.gif").write_bytes(b"GIF89a of somebody else")
    with Results(tmp_path / "run") as results, pytest.raises(InputError, match="was not drawn by couple"):
        draw(results, tmp_path / "mine.gif")
    with Ensemble(tmp_path / "many") as ensemble, pytest.raises(InputError, match="a movie shows one run"):
        draw(ensemble, tmp_path / "x.gif")
