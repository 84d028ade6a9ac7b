"""`couple check`: the plan of an experiment, in lines for a person or as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from couple.base.errors import InputError, RunError
from couple.cli.output.console import Balance, File, Overrides, Until, err, out, stdout_for_json, table
from couple.cli.output.document import print_json, prints
from couple.cli.output.summaries import NO_CONTENTS
from couple.parallel.communicator import world
from couple.parallel.cores import placement_line

if TYPE_CHECKING:
    from couple.components.component import Component
    from couple.experiment import Experiment
    from couple.experiment.understood.input_files import InputFile
    from couple.simulation.against_neuron import Comparison
    from couple.simulation.load_report import RankLoad
    from couple.wiring import Plan


@prints("couple.cli.experiments.json_output:Checked")
def check(
    file: File,
    overrides: Overrides = None,
    balance: Balance = None,
    everything: Annotated[bool, typer.Option("--all", help="Every site, link, port and rate.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Print the experiment as it is understood, in TOML, and load nothing.")
    ] = False,
    against: Annotated[
        bool,
        typer.Option(
            "--against-neuron",
            help="Run the model in NEURON alone, listened to, and with its links, and compare. Exit 1 if to listen "
            "changes anything.",
        ),
    ] = False,
    until: Until = None,
) -> None:
    """Load and wire everything; print what will run, what it costs, and warnings. With --all the whole wiring."""
    from couple.cli.experiments.against_neuron import against_lines, against_output
    from couple.cli.experiments.json_output import check_output
    from couple.experiment import Experiment
    from couple.simulation.load_report import lines, measure, measure_ranks
    from couple.simulation.results.cell_costs import read_costs
    from couple.wiring import wire

    if until is not None and not against:
        raise InputError("goes with --against-neuron: nothing else is run", where="--until")
    if resolved:
        _print_resolved(Experiment.load(file, overrides or ()), as_json)
        return
    with stdout_for_json(as_json):
        experiment = Experiment.load(file, overrides or ())
        compared = _against_neuron(experiment, until) if against else None
        system = wire(experiment, None if balance is None else read_costs(balance))
        described = system.describe
        found = check_output(system) if as_json else None
        warnings, inputs = system.plan.warnings, system.inputs
        loads = measure_ranks(system)  # the system is spent now
        own = measure(system) if not as_json and not loads else None
    if not world().first:
        return
    if found is not None:
        print_json(found.with_loads(loads).model_copy(update={"against_neuron": compared and against_output(compared)}))
    elif everything:
        out.print(_headline(system.plan), markup=False)
        threads = f"threads: {placement_line(system.plan.placed, system.plan.threads)}"
        for line in (
            *described,
            threads,
            *lines(loads),
            *_ports(system.components),
            *_reactions(system.plan),
            *_files(inputs),
        ):
            out.print(f"  {line}", markup=False)
    else:
        out.print(_headline(system.plan), markup=False)
        rows = [*_overview(system.plan, described, system.components), *_code(inputs)]
        table([*rows, *_cost(system.plan, loads or [own])])
        for line in lines(loads):
            out.print(f"  {line}", markup=False)
    if warnings and found is None:
        err.print(f"[bold yellow]{len(warnings)} warning{'s' if len(warnings) > 1 else ''}:[/]")
    for warning in warnings:
        err.print(f"[bold yellow]warning:[/] {escape(warning)}")
    if compared is not None:
        if found is None:
            table([*against_lines(compared)])
        if not compared.listening.exact:
            raise RunError("to listen to the model changes it, which is a fault of couple or of a model without a seed")


def _against_neuron(experiment: Experiment, until: str | None) -> Comparison:
    """The comparison, before anything else is loaded."""
    from couple.chemistry.lattice_units import GivenTime
    from couple.simulation.against_neuron import against_neuron

    end = None if until is None else GivenTime.read(until, "--until").on(experiment.time_unit)
    return against_neuron(experiment, end)


def _print_resolved(experiment: Experiment, as_json: bool) -> None:
    """The experiment as it is understood; its model is not loaded, so that no code of it runs."""
    from couple.cli.experiments.json_output import resolved_output
    from couple.experiment.understood.resolved import resolved_text

    try:
        with stdout_for_json(as_json):
            found = resolved_output(experiment) if as_json else resolved_text(experiment)
    except InputError as error:
        raise error.inside(experiment.where) from None
    if not world().first:
        return
    if isinstance(found, str):
        typer.echo(found, nl=False)
    else:
        print_json(found)


CODE_SHOWN = 12
"""Files of code that are named without --all."""
SCREEN = 24
"""Lines of the wiring that are shown without --all."""
CHANGES = "changed by the experiment"
CHANGES_SHOWN = 12
"""Of what an experiment changes in the model."""


def _overview(plan: Plan, described: Sequence[str], components: tuple[Component, ...]) -> Iterator[tuple[str, str]]:
    """What there is, of many of a kind one line."""
    kinds: dict[str, list[str]] = {}
    for line in described:
        kinds.setdefault(re.sub(r"\d+(\.\d+)?", "*", line.split(": ")[0]), []).append(line)
    for kind, members in list(kinds.items())[:SCREEN]:
        name, found, text = members[0].partition(": ")
        if kind == CHANGES:
            yield from _each(members)
            continue
        if not found:
            yield "", name
        else:
            yield (name, text) if len(members) == 1 else (f"{kind} ({len(members)})", f"first: {text}")
    if len(kinds) > SCREEN:
        yield f"{len(kinds) - SCREEN} more lines", "--all"
    network = plan.network
    ports = len(list(_ports(components)))
    yield "chemistry", f"{len(network.names)} species, {len(network.reactions)} reactions (rates: --all)"
    yield (
        "ledger",
        f"audits {', '.join(network.substances)}" if network.substances else f"audits nothing: {NO_CONTENTS}",
    )
    if network.observables:
        yield "observables", ", ".join(list(network.observables)[:8])
    yield "threads", placement_line(plan.placed, plan.threads)
    yield "components", f"{', '.join(c.name for c in components)}; {ports} ports (--all)"


def _each(members: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines of a kind that are shown one by one."""
    for i, line in enumerate(members[:CHANGES_SHOWN]):
        name, _, text = line.partition(": ")
        yield name if i == 0 else "", text
    if len(members) > CHANGES_SHOWN:
        yield "", f"and {len(members) - CHANGES_SHOWN} more (--all)"


