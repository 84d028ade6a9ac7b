"""The ensembles of a training: made once, kept by what decides them, read again when it goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from couple.base.errors import InputError
from couple.experiment import Experiment
from couple.parallel.communicator import as_single_process
from couple.storage.folder.contents import refuse_link
from couple.wiring import wire
from couple.wiring.system.input_files import named_input_files
from reducers.gccd.data.protocol_data import (
    ProtocolData,
    build_experiment,
    load_network,
    read_data,
    sample_protocol,
    stimuli_of,
    volume_of,
    write_data,
)
from reducers.gccd.data.settings import GccdFile, StimulusSet, Validation
from reducers.gccd.evaluation.mean_field import held_out_means, mean_field_error
from reducers.gccd.evaluation.validation import whole_ions
from reducers.gccd.law.molecule import names_in
from reducers.markov.chemistry import signature
from reducers.training.resumable import Tell

HELD, FINER = 10_000, 20_000
"""Added to the seed of the training, so that no two ensembles have the same runs."""


class TrainingEnsembles:
    """Ensembles of the training `file`, whose tables are `content` and whose path is `source`, in `folder`.

    Raises InputError if an experiment has no calmodulin and CaMKII, or other ones than that of the training.
    """

    def __init__(self, file: GccdFile, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        self._file, self._content, self._source, self._folder, self._tell = file, content, source, folder, tell
        self._site = source.parent / file.experiment
        self._check_chemistry()
        self._check_blocks()

    def _check_blocks(self) -> None:
        """Wire one stimulus of each block that is not sampled yet: what does not fit is said before anything runs."""
        blocks: list[tuple[str, int, StimulusSet, Path, dict[str, Any]]] = []
        blocks += [("protocol", k, b, self._experiment(k), {}) for k, b in enumerate(self._file.protocol)]
        blocks += [("validation", k, b, self._site, _finer(b)) for k, b in enumerate(self._file.validation)]
        for table, k, block, experiment, site in blocks:
            finer = "-finer" if table == "validation" else ""
            if (self._folder / f"{block.name}{finer}-{_key(self._content, table, experiment, k)}.h5").exists():
                continue
            try:
                with as_single_process():  # only the first rank asks
                    wire(build_experiment(block, stimuli_of(block, self._file.train.seed)[:1], experiment, site))
            except InputError as error:
                raise error.inside(f"{self._source}: {table}[{k}]") from None

    def _check_chemistry(self) -> None:
        """Raises InputError if an experiment has no calmodulin and CaMKII, or other ones than that of the training."""
        network = load_network(self._site)
        species = names_in(network.names)
        for k, protocol in enumerate(self._file.protocol):
            if protocol.experiment is None:
                continue
            other = load_network(self._experiment(k))
            if names_in(other.names) != species or signature(other, species, "Ca") != signature(network, species, "Ca"):
                raise InputError(
                    f"has another chemistry of calmodulin and CaMKII than {self._file.experiment}",
                    where=f"{self._source}: protocol[{k}].experiment",
                )

    def _experiment(self, k: int) -> Path:
        """File of protocol k."""
        return self._source.parent / (self._file.protocol[k].experiment or self._file.experiment)

    def protocol(self, k: int) -> ProtocolData:
        """Data of protocol k: what is learned from and tested on."""
        protocol, seed = self._file.protocol[k], self._file.train.seed + k
        key = _key(self._content, "protocol", self._experiment(k), k)

        def made(place: Path) -> ProtocolData:
            stimuli = stimuli_of(protocol, seed)
            self._say(protocol, protocol.runs, len(stimuli))
            experiment, shares = self._experiment(k), protocol.by_influx
            return sample_protocol(protocol, stimuli, experiment, place, seed, protocol.runs, shares=shares)

        return self._kept(f"{protocol.name}-{key}", made)

    def mean_field(self, k: int, data: ProtocolData) -> dict[str, float]:
        """What a mean calcium leaves out of a protocol by influx; empty if it holds nothing to test on."""
        protocol, stimuli = self._file.protocol[k], held_out_means(data)
        if not stimuli:
            return {}

        def made(place: Path) -> ProtocolData:
            self._say(protocol, protocol.runs, len(stimuli), ", calcium held at the mean that was seen")
            seed = self._file.train.seed + HELD + k
            return sample_protocol(protocol, stimuli, self._experiment(k), place, seed, protocol.runs, shares=True)

        key = _key(self._content, "protocol", self._experiment(k), k)
        return mean_field_error(data, self._kept(f"{protocol.name}-held-{key}", made))

    def validation(self, k: int) -> tuple[ProtocolData, ProtocolData]:
        """Data of validation k, by the finer model and by the experiment's own engine."""
        block, seed = self._file.validation[k], self._file.train.seed + FINER + k
        shape = _shape(block)
        stimuli = whole_ions(stimuli_of(block, seed), volume_of(self._site, block, shape))
        key, out = _key(self._content, "validation", self._site, k), []
        for what, runs, site in (("finer", block.runs, _finer(block)), ("own", block.against, shape)):

            def made(place: Path, runs: int = runs, site: dict[str, Any] = site) -> ProtocolData:
                self._say(block, runs, len(stimuli), f", by {site['engine']}" if "engine" in site else "")
                return sample_protocol(block, stimuli, self._site, place, seed, runs, site, shares=True)

            out.append(self._kept(f"{block.name}-{what}-{key}", made))
        return out[0], out[1]

    def _say(self, block: StimulusSet, runs: int, stimuli: int, more: str = "") -> None:
        self._tell(f"{block.name}: {runs} runs of {stimuli} stimuli, {block.duration:g} ms each{more}")

    def _kept(self, name: str, made: Callable[[Path], ProtocolData]) -> ProtocolData:
        """Data of that name: what is there, or what is made now."""
        kept = self._folder / f"{name}.h5"
        refuse_link(self._folder, self._folder / name)
        if kept.exists():
            try:
                return read_data(kept)
            except InputError as error:
                self._tell(f"{error}; made again")
        write_data(made(self._folder / name), kept)
        return read_data(kept)


def _shape(block: Validation) -> dict[str, Any]:
    """Changes of the site that both models of a validation have."""
    return {} if block.geometry is None else {"geometry": block.geometry}


def _finer(block: Validation) -> dict[str, Any]:
    """Changes of the site of the finer model."""
    return {**_shape(block), **block.site}


def _key(content: dict[str, Any], table: str, site: Path, k: int) -> str:
    """Of what decides the runs of a protocol or validation: its stimuli, the seed, all files of the experiment."""
    own = {key: value for key, value in content[table][k].items() if key != "regress"}
    read = [file.content for file in named_input_files(Experiment.load(site))]
    text = json.dumps([own, content["train"].get("seed", 1), read], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
