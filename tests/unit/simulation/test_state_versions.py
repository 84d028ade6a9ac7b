"""A state that another version of the code has saved is refused by name, not misread."""

from pathlib import Path

import pytest

from adapters.wellmixed.ssa.engine import Gillespie
from couple.ensemble import folder, resume_sampling, sample
from couple.exchange.exchange import Exchange
from couple.experiment import Experiment
from couple.storage.records.recorder import Recorder
from support.command_line import couple
from support.ensembles import birth_death
from support.writing_commands import BOX


@pytest.mark.parametrize("kind", [Gillespie, Exchange, Recorder], ids=lambda kind: kind.__name__)
def test_a_state_of_another_version_is_refused(
    kind: type, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box.toml").write_text(BOX)
    out = tmp_path / "out"
    assert (
        couple("run", str(tmp_path / "box.toml"), "--quiet", "--no-figure", "--out", str(out), "--until", "1 ms") == 0
    )
    before = (out / "checkpoint.h5").read_bytes()
    monkeypatch.setattr(kind, "state_version", 2)
    assert couple("resume", str(out), "--quiet", "--no-figure") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and f"{kind.__name__} 1, now {kind.__name__} 2" in line and "run again" in line
    assert (out / "checkpoint.h5").read_bytes() == before
    monkeypatch.undo()
    assert couple("resume", str(out), "--quiet", "--no-figure") == 0


def test_parts_of_another_version_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment: Experiment = birth_death("5 ms")
    with sample(experiment, 4, 3, tmp_path / "straight", jobs=1) as ensemble:
        expected = ensemble["box.A"]
    monkeypatch.setattr("couple.ensemble.job.assemble", lambda *_: None)
    with pytest.raises(Exception, match="no such file"):
        sample(experiment, 4, 3, tmp_path / "out", jobs=1)
    monkeypatch.undo()
    monkeypatch.setattr(folder, "PART_VERSION", 2)
    seen: list[int] = []
    with resume_sampling(tmp_path / "out", jobs=1, progress=lambda done, _: seen.append(done)) as ensemble:
        assert seen[0] == 0 and ensemble["box.A"].tobytes() == expected.tobytes()