def _code(inputs: Sequence[InputFile]) -> Iterator[tuple[str, str]]:
    """The files that are read, and those of them that are code: to load the experiment is to run them."""
    code = [file.path.name for file in inputs if file.code]
    yield "files", f"{len(inputs)} are read (--all)"
    if code:
        more = f" and {len(code) - CODE_SHOWN} more" if len(code) > CODE_SHOWN else ""
        yield "code that is run", f"{', '.join(code[:CODE_SHOWN])}{more}"


def _files(inputs: Sequence[InputFile]) -> Iterator[str]:
    """A line for every file that is read."""
    for file in inputs:
        named = f" ({file.key})" if file.key else ""
        yield f"file {file.path}: {file.role}{named}{', code that is run' if file.code else ''}"


def _cost(plan: Plan, loads: Sequence[RankLoad | None]) -> Iterator[tuple[str, str]]:
    """Wall-clock time of the whole run, from a few windows at rest."""
    slowest = max((load for load in loads if load is not None), key=lambda load: load.total, default=None)
    if slowest is not None and slowest.total > 0:
        seconds = slowest.total * plan.clock.windows
        parts = ", ".join(f"{100 * s / slowest.total:.0f} % {name}" for name, s in slowest.seconds.items())
        yield "expected cost", f"about {seconds:.2g} s at rest, more where much happens ({parts})"


def _headline(plan: Plan) -> str:
    clock, unit, run = plan.clock, plan.experiment.time_unit, plan.experiment.experiment
    if clock.shortest:
        return (
            f"{run.name}: {clock.time(clock.windows):g} {unit} in exchanges of {clock.shortest * clock.tick:g} to "
            f"{clock.time(1):g} {unit} (ticks of {clock.tick:g} {unit}), {run.scheme}, off by at most "
            f"{plan.experiment.exchange.tolerance:g}"
        )
    return (
        f"{run.name}: {clock.time(clock.windows):g} {unit} in {clock.windows} exchanges of {clock.time(1):g} {unit} "
        f"({clock.window} ticks of {clock.tick:g} {unit}), {run.scheme}"
    )


def _ports(components: tuple[Component, ...]) -> Iterator[str]:
    """A line for every port that holds something."""
    for component in components:
        for kind, ports in (("input", component.inputs), ("output", component.outputs)):
            for name, port in ports.items():
                if 0 not in port.shape:
                    yield f"{component.name}.{name}: {kind}, {port.shape}, {port.unit}, {port.kind}"


def _reactions(plan: Plan) -> Iterator[str]:
    """A line for every reaction, with its rate at the temperature of the experiment."""
    for reaction in plan.network.reactions:
        warming = f", of which x {reaction.warming:.6g} by q10" if reaction.warming != 1 else ""
        warming += f", x {reaction.voltage}" if reaction.voltage is not None else ""
        if reaction.law is not None:
            yield f"{reaction}: {reaction.law}, in {plan.network.rate_unit(reaction)}{warming}"
            continue
        yield f"{reaction}: {reaction.rate / reaction.of_share:.6g} {plan.network.rate_unit(reaction)}{warming}"
