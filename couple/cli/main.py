"""The command line: `couple run`, `resume`, `check`, `show`, `plot`, and what other layers register."""

from __future__ import annotations

import errno
import functools
import importlib.metadata
import io
import logging
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from couple.base import registry
from couple.base.errors import CoupleError, InputError, Interrupted, RunError
from couple.base.signals import StoppedBySignal, raised
from couple.cli.doctor import doctor
from couple.cli.ensembles.sample import branch, resume_ensemble, sample
from couple.cli.experiments.check import check
from couple.cli.experiments.explain import explain
from couple.cli.experiments.projects import examples, init
from couple.cli.experiments.schema import schema
from couple.cli.output import matplotlib_folder
from couple.cli.output.console import (
    Balance,
    Figure,
    File,
    Json,
    Overrides,
    Quiet,
    Until,
    Walltime,
    err,
    out,
    progress,
    starting,
    stdout_for_json,
    table,
    wall_time,
)
from couple.cli.output.document import print_json, prints
from couple.cli.results.export import export
from couple.cli.results.plot import plot
from couple.cli.results.repack import repack
from couple.cli.results.report import report
from couple.cli.results.show import show
from couple.cli.results.view import view
from couple.parallel.communicator import ending_all, is_first_launched, launched_ranks, leave_ranks, world

BEGAN = perf_counter()

SPREAD = ("run", "resume", "check", "sample", "branch", "train", "doctor")
"""Commands that use all ranks."""

