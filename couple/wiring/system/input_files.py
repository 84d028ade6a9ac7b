"""The files that a wired experiment was made from, of all ranks, hashed once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from couple.base.schema import Block
from couple.components.capabilities import ComposedOfEngines, ReadsMoreFiles
from couple.components.electrics import ElectricalComponent
from couple.components.engine import SiteEngine
from couple.experiment import Experiment
from couple.experiment.understood.input_files import InputFile, files_of, read_by_model, unique
from couple.parallel.communicator import world
from couple.wiring.plan.plan import Plan
from couple.wiring.sites.engine_choice import EngineChoice, load_engines


def input_files(
    plan: Plan, electrics: ElectricalComponent | None, engines: Sequence[SiteEngine]
) -> tuple[InputFile, ...]:
    """Every file that the plan and what was built from it have read; the same on all ranks. All ranks together."""
    experiment, found = plan.experiment, _named(plan.experiment, plan.choices)
    if electrics is not None:
        key = "neuron.model" if experiment.circuit is None else "network.population"
        found += read_by_model(electrics.model_files, key)
    for engine in engines:
        if isinstance(engine, ReadsMoreFiles):
            found += read_by_model(engine.files_read, engine.name)
    ranks = world()
    every = unique(file for files in ranks.gather(found) for file in files)
    return ranks.broadcast(tuple(file.hashed() for file in every) if ranks.first else ())


def named_input_files(experiment: Experiment) -> tuple[InputFile, ...]:
    """The files that an experiment names, without those that a model then reads by itself.

    Imports the engines that it names, and runs nothing of it. Raises InputError that names the key.
    """
    return tuple(file.hashed() for file in _named(experiment, load_engines(experiment)))


def _named(experiment: Experiment, choices: Mapping[str, EngineChoice]) -> list[InputFile]:
    return files_of(experiment, {key: table for choice in choices.values() for key, table in _tables(choice)})


def _tables(choice: EngineChoice) -> Iterator[tuple[str, Block]]:
    """Validated options that are in use, by key."""
    yield choice.where, choice.options
    if issubclass(choice.factory, ComposedOfEngines):
        for name, table in choice.factory.inner_options(choice.options).items():
            yield f"{choice.key}.{name}", table
