"""Kinds of trainings are found by entry points, each by its files and models; importing one costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from couple.base.registry import register
from couple.base.toml import read_toml
from reducers.copy_numbers.command import CopyNumberTrainingKind
from reducers.dbd.command import DistributionTrainingKind
from reducers.fields.command import FieldTrainingKind
from reducers.gccd.command import CaMKIITrainingKind
from reducers.gccd.structure.command import StructureTrainingKind
from reducers.machines.command import MachineTrainingKind
from reducers.markov.command import MoleculeTrainingKind
from reducers.training.kinds import GROUP, kind_of_file, kind_of_model
from support.paths import ROOT

EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("reduce/decay.toml", DistributionTrainingKind),
        ("reduce/lotka_volterra_followed.toml", DistributionTrainingKind),
        ("reduce/field.toml", FieldTrainingKind),
        ("camkii/train.toml", CaMKIITrainingKind),
        ("sk/train.toml", MoleculeTrainingKind),
        ("kinase/train.toml", CopyNumberTrainingKind),
        ("array/train.toml", MachineTrainingKind),
        ("structure/molecule.toml", StructureTrainingKind),
    ],
)
def test_a_training_file_finds_its_kind(file: str, kind: type) -> None:
    assert type(kind_of_file(read_toml(EXAMPLES / file))) is kind


def test_a_model_file_finds_its_kind_and_what_is_none_goes_to_the_first(tmp_path: Path) -> None:
    assert type(kind_of_model(EXAMPLES / "camkii/camkii.h5")) is CaMKIITrainingKind
    assert type(kind_of_model(EXAMPLES / "sk/sk.h5")) is MoleculeTrainingKind
    assert type(kind_of_model(EXAMPLES / "kinase/kinase.h5")) is CopyNumberTrainingKind
    (tmp_path / "text.h5").write_text("none")
    assert type(kind_of_model(tmp_path / "text.h5")) is DistributionTrainingKind


class Foreign(DistributionTrainingKind):
    def trains(self, content: Mapping[str, Any]) -> bool:
        return "foreign" in content


def test_a_kind_that_another_package_registers_is_found() -> None:
    register(GROUP, "foreign", Foreign)
    assert type(kind_of_file({"foreign": {}})) is Foreign
    assert type(kind_of_file({"model": {"family": "chain"}})) is DistributionTrainingKind


def test_finding_a_kind_imports_no_training() -> None:
    code = (
        "import sys; from reducers.training.kinds import kind_of_file; kind_of_file({'driven': {}}); "
        "print([m for m in sys.modules if m.startswith('reducers.') and m.endswith(('.training', '.kernel'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip() == "['reducers.training']"
