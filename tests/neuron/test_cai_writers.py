"""Mechanisms that write calcium where couple does: refused, removed, overruled; and the compilation of our own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.neuron import channel_path, load_model
from adapters.neuron.hoc.h import h
from adapters.neuron.mechanisms import builtin, nmodl
from couple.base.errors import InputError
from couple.components.attachments import Attachments
from couple.components.model_spec import CaiWriters, Reversal
from support.neuron_models import DT, PASSIVE, attach, spec
from support.paths import SUPPORT

MOD = SUPPORT / "mod"

MODEL = """
from neuron import h
from adapters.neuron import insert_cav

def build(inserted=(), points=0, cav=1e-2):
    soma, head = (h.Section(name=name) for name in ("soma", "head"))
    head.connect(soma(1))
    soma.L, soma.diam = 10, 10
    head.L, head.diam, head.nseg = 3, 1, 3
    for section in (soma, head):
        section.insert("hh")
    insert_cav(head, cav)
    for name in inserted:
        head.insert(name)
    clamp = h.IClamp(soma(0.5))
    clamp.delay, clamp.dur, clamp.amp = 1, 2, 0.5
    return soma, head, clamp, [h.test_writer(head(0.5)) for _ in range(points)]
"""

HEAD = ("head(0.166667)", "head(0.5)", "head(0.833333)")


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    (tmp_path / "cell.py").write_text(PASSIVE)
    return tmp_path / "cell.py"


def writing(folder: Path, policy: CaiWriters, *inserted: str, segments: Sequence[str] = HEAD, **more: float) -> Any:
    """The model with these mechanisms in its head, and its stepping component, coupled at `segments`."""
    (folder / "cell.py").write_text(MODEL)
    arguments = {"inserted": list(inserted), **more}
    model = load_model(spec(folder / "cell.py", cai_writers=policy, arguments=arguments, mechanisms=(MOD,)))
    at = tuple(2e-4 for _ in segments)
    return model, model.attach(Attachments(tuple(segments), (), ("soma(0.5)", *HEAD), at))


def course(cell: Any, exchanges: int = 60) -> np.ndarray:
    """Voltages and charges while the chemistry changes cai at every exchange."""
    rows = []
    for i in range(exchanges):
        cell.write("cai", 2e-4 * (1 + 0.3 * np.sin(i + np.arange(len(cell.read("cai"))))))
        cell.advance(4)
        rows.append(np.concatenate([cell.read("v"), cell.read("charge")]))
    return np.array(rows)


def head() -> Any:
    return next(s for s in h.allsec() if s.name() == "head")


def test_a_writer_is_refused_by_name_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        writing(tmp_path, "refuse", "test_pool")
    assert str(caught.value) == (
        'neuron.cai_writers: mechanism "test_pool" in head writes cai, which couple owns in coupled segments: set '
        'neuron.cai_writers = "remove" to take it out, or "ignore" to overrule what it writes into cai'
    )
    with pytest.raises(InputError, match=r'"test_pump" in head .* with the ica that it carries'):
        writing(tmp_path, "refuse", "test_pump")
    for policy in ("refuse", "remove"):
        with pytest.raises(InputError, match=r'"test_writer" in head .*"ignore": point processes cannot be taken out'):
            writing(tmp_path, policy, points=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", ["remove", "ignore"])
def test_without_what_it_writes_a_writer_changes_nothing(tmp_path: Path, policy: CaiWriters, capfd: Any) -> None:
    """Removed or overruled, a mechanism that only writes cai leaves the run as it is without it, to the bit."""
    _, plain = writing(tmp_path, "refuse")
    expected = course(plain)
    assert expected[:, 0].max() > -20, "no spike: nothing is tested"
    model, cell = writing(tmp_path, policy, "test_pool")
    assert ("test_pool" in {m.name() for m in head()(0.5)}) == (policy == "ignore")
    assert np.array_equal(course(cell), expected)
    assert any("test_pool" in line for line in model.describe() if "taken out" in line or "is ignored" in line)
    assert capfd.readouterr().err == ""


def test_with_what_it_writes_it_would_change_the_run(tmp_path: Path) -> None:
    """The control: the same writer where nothing overrules it."""
    _, plain = writing(tmp_path, "refuse", segments=())
    expected = course(plain)
    _, cell = writing(tmp_path, "refuse", "test_pool", segments=())
    assert not np.array_equal(course(cell), expected)


def test_an_overruled_writer_is_seen_by_nobody(tmp_path: Path) -> None:
    """Readers see the chemistry's cai and its eca at every step, in the current and in the state; others as before."""
    _, cell = writing(tmp_path, "ignore", "test_probe", "test_pool", points=1, segments=HEAD[:2])
    nernst = 1e3 * 8.3144626181 * (273.15 + 34.0) / (2 * 96485.3321) * np.log(2.0 / 3e-4)
    for _ in range(5):
        cell.write("cai", 3e-4)
        cell.advance(1)
        for x in (1 / 6, 0.5):
            probe = head()(x).test_probe
            assert probe.seen == probe.solved == head()(x).cai == 3e-4
            assert probe.e == pytest.approx(nernst, rel=1e-6)
        assert head()(5 / 6).test_probe.solved > 0.4  # uncoupled: the pool's own


