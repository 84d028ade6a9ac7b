"""What an experiment changes in a model: files around it, mechanisms taken out, values set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.neuron import load_model
from adapters.neuron.hoc.h import h
from couple.base.errors import InputError
from couple.cli.main import main
from support.neuron_models import spec

CELL = """
load_file("stdrun.hoc")
create soma, dend[2], axon
soma { L = 20  diam = 20  insert hh }
for i = 0, 1 { connect dend[i](0), soma(1) }
connect axon(0), soma(0)
forall { L = 100 * factor  diam = 2  insert pas }
for i = 0, 1 dend[i] { nseg = 3  insert hh }
objref clamp
soma clamp = new IClamp(0.5)
gain = 2
"""

RUN = """
[experiment]
name = "changed"
duration = "1 ms"
exchange = "0.1 ms"
[neuron]
model = "cell.hoc"
dt = "0.025 ms"
[chemistry]
species.Ca = { contains = { Ca = 1 } }
initial.Ca = "0.1 uM"
[[site]]
name = "one"
segment = "soma(0.5)"
engine = "ode"
geometry.cylinder = { diameter = "0.4 um", length = "1 um" }
[[link]]
from = "neuron.ica"
to = "one.Ca"
[neuron.set]
"""


def loaded(folder: Path, **more: Any) -> Any:
    (folder / "cell.hoc").write_text(CELL)
    (folder / "first.hoc").write_text("factor = 2\n")
    (folder / "last.hoc").write_text("soma.L = 33\nproc init() { finitialize(-50) }\n")
    return load_model(spec(folder / "cell.hoc", function="", before=(folder / "first.hoc",), **more))


def section(name: str) -> Any:
    return next(s for s in h.allsec() if s.name() == name)


def test_files_run_before_and_after_and_then_values_are_set(tmp_path: Path) -> None:
    values = {
        "soma.gnabar_hh": "0.2 S/cm^2",
        "dend.gkbar_hh": 0,
        "dend*.diam": "3 um",
        "axon.Ra": 50,
        "all.cm": 2.0,
        "basal.ek": -90,
        "gain": 7,
        "clamp.amp": 0.25,
        "axon.nseg": 5,
    }
    for _ in range(2):  # built again in the same process
        model = loaded(tmp_path, after=(tmp_path / "last.hoc",), uninsert=("axon.pas", "dend*.pas"), values=values)
        soma, dend, axon = section("soma"), section("dend[1]"), section("axon")
        assert (soma.L, dend.L) == (33, 200) and soma(0.5).gnabar_hh == 0.2
        assert [s.gkbar_hh for s in dend] == [0, 0, 0] and [s.diam for s in dend] == [3, 3, 3]
        assert axon.Ra == 50 and axon.nseg == 5 and axon(0.5).cm == dend(0.1).cm == 2
        assert dend(0.5).ek == -90 and soma(0.5).ek == -77
        assert h.gain == 7 and h.clamp.amp == 0.25
        assert soma.has_membrane("pas") and not axon.has_membrane("pas") and not dend.has_membrane("pas")
    lines = "\n".join(model.describe())
    assert "changed by the experiment: gnabar_hh of soma = 0.2 (was 0.12)" in lines
    assert "pas taken out of dend[0] and 1 more sections" in lines and "starts by init()" in lines


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"values": {"sma.L": 3}}, 'neuron.set."sma.L"', 'called "sma"; did you mean "soma"'),
        ({"values": {"soma.gbar_x": 3}}, 'neuron.set."soma.gbar_x"', "no variable"),
        ({"values": {"lost": 3}}, 'neuron.set."lost"', "is no number of the model"),
        ({"values": {"clamp.lost": 3}}, 'neuron.set."clamp.lost"', "is no number of the model"),
        ({"values": {"soma.L": "3 mV"}}, 'neuron.set."soma.L"', "is not in a unit of um"),
        ({"values": {"soma.L": float("nan")}}, 'neuron.set."soma.L"', "is no number"),
        ({"values": {"soma.diam": -1}}, 'neuron.set."soma.diam"', "positive"),
        ({"values": {"soma.nseg": 2.5}}, 'neuron.set."soma.nseg"', "2.5 is not a whole number above 0"),
        ({"uninsert": ("hva",)}, "neuron.uninsert[0]", '"hva" is in no section of "all"'),
        ({"uninsert": ("axon.hh",)}, "neuron.uninsert[0]", '"hh" is in no section of "axon"'),
        ({"after": (Path("cell.py"),)}, "neuron.after[0]", "is no file of HOC"),
        ({"after": (Path("lost.hoc"),)}, "neuron.after[0]", "there is no model file"),
    ],
)
def test_what_cannot_be_changed_is_named(tmp_path: Path, change: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, **change)
    assert caught.value.where == key and says in str(caught.value)


@pytest.mark.parametrize("sections", [2, 20])
def test_check_shows_each_change(tmp_path: Path, capsys: pytest.CaptureFixture[str], sections: int) -> None:
    """Up to a dozen, then their number."""
    create = f"create soma, dend[{sections}]\nsoma {{ L = 20  diam = 20  insert pas }}\n"
    (tmp_path / "cell.hoc").write_text(create + f"for i = 0, {sections - 1} {{ connect dend[i](0), soma(1) }}\n")
    values = "\n".join(f'"dend[{i}].diam" = {i + 1}' for i in range(sections))
    (tmp_path / "run.toml").write_text(RUN + values)
    with pytest.raises(SystemExit) as end:
        main(["check", str(tmp_path / "run.toml")])
    shown = capsys.readouterr().out
    assert not end.value.code
    assert [f"diam of dend[{i}] = {i + 1} (was 500)" in shown for i in range(sections)] == [
        i < 12 for i in range(sections)
    ]
    assert ("and 8 more (--all)" in shown) == (sections == 20)
