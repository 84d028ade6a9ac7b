"""The files that a training reads: its own, those that it names, and those of the experiments that it samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from couple.base.paths.file_fields import named_files
from couple.experiment import Experiment
from couple.experiment.understood.input_files import InputFile, input_file, unique
from couple.wiring.system.input_files import named_input_files
from reducers.training.files import LearningFile


def training_inputs(file: LearningFile, source: Path) -> tuple[InputFile, ...]:
    """All of them, hashed. source: the training file. Raises InputError for an experiment that cannot be read.

    What models of the experiments read by themselves is in the lists of the ensembles that are sampled.
    """
    return tuple(one.hashed() for one in unique(_files(file, source)))


def _files(file: LearningFile, source: Path) -> Iterator[InputFile]:
    yield input_file("", "", source, "training")
    for named in named_files(file):
        path = source.parent / named.path
        yield input_file(named.key, named.given, path, named.role)
        if named.role == "experiment":
            for inner in named_input_files(Experiment.load(path)):
                yield replace(inner, key=f"{named.key}: {inner.key}")