def test_what_an_overruled_pump_carries_still_counts(tmp_path: Path) -> None:
    """Its ica is that of the chemistry's cai, and leaves the site."""
    _, cell = writing(tmp_path, "ignore", "test_pump", cav=0)
    for cai in (2e-4, 7e-4):
        cell.write("cai", cai)
        cell.advance(4)
        outward = 0.01 * cai / (cai + 1e-3) * head()(0.5).area() * 1e-2 * 4 * DT  # nA ms = pC
        assert cell.read("charge") == pytest.approx(np.full(3, -1e3 * outward), rel=1e-12)


def test_a_state_holds_what_is_held(tmp_path: Path) -> None:
    _, cell = writing(tmp_path, "ignore", "test_pool")
    course(cell, 20)
    state, ports = cell.save(), cell.memory.copy()
    expected = course(cell, 20)
    cell.restore(state)
    cell.memory[:] = ports
    assert np.array_equal(course(cell, 20), expected)


def test_without_a_compiler_a_writer_cannot_be_overruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.neuron.coupling.cai_writers.channel_path", lambda: "KSChan")
    with pytest.raises(InputError, match=r'"test_pool" in head .*"ignore" needs a C\+\+ compiler'):
        writing(tmp_path, "ignore", "test_pool")


def test_rxd_calcium_is_refused(cell: Path) -> None:
    from neuron import rxd

    loaded = load_model(spec(cell))
    region = rxd.Region(list(h.allsec()), nrn_region="i")
    calcium = rxd.Species(region, name="ca", charge=2, initial=1e-4)
    with pytest.raises(InputError, match='"rxd" in head writes cai'):
        loaded.attach(Attachments(("head(0.5)",), (), ()))
    del calcium, region


@pytest.mark.acceptance
def test_our_own_mechanisms_are_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUPLE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = builtin.compiled_library()
    assert library is not None and library.parent.parent == tmp_path / "couple" / "mechanisms"
    assert sorted(p.name for p in library.parent.iterdir()) == ["SHA256SUMS", "libcouple.so"], "left by the build"
    stamp = library.stat().st_mtime_ns
    assert builtin.compiled_library() == library == builtin.cached_library()
    assert library.stat().st_mtime_ns == stamp


def test_a_failing_compiler_is_reported_and_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script = tmp_path / "nrnivmodl"
    script.write_text("#!/bin/sh\necho something is missing\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("COUPLE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(nmodl, "nrnivmodl", lambda: str(script))
    with caplog.at_level(logging.WARNING):
        assert builtin.compiled_library() is None
    assert "something is missing" in caplog.text


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmodl.shutil, "which", lambda name: None)
    assert builtin.compiled_library() is None


def test_the_path_is_known(cell: Path) -> None:
    assert attach(cell, calcium=(), cai=(), voltages=()).channel_path == channel_path()
    assert channel_path() in load_model(spec(cell)).describe()[0]


@pytest.mark.parametrize(("eca", "reversal"), [("keep", 140.0), ("nernst", None)])
def test_a_reversal_potential_of_the_models_own_is_known_and_kept(
    tmp_path: Path, eca: Reversal, reversal: float | None
) -> None:
    fixed = MODEL.replace(
        "    clamp =",
        '    head.push(); h("eca = 140"); h.ion_style("ca_ion", 0, 1, 0, 0, 0); h.pop_section()\n    clamp =',
    )
    (tmp_path / "cell.py").write_text(fixed)
    arguments = {"inserted": ["test_pool"]}
    model = load_model(
        spec(tmp_path / "cell.py", cai_writers="ignore", arguments=arguments, mechanisms=(MOD,), eca=eca)
    )
    assert model.held_reversal("head(0.5)", "ca") == 140
    assert model.held_reversal("soma(0.5)", "ca") is None and model.held_reversal("soma(0.5)", "k") is None
    cell = model.attach(Attachments(HEAD, (), ("soma(0.5)",), (2e-4,) * 3))
    course(cell, 5)
    assert head()(0.5).eca == reversal or (reversal is None and head()(0.5).eca < 130)
