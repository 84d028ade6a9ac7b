"""The command line: `couple run`, `resume`, `check`, `show`, `plot`, and what other layers register."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from couple import registry
from couple.errors import CoupleError, InputError
from couple.units import CANONICAL, quantity

app = typer.Typer(
    name="couple",
    help="Advance a NEURON model in closed loop with the biochemistry of its spines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)

File = Annotated[Path, typer.Argument(help="The experiment, a TOML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help='Change one value, as in site.head.engine="ode".')
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Figure = Annotated[bool, typer.Option("--figure/--no-figure", help="Draw OUT/figure.png at the end.")]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help='Stop at this simulated time, as in "100 ms".')]


@app.callback()
def about(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Advance a NEURON model in closed loop with the biochemistry of its spines."""
    if version:
        out.print(importlib.metadata.version("couple"))
        raise typer.Exit


@app.command()
def run(
    file: File,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the results (default: results/NAME-NNN).", show_default=False),
    ] = None,
    overrides: Overrides = None,
    until: Until = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier run in the folder.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Figure = True,
) -> None:
    """Run an experiment from its start."""
    from couple.clock import Clock
    from couple.experiment import Experiment
    from couple.run import Simulation

    experiment = Experiment.load(file, overrides or ())
    end = None if until is None else _time(until)
    if end is not None:
        Clock.of(experiment).windows_until(end)  # before anything is replaced
    with _starting(quiet or as_json), _stdout_for_json(as_json):
        simulation = Simulation.new(experiment, folder, force=force)
    _go(simulation, end, quiet, as_json, draw)


@app.command()
def resume(
    checkpoint: Annotated[Path, typer.Argument(help="OUT/checkpoint.h5 of a run, or its folder.", show_default=False)],
    until: Until = None,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Figure = True,
) -> None:
    """Go on from a checkpoint, in the same folder, as if the run had never stopped."""
    from couple.run import Simulation

    end = None if until is None else _time(until)
    with _starting(quiet or as_json), _stdout_for_json(as_json):
        simulation = Simulation.resumed(checkpoint, until=end)
    if not (quiet or as_json):
        err.print(f"resuming at t = {simulation.time:g} ms")
    _go(simulation, end, quiet, as_json, draw)


@app.command()
def check(file: File, overrides: Overrides = None) -> None:
    """Load and wire everything, print wiring and units, advance nothing."""
    from couple.experiment import Experiment
    from couple.wiring import wire

    experiment = Experiment.load(file, overrides or ())
    system = wire(experiment)
    clock = system.clock
    out.print(
        f"{experiment.experiment.name}: {clock.time(clock.windows):g} ms in {clock.windows} exchanges of "
        f"{clock.time(1):g} ms ({clock.window} ticks of {clock.tick:g} ms), {experiment.experiment.scheme}"
    )
    for line in system.describe:
        out.print(f"  {escape(line)}")
    for component in system.components:
        for kind, ports in (("input", component.inputs), ("output", component.outputs)):
            for name, port in ports.items():
                if 0 not in port.shape:
                    out.print(f"  {component.name}.{name}: {kind}, {escape(str(port.shape))}, {port.unit}, {port.kind}")
    for reaction in system.network.reactions:
        made = [s.on for s in system.network.species if s.name in reaction.products]
        dimension = system.network.rate_dimension(system.network.order_reactants(reaction), made)
        out.print(f"  {reaction}: {reaction.rate:.6g} {CANONICAL[dimension].removeprefix('1')}", markup=False)
    for warning in system.warnings:
        err.print(f"warning: {escape(warning)}")


@app.command()
def show(
    results: Annotated[Path, typer.Argument(help="results.h5 of a run, or its folder.", show_default=False)],
) -> None:
    """Print what a result file holds: peaks, ledger, timings."""
    from couple.results import Results, show_lines

    with _whole(results), Results(results) as content:
        lines = show_lines(content)
    _table(lines)


@app.command()
def plot(
    results: Annotated[Path, typer.Argument(help="results.h5 of a run, or its folder.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--out", help="The picture; its suffix sets the format (png, pdf, svg).")
    ] = None,
) -> None:
    """Draw voltage, free ions, open channels and the ion books."""
    from couple.plot import figure
    from couple.results import Results

    with _whole(results), Results(results) as content:
        picture = figure(content, output or content.path.with_name("figure.png"))
    out.print(str(picture), markup=False)


@contextmanager
def _whole(results: Path) -> Iterator[None]:
    """HDF5 finds a damaged file when it reads the damaged part, with errors of any kind."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"is damaged: {error}", where=str(results)) from error


def _go(simulation: Any, until: float | None, quiet: bool, as_json: bool, draw: bool) -> None:
    """Run with a progress bar, draw the figure, print the summary."""
    from couple.plot import figure
    from couple.results import Results
    from couple.run import FIGURE

    for warning in simulation.system.warnings:
        err.print(f"warning: {escape(warning)}")
    with _progress(quiet or as_json) as progress, _stdout_for_json(as_json):
        summary = simulation.run(progress, until=until)
    if draw:
        with Results(simulation.folder) as results:
            figure(results, simulation.folder / FIGURE)
    if as_json:
        out.print_json(json.dumps(summary))
    elif not quiet:
        _summary(summary, simulation.folder)


def _starting(hidden: bool) -> AbstractContextManager[Any]:
    """Something to look at while models load and kernels compile."""
    return nullcontext() if hidden else err.status("starting (kernels are compiled on first use, half a minute)")


def _stdout_for_json(as_json: bool) -> AbstractContextManager[Any]:
    """With --json, what a model prints goes to stderr: stdout is the summary alone."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


@contextmanager
def _progress(hidden: bool) -> Iterator[Any]:
    """A bar with simulated ms per second and time left; without a terminal, nothing."""
    columns = (
        TextColumn("{task.fields[at]}"),
        BarColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal) as bar:
        task = bar.add_task("run", at="", speed="", total=None)

        def update(time: float, end: float) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=time,
                total=end,
                at=f"{time:.1f} of {end:g} ms",
                speed=f"{speed:.1f} ms/s" if speed else "",
            )

        yield update


def _summary(summary: dict[str, Any], folder: Path) -> None:
    from couple.results import ledger_lines, peak_lines

    lines = peak_lines(summary["peaks"]) + ledger_lines(summary["ledger"])
    lines += [(f"time in {name}", f"{seconds:.3f} s") for name, seconds in summary["seconds"].items()]
    cost, share = summary["overhead"]["us_per_exchange"], 100 * summary["overhead"]["share"]
    lines.append(("exchanges", f"{summary['exchanges']}, {cost:.1f} us each, {share:.2f} % of the run"))
    lines.append(("results in", str(folder)))
    _table(lines)


def _table(lines: list[tuple[str, str]]) -> None:
    width = max(len(what) for what, _ in lines)
    for what, value in lines:
        out.print(f"{what:<{width}}  {value}", markup=False)


def _time(text: str) -> float:
    try:
        return quantity(text, "time")
    except InputError as error:
        raise error.at("--until") from None


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors are one line on stderr, with their exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    for name in registry.names("couple.commands"):
        command = registry.load("couple.commands", name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    try:
        app(arguments)
    except CoupleError as error:
        err.print(f"error: {escape(' '.join(str(error).split()))}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("error: interrupted before a checkpoint could be written")
        sys.exit(130)


if __name__ == "__main__":
    main()
