"""What the README and the first pages of the documentation say can be typed."""

import re
from pathlib import Path

import pytest

from couple.cli.main import main
from support import doc_pages
from support.paths import EXAMPLES, ROOT


def blocks(page: str, language: str) -> list[str]:
    return [block.body for block in doc_pages.blocks(ROOT / page) if block.language == language]


def couple(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return stop.value.code or 0


def test_the_model_of_your_own_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cell.py").write_text((ROOT / "examples" / "spine" / "cell.py").read_text())
    (tmp_path / "mine.toml").write_text(blocks("docs/index.md", "toml")[0])
    assert couple("check", str(tmp_path / "mine.toml")) == 0
    printed = capsys.readouterr().out
    assert "neuron.ica -> head.Ca" in printed and "ions/fC" in printed
    out = tmp_path / "out"
    assert couple("run", str(tmp_path / "mine.toml"), "--out", str(out), "--set", "experiment.duration=5 ms") == 0
    assert {p.name for p in out.iterdir()} == {"results.h5", "summary.json", "figure.png"}
    assert couple("show", str(out)) == 0
    assert "largest imbalance" in capsys.readouterr().out
    assert couple("plot", str(out), "--out", str(tmp_path / "figure.pdf")) == 0
    assert (tmp_path / "figure.pdf").read_bytes()[:4] == b"%PDF"


def test_the_python_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = blocks("docs/howto/python.md", "python")[0]
    short = code.replace("experiment.duration=20 ms", "experiment.duration=5 ms")
    assert short != code
    (tmp_path / "spine").symlink_to(ROOT / "examples" / "spine")
    monkeypatch.chdir(tmp_path)
    exec(compile(short, "README", "exec"), {})


def test_ci_calls_the_test_command_of_the_readme() -> None:
    assert any("uv run pytest\n" in block for block in blocks("README.md", "sh"))
    assert "\nuv run pytest\n" in (ROOT / ".ci" / "run").read_text()


def test_the_hooks_run_what_ci_runs() -> None:
    hooks = re.findall(r"entry: (.*)\n", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("uv run ")]


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 90, "a screen and a half"
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    assert len(targets) > 20 and all((ROOT / target).is_file() for target in targets)


def test_every_example_is_named_in_the_documentation() -> None:
    text = (ROOT / "docs" / "examples.md").read_text()
    assert not [p.name for p in EXAMPLES.iterdir() if p.is_dir() and f"examples/{p.name}" not in text]