app = typer.Typer(
    name="couple",
    help="Advance a NEURON model in closed loop with the biochemistry of its spines.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(importlib.metadata.version("couple"))
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Advance a NEURON model in closed loop with the biochemistry of its spines."""


@app.command()
@prints("couple.cli.output.run_documents:RunOutput")
def run(
    file: File,
    folder: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the results (default: results/NAME-NNN).", show_default=False),
    ] = None,
    overrides: Overrides = None,
    until: Until = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier run in the folder.")] = False,
    walltime: Walltime = None,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Figure = True,
    balance: Balance = None,
) -> None:
    """Run an experiment from its start. After `mpiexec -n N`, on N ranks."""
    from couple.chemistry.lattice_units import GivenTime
    from couple.experiment import Experiment
    from couple.experiment.clock import Clock
    from couple.simulation.simulation import Simulation

    experiment = Experiment.load(file, overrides or ())
    end = None if until is None else GivenTime.read(until, "--until").on(experiment.time_unit)
    if end is not None:
        Clock.of(experiment).windows_until(end)  # before anything is replaced
    deadline = _deadline(walltime)
    with starting(quiet or as_json or not world().first), stdout_for_json(as_json):
        simulation = Simulation.new(experiment, folder, force=force, balance=balance)
    _go(simulation, end, quiet, as_json, draw, deadline)


@app.command()
@prints("couple.cli.output.run_documents:RunOrEnsemble")
def resume(
    checkpoint: Annotated[
        Path, typer.Argument(help="OUT/checkpoint.h5 of a run, or the folder of a run or ensemble.", show_default=False)
    ],
    until: Until = None,
    walltime: Walltime = None,
    quiet: Quiet = False,
    as_json: Json = False,
    draw: Figure = True,
) -> None:
    """Go on from a checkpoint, or finish an ensemble. In the same folder, as if it had never stopped."""
    from couple.chemistry.lattice_units import GivenTime
    from couple.simulation.simulation import Simulation

    if resume_ensemble(checkpoint, until, quiet, as_json):
        return
    end = None if until is None else GivenTime.read(until, "--until")
    deadline = _deadline(walltime)
    with starting(quiet or as_json or not world().first), stdout_for_json(as_json):
        simulation = Simulation.resumed(checkpoint, until=None if end is None else end.value)
    unit = simulation.system.plan.experiment.time_unit
    if not (quiet or as_json) and world().first:
        err.print(f"resuming at t = {simulation.time:g} {unit}")
    _go(simulation, None if end is None else end.on(unit), quiet, as_json, draw, deadline)


app.command()(check)


app.command()(show)
app.command()(sample)
app.command()(branch)
app.command()(plot)
app.command()(report)
app.command()(view)
app.command()(export)
app.command()(repack)
app.command()(doctor)
app.command()(init)
app.command()(schema)
app.command()(explain)
app.add_typer(examples, name="examples")


def _deadline(walltime: str | None) -> float | None:
    """When the time that is given to this process ends."""
    return None if walltime is None else BEGAN + wall_time(walltime, "--walltime") / 1000


def _go(
    simulation: Any, until: float | None, quiet: bool, as_json: bool, draw: bool, deadline: float | None = None
) -> None:
    """Run with a progress bar, draw the figure, print the summary."""
    from couple.analysis.plot import figure
    from couple.storage.records.results import Results
    from couple.storage.run.run_folder import FIGURE

    ranks = world()
    warnings = [warning for told in ranks.gather(simulation.system.plan.warnings) for warning in told]
    if not ranks.first:  # rank 0 speaks for all
        simulation.run(until=until, deadline=deadline)
        return
    for warning in dict.fromkeys(warnings):
        err.print(f"warning: {escape(warning)}")
    with progress(quiet or as_json, simulation.experiment.time_unit) as update, stdout_for_json(as_json):
        summary = simulation.run(update, until=until, deadline=deadline)
    if draw:
        try:
            with Results(simulation.folder) as results:
                figure(results, simulation.folder / FIGURE)
        except StoppedBySignal as stop:
            message = f"stopped by {stop.name} while the figure was drawn; the results are in {simulation.folder}"
            raise Interrupted(message, stop.name) from None
        except RunError as error:  # the results are there
            err.print(f"warning: {escape(str(error))}")
    if as_json:
        print_json(summary)
    elif not quiet:
        _summary(summary, simulation.folder)


def _summary(summary: dict[str, Any], folder: Path) -> None:
    from couple.analysis.peak_lines import FEW, peak_lines
    from couple.cli.output.summaries import ledger_lines, past_lines

    lines = peak_lines(summary["peaks"]) + ledger_lines(summary["ledger"])
    lines += past_lines(summary.get("calcium_not_linked", {}))
    lines += [(f"spikes {name}", str(n)) for name, n in [*summary.get("spikes", {}).get("count", {}).items()][:FEW]]
    lines += [(f"time in {name}", f"{seconds:.3f} s") for name, seconds in summary["seconds"].items()]
    cost, share = summary["overhead"]["us_per_exchange"], 100 * summary["overhead"]["share"]
    lines.append(("exchanges", f"{summary['exchanges']}, {cost:.1f} us each, {share:.2f} % of the run"))
    lines.append(("results in", str(folder)))
    table(lines)


def _reports(error: CoupleError) -> bool:
    """Whether this rank is to report an error that ends all ranks."""
    try:
        ranks = world()
    except CoupleError:
        return is_first_launched()
    return ranks.first if isinstance(error, Interrupted) else ranks.failed(error)


def _one_line(message: str) -> str:
    """Without line breaks, and words of absurd length shortened."""
    return re.sub(r"\S{120,}", lambda word: f"{word[0][:60]}...{word[0][-10:]}", " ".join(message.split()))


def _report_usage(error: typer.TyperException) -> None:
    """What is wrong with the command line; help, where there is no command at all."""
    told: Any = error
    message = str(told.format_message()) if hasattr(told, "format_message") else str(error)
    if "\n" in message.strip():
        told.show()
        return
    command = getattr(getattr(told, "ctx", None), "command_path", "couple")
    err.print(f"error: {escape(_one_line(message[:1].lower() + message[1:]))} (see {command} --help)")


@functools.cache
def _add_commands() -> None:
    """Commands of other layers; once, however often `main` is called in a process."""
    for name in registry.names("couple.commands"):
        command = registry.load("couple.commands", name)  # a group of commands, or one
        app.add_typer(command, name=name) if isinstance(command, typer.Typer) else app.command(name)(command)


def whole_app() -> Any:
    """The command line with the commands of all layers, as click has it: for whoever lists them."""
    _add_commands()
    return typer.main.get_command(app)


def _end_by(stop: StoppedBySignal) -> NoReturn:
    """End the process, and others that wait for it, by a signal."""
    with ending_all(stop.exit_code):
        err.print(f"error: {stop}")
    sys.exit(stop.exit_code)


_REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EBADF, errno.EPIPE, errno.EMFILE),
    *(errno.ENFILE, errno.ENOMEM, errno.ESTALE),
}
"""What a system refuses whatever was asked: of a disk that is full, or has been taken away."""


def _end_by_refusal(error: OSError) -> NoReturn:
    """End the process by what the system refuses without a name of a file: mostly, to take what is printed."""
    err.print(f"error: cannot be written: {error.strerror} (the standard output, if it goes to a file or a pipe)")
    with suppress(OSError, ValueError, AttributeError):  # what is left cannot be printed at the end, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Entry point: errors are one line on stderr, with their exit code."""
    logging.addLevelName(logging.WARNING, "warning")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be bytes that are no text
    _add_commands()
    matplotlib_folder.provide()
    if launched_ranks() > 1 and (arguments or sys.argv[1:])[:1] not in ([name] for name in SPREAD):
        if not is_first_launched():
            return  # the work of one process
        leave_ranks()
    try:
        code = app(arguments, standalone_mode=False)  # so that what is wrong with arguments is one line, too
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.TyperException as error:
        _report_usage(error)
        sys.exit(2)
    except CoupleError as error:
        if not isinstance(error, Interrupted) and (stop := raised()) is not None:
            _end_by(stop)
        if _reports(error):
            err.print(f"error: {escape(_one_line(str(error)))}")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            if error.errno not in _REFUSALS:
                raise
            _end_by_refusal(error)
        refused = InputError(f"cannot be used: {error.strerror}", where=str(error.filename))  # a name too long
        err.print(f"error: {escape(_one_line(str(refused)))}")
        sys.exit(refused.exit_code)
    except StoppedBySignal as stop:
        _end_by(stop)
    sys.exit(code if isinstance(code, int) else 0)
