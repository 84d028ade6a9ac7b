"""A small file of every kind that we write, and how it is read."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from couple.components.component import State
from couple.ensemble.folder import read_part, write_part
from couple.ensemble.open_recording import open_recording
from couple.ensemble.sampler import SampledRun
from couple.files.hdf5_content import DIGESTS
from couple.files.json_file import read_sealed_json, sealed_json
from couple.files.write_hdf5 import replacing
from couple.simulation.results.rank_results import merge, rank_file
from couple.storage import checkpoint
from couple.storage.records.recorder import Recorder, Variable
from couple.storage.records.results import FORMAT
from reducers.accuracy.model import AccuracyModel
from reducers.data.stimuli import CalciumStimulus
from reducers.data.trajectories import Trajectories
from reducers.fields.density.particles import ParticleRuns
from reducers.gccd.data.protocol_data import ProtocolData, read_data, write_data
from reducers.inference.density.file import Found, read_posterior, write_posterior
from reducers.inference.problem.prior import Prior
from reducers.inference.problem.settings import InferenceFile
from reducers.inference.simulation.simulations import Simulations
from reducers.markov.file import read_block
from reducers.population.library.file import ModelFile, read_model, write_model
from reducers.population.models.independent import Independent
from support.paths import EXAMPLES

STATES: dict[str, State] = {
    "run": {"n": 7, "text": "µ", "words": np.array([2**64 - 1, 3], dtype=np.uint64)},
    "recorder": {"segments": "[]"},
    "a/b": {"x": np.arange(300.0), "blob": b"\x00\xff", "f": 0.1},
}


class OurFile(NamedTuple):
    """write: makes the file in a folder. read: all that is in it, so that a difference shows."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]


def digest(file: h5py.File) -> str:
    """Of all names, numbers and attributes, but which files it is made of."""
    found = hashlib.sha256(repr(sorted(item for item in file.attrs.items() if item[0] != DIGESTS)).encode())

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        values = np.asarray(item).tobytes() if isinstance(item, h5py.Dataset) else b""
        said = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
        found.update(name.encode() + values + repr(sorted(said.items())).encode())

    file.visititems(visit)
    return found.hexdigest()


def _recording(path: Path) -> str:
    with open_recording(path) as found:
        return digest(found.file)


def _fill(file: h5py.File, names: list[str], more: dict[str, Any]) -> None:
    time = np.arange(40.0)
    file.attrs.update({"format": FORMAT, "name": "x", "status": "complete", "engines": '{"a": "ssa"}', "seed": 1})
    file.create_dataset("time", data=time).attrs.update({"unit": "ms", "dims": ["time"]})
    counts = np.random.default_rng(len(names)).poisson(9.0, (40, len(names), 2)).astype(float)
    data = file.create_dataset("ssa/counts", data=counts, chunks=(8, len(names), 2), compression="gzip", shuffle=True)
    data.attrs.update({"unit": "count", "dims": ["time", "site", "species"], "site": names, "species": ["A", "B"]})
    data.attrs.update(more)
    file["ssa"].attrs.update({"volume_um3": [0.5] * len(names), "reservoirs": [""], "membrane": [""], "free": ["A"]})
    file.create_group("ledger").attrs["links"] = "[]"


def _results(folder: Path) -> Path:
    with replacing(folder / "results.h5", FORMAT) as file:
        _fill(file, ["a", "b"], {})
    return folder / "results.h5"


def _over_ranks(folder: Path) -> Path:
    """The file of a rank, of which results.h5 is made."""
    for rank, names in enumerate((["a", "c"], ["b"])):
        with replacing(rank_file(folder, rank), FORMAT) as file:
            order = [[0, 2 * k + rank] for k in range(len(names))]
            _fill(file, names, {"order": str(order)})
    about = {"format": FORMAT, "name": "x", "status": "complete", "engines": "{}", "seed": 1}
    merge(folder / "results.h5", 2, about, {"ledger": {"links": "[]"}})
    return rank_file(folder, 1)


def _checkpoint(folder: Path) -> Path:
    checkpoint.write(folder / "checkpoint.h5", STATES)
    return folder / "checkpoint.h5"


def _read_states(path: Path) -> str:
    return repr({n: {k: np.asarray(v).tolist() for k, v in s.items()} for n, s in checkpoint.read(path).items()})


def _part(folder: Path) -> Path:
    (folder / "parts").mkdir(exist_ok=True)
    made = [SampledRun(np.arange(6.0).reshape(3, 2) + k, 0.0, 1.0, np.ones(2)) for k in range(2)]
    return write_part(folder, [4, 5], made, "{}")


def _trajectories() -> Trajectories:
    states = np.random.default_rng(0).integers(0, 3, (6, 5, 16), dtype=np.uint8)
    return Trajectories.of_snapshots(np.arange(5.0), ("H", "P"), states, (4, 4))


