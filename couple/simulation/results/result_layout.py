"""What the columns of recorded rows mean: all that is needed to make an HDF5 file of them without the system."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from couple.chemistry.network import ReactionNetwork
from couple.experiment.understood.input_files import InputFile, from_json, to_json
from couple.experiment.understood.resolved import resolved_text
from couple.simulation.schemes.window_pass import EXCHANGE
from couple.storage.records.recorder import Variable
from couple.storage.records.spike_trains import THRESHOLD
from couple.wiring import System


@dataclass(frozen=True)
class ResultLayout:
    """variables: in file order. attributes: of the file. tables: name → attributes of a group. warnings: of the wiring.

    times: (n_rows,) ms of a whole run, or of what comes after a checkpoint.
    """

    variables: tuple[Variable, ...]
    times: tuple[float, ...]
    attributes: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, system: System, first: int = 0) -> ResultLayout:
        """The layout of a wired experiment, whose rows are those from number `first` on."""
        clock = system.plan.clock
        rows = range(first, clock.windows // clock.record + 1)
        return cls(
            system.variables,
            tuple(clock.time(k * clock.record) for k in rows),
            {**attributes_of(system), "parts": json.dumps(parts_of(system))},
            component_tables(system),
            system.plan.warnings,
        )

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """All files that the experiment reads."""
        return from_json(self.attributes["inputs"])

    def to_json(self) -> str:
        """The layout as text; `from_json` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ResultLayout:
        """The layout that `to_json` wrote."""
        content = json.loads(text)
        variables = tuple(
            Variable(
                **{
                    **v,
                    "dims": tuple(v["dims"]),
                    "labels": tuple(map(tuple, v["labels"])),
                    "indices": tuple(v["indices"]),
                    "order": tuple(map(tuple, v["order"])),
                }
            )
            for v in content["variables"]
        )
        return cls(
            variables, tuple(content["times"]), content["attributes"], content["tables"], tuple(content["warnings"])
        )


def parts_of(system: System) -> list[str]:
    """Parts that a run spends its time in, in the order of `Orchestrator.seconds`."""
    return [*(c.name for c in system.components), EXCHANGE]


def attributes_of(system: System) -> dict[str, Any]:
    """Attributes of a result or ensemble file: the experiment, its engines, the channel path."""
    experiment = system.plan.experiment
    return {
        "experiment": resolved_text(experiment),
        "inputs": to_json(system.inputs),
        "name": experiment.experiment.name,
        "time_unit": experiment.time_unit,
        THRESHOLD: experiment.record.threshold,
        "channel_path": "" if system.electrics is None else system.electrics.channel_path,
        "engines": json.dumps(dict(system.plan.kinds)),
    }


def component_tables(system: System) -> dict[str, dict[str, Any]]:
    """Component → what its datasets need to be read: sizes of its sites, kinds of its species, distances."""
    voltages = [f"neuron.{segment}" for v in system.variables if v.path == "neuron/v" for segment in v.labels[0]]
    model = {"neuron": _distances(system, voltages)} if voltages else {}
    return model | {
        engine.name: {
            "volume_um3": [s.geometry.volume for s in engine.sites],
            "area_um2": [s.geometry.area for s in engine.sites],
            "reservoirs": list(engine.network.reservoirs),
            "in_compartment": list(engine.network.shares),
            "compartment_share": list(engine.network.shares.values()),
            "membrane": [s.name for s in engine.network.species if s.on == "membrane"],
            "observed_on": [_home(engine.network, members) for members in engine.network.observables.values()],
            "free": list(dict.fromkeys((*engine.setup.injected, *engine.setup.clamped))),
            **_distances(system, [s.name for s in engine.sites]),
            **engine.attributes(),
        }
        for engine in system.engines
    }


def _home(network: ReactionNetwork, members: Iterable[str]) -> str:
    """Where the species of an observable live: "membrane", "volume", or "both"."""
    homes = {s.on for s in network.species if s.name in set(members)}
    return homes.pop() if len(homes) == 1 else "both"


def _distances(system: System, names: list[str]) -> dict[str, list[float]]:
    found = [system.distances[name] for name in names if name in system.distances]
    return {"distance_um": found} if len(found) == len(names) else {}
