"""`couple check`: the plan of an experiment, in lines for a person or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from couple.cli.console import Balance, File, Overrides, err, out, stdout_for_json
from couple.parallel.communicator import world

if TYPE_CHECKING:
    from couple.components.component import Component
    from couple.wiring import Plan


def check(
    file: File,
    overrides: Overrides = None,
    balance: Balance = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Load and wire everything, print wiring and units; after mpiexec also what each rank has, and what it costs."""
    from couple.cli.json_output import check_output, print_json
    from couple.experiment import Experiment
    from couple.simulation.cell_costs import read_costs
    from couple.simulation.load_report import lines, measure_ranks
    from couple.wiring import wire

    with stdout_for_json(as_json):
        experiment = Experiment.load(file, overrides or ())
        system = wire(experiment, None if balance is None else read_costs(balance))
        described = system.describe
        found = check_output(system) if as_json else None
        loads = measure_ranks(system)  # the system is spent now
    if not world().first:
        return
    if found is not None:
        print_json(found.with_loads(loads))
    else:
        out.print(_headline(system.plan), markup=False)
        for line in (*described, *lines(loads), *_ports(system.components), *_reactions(system.plan)):
            out.print(f"  {line}", markup=False)
    for warning in system.plan.warnings:
        err.print(f"warning: {escape(warning)}")


def _headline(plan: Plan) -> str:
    clock, unit, run = plan.clock, plan.experiment.time_unit, plan.experiment.experiment
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
        yield f"{reaction}: {reaction.rate:.6g} {plan.network.rate_unit(reaction)}{warming}"