def _written(make: Callable[[Path], None], name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return write


def _particles() -> ParticleRuns:
    rng = np.random.default_rng(1)
    run, row = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    return ParticleRuns(np.arange(4.0), ("A",), rng.random((50, 2)), run, row, np.zeros(50, dtype=np.int64), 3)


def _protocol() -> ProtocolData:
    courses = tuple(CalciumStimulus(f"s{k}", "step", k == 1, np.arange(5.0)) for k in range(2))
    return ProtocolData("fast", courses, np.arange(6.0), 1.0, np.ones((2, 6, 46)), np.ones((2, 6, 46)), 4, 0.1)


def _segment(folder: Path) -> Path:
    recorder = _recorder(folder)
    for _ in range(3):
        recorder.rows[recorder.next_row] = recorder.next_row
        recorder.written()
    checkpoint.write(folder / "checkpoint.h5", {"recorder": recorder.save()})
    return folder / "segments" / "000000.npy"


def _recorder(folder: Path) -> Recorder:
    return Recorder(folder, [Variable("a/x", "1", ("site",), (("a", "b"),), (0, 1))], 40)


def _resumed(path: Path) -> bytes:
    recorder = _recorder(path.parent.parent)
    recorder.restore(checkpoint.read(path.parent.parent / "checkpoint.h5")["recorder"])
    return np.concatenate(list(recorder.chunks())).tobytes()


def _request(folder: Path) -> Path:
    content = {"seed": 7, "experiment": {"x": [1.5, "µ", True, None]}, "runs": 100}
    (folder / "sampling.json").write_text(sealed_json(content))
    return folder / "sampling.json"


def _model(folder: Path) -> Path:
    shutil.copy(EXAMPLES / "sk" / "sk.h5", folder / "model.h5")
    return folder / "model.h5"


def _read_model(path: Path) -> str:
    block = read_block(path)
    return repr((block.about, {k: np.asarray(v).tolist() for k, v in block.arrays().items()}))


def write_a_posterior(path: Path) -> None:
    """Of ABC on a few simulations."""
    content = {
        "infer": {"name": "line", "method": "abc", "simulator": "model.py:f", "simulations": 200},
        "prior": {"a": "uniform 0 .. 1 mV", "b": "normal 0 1"},
        "features": {"x": "mV", "y": "1"},
        "observation": {"values": {"x": 0.5, "y": 0.0}},
    }
    file, rng = InferenceFile.read(content, "infer.toml"), np.random.default_rng(0)
    prior = Prior.read(file.prior)
    made = Simulations(prior.draw(200, rng), rng.random((200, 2)), np.ones(200, dtype=np.int64))
    seen = np.array([0.5, 0.0])
    found = Found(file, content, prior, file.features, made, observation=seen, samples=prior.draw(100, rng))
    write_posterior(found, path)


def _read_a_posterior(path: Path) -> str:
    found = read_posterior(path)
    return repr((found.content, found.prior, found.simulations.theta.tolist(), np.asarray(found.samples).tolist()))


def _write_pattern_model(path: Path) -> None:
    write_model(path, ModelFile(Independent(np.array([0.1, 0.3, 0.2])), ("a", "b", "c"), 5.0))


def _read_pattern_model(path: Path) -> str:
    found = read_model(path)
    return repr((found.names, found.window, {k: v.tolist() for k, v in found.model.arrays().items()}))


def write_an_accuracy(path: Path, chemistry: str = "0" * 64) -> None:
    """Of two engines. chemistry: its digest."""
    terms, costs = np.array([[0.8, 0.3, 1e-4], [0.0, 0.0, 0.0]]), np.arange(6.0).reshape(2, 3)
    model = AccuracyModel(("ode", "ssa"), "Ca", terms, costs, chemistry, (10.0, 0.2), 0.95, {"targets": []})
    model.write(path, {"accuracy": {}})


OUR_FILES = {
    "results": OurFile(_results, _recording),
    "results over ranks": OurFile(_over_ranks, lambda path: _recording(path.parent)),
    "checkpoint": OurFile(_checkpoint, _read_states),
    "part of an ensemble": OurFile(_part, lambda path: repr(read_part(path))),
    "segment": OurFile(_segment, _resumed),
    "request of an ensemble": OurFile(_request, lambda path: read_sealed_json(path, "give another")),
    "model": OurFile(_model, _read_model),
    "accuracy": OurFile(_written(write_an_accuracy, "model.h5"), lambda path: repr(AccuracyModel.read(path))),
    "trajectories": OurFile(
        _written(lambda path: _trajectories().write(path), "ensemble.h5"), lambda path: Trajectories.load(path).digest()
    ),
    "particles": OurFile(
        _written(lambda path: _particles().write(path), "particles.h5"),
        lambda path: repr([np.asarray(v).tolist() for v in vars(ParticleRuns.load(path)).values()]),
    ),
    "posterior": OurFile(_written(write_a_posterior, "posterior.h5"), _read_a_posterior),
    "model of patterns": OurFile(_written(_write_pattern_model, "patterns.h5"), _read_pattern_model),
    "simulations": OurFile(
        _written(lambda path: Simulations(np.eye(3), np.ones((3, 1)), np.arange(3), ("why",)).write(path), "001.h5"),
        lambda path: repr([np.asarray(v).tolist() for v in vars(Simulations.read(path)).values()]),
    ),
    "data of a protocol": OurFile(
        _written(lambda path: write_data(_protocol(), path), "fast.h5"), lambda path: read_data(path).digest()
    ),
}
"""Kind → file. `read` of the file of a rank opens the results that are made of it."""
