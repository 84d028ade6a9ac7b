"""The list of files that an experiment reads: complete by its types, and compared by whatever goes on."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pytest
from pydantic import BaseModel

from couple.base import registry
from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile, named_files
from couple.base.schema import Block
from couple.ensemble import resume_sampling, sample
from couple.experiment import Experiment
from couple.experiment.understood.input_files import from_json, input_file, refuse_others
from couple.simulation.simulation import Simulation
from couple.storage.records.results import Results
from couple.wiring import wire
from couple.wiring.system.input_files import named_input_files
from support import input_kinds, schema_fuzzing
from support.schema_walk import training_classes

LIKE_A_FILE = re.compile(r"^(files?|path|folder|models?|mask|mesh|replay|rule|experiment|particles|mechanisms|image)$")

NAMES_OF_OTHERS = {"LinkBlock.mechanisms"}
"""Fields called like files that hold names of what is in the model."""


def all_tables() -> list[type[BaseModel]]:
    """Every table of the input: of experiments, engines, chemistries, trainings, and what is in them."""
    meshes = importlib.import_module("adapters.fem.field_basis.meshes")
    queue: list[Any] = [Experiment, meshes.MeshBlock, *training_classes()]
    queue += [registry.load("couple.engines", name).Options for name in registry.names("couple.engines")]
    queue += [registry.load("couple.chemistries", name) for name in registry.names("couple.chemistries")]
    found: dict[type[BaseModel], None] = {}
    while queue:
        one = queue.pop()
        if isinstance(one, type) and not get_args(one) and issubclass(one, BaseModel):
            if one not in found:
                found[one] = None
                queue += [field.annotation for field in one.model_fields.values()]
        else:
            queue += get_args(one)
    return list(found)


def undeclared(table: type[BaseModel]) -> Iterator[str]:
    """Fields that can hold text or a path, whose name is that of a file, and that do not say that they are one."""
    for name, field in table.model_fields.items():
        leaves = list(_leaves(field.annotation))
        marked = any(isinstance(m, ReadsFile) for m in (*field.metadata, *leaves))
        if not marked and (Path in leaves or (LIKE_A_FILE.match(name) and str in leaves)):
            yield f"{table.__name__}.{name}"


def _leaves(annotation: Any) -> Iterator[Any]:
    yield annotation
    yield from getattr(annotation, "__metadata__", ())
    for inner in get_args(annotation):
        yield from _leaves(inner)


def test_every_field_of_a_file_says_so() -> None:
    tables = all_tables()
    found = {key for table in tables for key in undeclared(table)}
    assert len(tables) > 45 and found == NAMES_OF_OTHERS

    class Forgotten(Block):
        mask: str | None = None
        table: dict[str, Path] = {}

    assert len([*undeclared(Forgotten)]) == 2, "control: one that does not is found"


def test_files_are_found_wherever_a_type_may_hold_them() -> None:
    class Inner(Block):
        file: Annotated[str, ReadsFile("a")] = "a.npy"

    class Outer(Block):
        one: Annotated[str, ReadsFile("b", behind="[a-z]+")] = "b.py:build"
        many: str | tuple[Annotated[str, ReadsFile("c")], ...] = ("c", "d")
        named: dict[str, Annotated[str, ReadsFile("e")] | None] = {"x": "e", "y": None}
        inner: tuple[Inner, ...] | None = (Inner(),)
        elsewhere: Annotated[dict[str, Any], ReadsFile("f", key="file")] = {"file": "f.msh", "unit": "um"}

    assert [(f.key, f.path, f.role) for f in named_files(Outer(), "t")] == [
        ("t.one", "b.py", "b"),
        ("t.many[0]", "c", "c"),
        ("t.many[1]", "d", "c"),
        ("t.named.x", "e", "e"),
        ("t.inner[0].file", "a.npy", "a"),
        ("t.elsewhere.file", "f.msh", "f"),
    ]


def flipped(path: Path) -> bytes:
    """Change one byte of a file, of a TOML file a digit of what it says; returns what was there."""
    before = path.read_bytes()
    at = max(before.rfind(digit) for digit in (b"0", b"1", b"2", b"5")) if path.suffix == ".toml" else len(before) - 1
    changed = b"3" if path.suffix == ".toml" else bytes([before[at] ^ 1])
    path.write_bytes(before[:at] + changed + before[at + 1 :])
    return before


@pytest.mark.parametrize("kind", ["sites", "cells"])
def test_a_byte_of_any_file_is_noticed(kind: str, tmp_path: Path) -> None:
    path = getattr(input_kinds, kind)(tmp_path)
    files = input_kinds.SITE_FILES if kind == "sites" else input_kinds.MODEL_FILES
    simulation = Simulation.new(Experiment.load(path), tmp_path / "out")
    simulation.run(until=1)
    assert {str(f.path.relative_to(tmp_path)): f.role for f in simulation.system.inputs} == files
    assert {f.path.suffix for f in simulation.system.inputs if f.code} <= {".py", ".hoc", ".ses"}
    with Results(tmp_path / "out") as results:
        assert from_json(str(results.file.attrs["inputs"])) == simulation.system.inputs
    for name in files:
        before = flipped(tmp_path / name)
        shown = "belongs to another experiment" if files[name] == "experiment" else re.escape(Path(name).name)
        with pytest.raises(InputError, match=shown) as caught:
            Simulation.resumed(tmp_path / "out")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
        (tmp_path / name).unlink()
        with pytest.raises(InputError, match=rf"{re.escape(Path(name).name)}.* is gone since this checkpoint"):
            Simulation.resumed(tmp_path / "out")
        (tmp_path / name).write_bytes(before)
    for name in ("sites.toml", "chemistry.toml"):
        if name in files:
            (tmp_path / name).write_text((tmp_path / name).read_text() + "\n# a comment changes nothing\n")
    (tmp_path / "stranger.npy").write_bytes(b"")
    assert Simulation.resumed(tmp_path / "out").run()["status"] == "complete", "control: nothing has changed"


def test_computed_names_of_hoc_take_what_could_be_meant(tmp_path: Path) -> None:
    """`xopen(path)`: all files of models beside it belong to it; without, only those that are named."""
    one, other = tmp_path / "cell_one.hoc", tmp_path / "cell_other.hoc"
    one.write_text("create soma\n")
    other.write_text("create other\n")
    (tmp_path / "notes.md").write_text("")
    spoken = "from neuron import h\ndef build():\n    h('''" + input_kinds.HOC_MAIN + "''')\n    return [*h.allsec()]\n"
    for name, text, expected in (
        ("main.hoc", input_kinds.HOC_MAIN, 3),
        ("main.hoc", 'xopen("cell_one.hoc")\n', 2),
        ("main.py", spoken, 3 + 1),  # and main.hoc, which could be meant as well
    ):
        (tmp_path / name).write_text(text)
        content = {
            "experiment": {"name": "x", "duration": "1 ms", "exchange": "0.1 ms"},
            "neuron": {"model": name if name.endswith("hoc") else f"{name}:build", "dt": "0.025 ms"},
            "chemistry": {"species": {"Ca": {"contains": {"Ca": 1}}}},
            "site": [{"name": "s", "segment": "soma(0.5)", "engine": "ode"}],
        }
        system = wire(Experiment.parse(content, path=tmp_path / "x.toml"))
        assert len(system.inputs) == expected, system.inputs


def test_an_ensemble_goes_on_with_the_same_files_only(tmp_path: Path) -> None:
    path = input_kinds.sites(tmp_path)
    experiment = Experiment.load(path, ["experiment.duration=0.2 ms", "record.every=0.1 ms"])
    with sample(experiment, 2, folder=tmp_path / "out", jobs=1) as made:
        assert {str(f.path.relative_to(tmp_path)) for f in from_json(str(made.file.attrs["inputs"]))} == {
            *input_kinds.SITE_FILES
        }
    for name in ("learned/sk.h5", "limit.csv", "parts/channels.toml"):
        before = flipped(tmp_path / name)
        for go_on in (
            lambda: resume_sampling(tmp_path / "out"),
            lambda: sample(experiment, 3, folder=tmp_path / "out", jobs=1),
        ):
            with pytest.raises(InputError, match=rf"{Path(name).name}.* changed since runs of this ensemble were made"):
                go_on().close()
        (tmp_path / name).write_bytes(before)
    with sample(experiment, 3, folder=tmp_path / "out", jobs=1) as made:
        assert np.array_equal(made.runs, [0, 1, 2])


@pytest.mark.acceptance
def test_a_design_may_read_other_files_at_each_point(tmp_path: Path) -> None:
    """A number decides which file a model reads: the list has those of all points, and none of them may change."""
    source = "from neuron import h\ndef build(n):\n    head = h.Section(name='head')\n"
    source += "    head.L, head.diam = float(open(f'table_{n:.0f}.txt').read()), 1\n    return head\n"
    (tmp_path / "cell.py").write_text(source)
    for n in (1, 2):
        (tmp_path / f"table_{n}.txt").write_text(f"{n}.5")
    text = input_kinds.RUN.format(name="points") + '[neuron]\nmodel = "cell.py:build"\ndt = "0.025 ms"\n'
    text += '[chemistry]\nspecies.Ca = { contains = { Ca = 1 } }\ninitial.Ca = "1 uM"\n'
    text += '[[site]]\nname = "head"\nsegment = "head(0.5)"\nengine = "ode"\n'
    (tmp_path / "points.toml").write_text(text.replace("[chemistry]", "arguments = { n = 1 }\n[chemistry]"))
    experiment, vary = Experiment.load(tmp_path / "points.toml"), {"neuron.arguments.n": "1 2"}
    for _ in range(2):
        with sample(experiment, 1, folder=tmp_path / "out", jobs=1, vary=vary) as made:
            read = {f.path.name for f in from_json(str(made.file.attrs["inputs"]))}
            assert read == {"points.toml", "cell.py", "table_1.txt", "table_2.txt"} and len(made.runs) == 2
    (tmp_path / "table_2.txt").write_text("3.5")
    with pytest.raises(InputError, match=r"table_2\.txt of the model changed since runs of this ensemble were made"):
        sample(experiment, 1, folder=tmp_path / "out", jobs=1, vary=vary)


def test_what_is_stored_keeps_its_layers(tmp_path: Path) -> None:
    """What a checkpoint or another process holds can be given another chemistry, as the experiment could be."""
    experiment = Experiment.load(input_kinds.sites(tmp_path), ["experiment.seed=4"])
    (tmp_path / "other.toml").write_text(input_kinds.CHEMISTRY.replace("count = 20", "count = 40"))
    stored = Experiment.from_stored(json.loads(json.dumps(experiment.stored())))
    assert stored.source == experiment.source and stored.read_from.keys() == experiment.read_from.keys()
    other = stored.changed("chemistry.file=other.toml")
    assert other.source == experiment.changed("chemistry.file=other.toml").source
    assert (other.experiment.seed, other.chemistry.initial["SK_C1"].count) == (4, 40)


def test_paths_start_at_the_file_as_given(tmp_path: Path) -> None:
    """A link to an experiment reads what lies beside the link, when it starts and when it goes on."""
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").mkdir()
    path = input_kinds.sites(tmp_path / "real")
    for name in input_kinds.SITE_FILES:
        (tmp_path / "linked" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(tmp_path / "real" / name)
    (tmp_path / "linked" / "cells.npy").unlink()
    np.save(tmp_path / "linked" / "cells.npy", np.ones((3, 3, 3), dtype=bool))
    Simulation.new(Experiment.load(tmp_path / "linked" / path.name), tmp_path / "out").run(until=1)
    again = Simulation.resumed(tmp_path / "out")
    (mask,) = (f for f in again.system.inputs if f.given == "cells.npy")
    assert mask.path == tmp_path / "linked" / "cells.npy"
    assert again.run()["status"] == "complete"


def test_another_file_that_is_read_is_noticed(tmp_path: Path) -> None:
    """A MOD file more in its folder, or one less."""
    for name in ("a.mod", "b.mod"):
        (tmp_path / name).write_text(name)
    a, b = (
        input_file("neuron.mechanisms", "mod", tmp_path / name, "mechanism").hashed() for name in ("a.mod", "b.mod")
    )
    refuse_others([a], [a], "since then", "do it", "here")
    for then, now, said in (
        ([a], [a, b], r"here: b\.mod of the model is read now and was not since then \(neuron\.mechanisms: .*do it"),
        ([a, b], [b], r"a\.mod of the model is read no more since then"),
    ):
        with pytest.raises(InputError, match=said):
            refuse_others(then, now, "since then", "do it", "here")


WITH_FILES: dict[str, dict[str, Any]] = {
    "pde": {"mesh": "head.msh"},
    "knp": {"mesh": "head.msh"},
    "spde": {"mesh": "head.msh"},
    "lattice": {"spacing": "10 nm", "mask": "m.npy"},
    "gridded": {"spacing": "50 nm", "mask": "m.npy"},
    "surrogate": {"models": ["sk.h5"]},
    "adaptive": {"engines": ["ode", "ssa"], "rule": "r.py:f"},
}
"""Engine → options that name a file."""


@pytest.mark.parametrize("engine", WITH_FILES)
def test_options_of_an_engine_are_in_the_list_if_it_is_used(engine: str, tmp_path: Path) -> None:
    document = schema_fuzzing.small(engine)
    document["site"][0][engine] = WITH_FILES[engine]
    used = named_input_files(Experiment.parse(document, path=tmp_path / "x.toml"))
    document["site"][0]["engine"] = "ode"
    assert not named_input_files(Experiment.parse(document, path=tmp_path / "x.toml"))
    (file,) = used
    assert file.key.startswith(f"site[0].{engine}.") and file.path.parent == tmp_path and not file.sha256


def test_every_engine_with_files_is_tried() -> None:
    marked = {
        name
        for name in registry.names("couple.engines")
        for field in registry.load("couple.engines", name).Options.model_fields.values()
        if any(isinstance(m, ReadsFile) for m in (*field.metadata, *_leaves(field.annotation)))
    }
    assert marked == WITH_FILES.keys()
