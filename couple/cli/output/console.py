"""What all commands share: options, consoles, progress bars."""

from __future__ import annotations

import io
import itertools
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from rich.console import Console

from couple.base.errors import InputError
from couple.base.toml import refuse_replaced

if TYPE_CHECKING:
    from rich.progress import Progress

WIDEST = 44
"""Characters of the left column of a table."""


class _Terminal(io.TextIOBase):
    """sys.stderr as it is when something is written; one that was closed meanwhile (SIGHUP) is no reason to fail."""

    def _file(self) -> TextIO:
        """Behind what rich puts in front of it while it shows a bar."""
        return cast(TextIO, getattr(sys.stderr, "rich_proxied_file", sys.stderr))

    def write(self, text: str, /) -> int:
        """Characters that were taken: all."""
        with suppress(OSError):
            self._file().write(text)
        return len(text)

    def flush(self) -> None:
        """As of any file."""
        with suppress(OSError):
            self._file().flush()

    def isatty(self) -> bool:
        """Whether somebody looks."""
        return self._file().isatty()

    def fileno(self) -> int:
        """Of the file behind, for the size of the terminal."""
        return self._file().fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the file behind."""
        return self._file().encoding


err = Console(file=cast(IO[str], _Terminal()), highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


def _experiment(given: Path) -> Path:
    from couple.projects.find import find_file

    return find_file(given, "experiment")


File = Annotated[
    Path,
    typer.Argument(
        help="The experiment: a TOML file, a folder with one, or the name of an example.",
        show_default=False,
        callback=_experiment,
    ),
]


def _each_with_effect(overrides: list[str] | None) -> list[str] | None:
    refuse_replaced(overrides or ())
    return overrides


Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help='Change one value, as in site.head.engine="ode".',
        callback=_each_with_effect,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Figure = Annotated[bool, typer.Option("--figure/--no-figure", help="Draw OUT/figure.png at the end.")]
Until = Annotated[str | None, typer.Option("--until", metavar="T", help='Stop at this simulated time, as in "100 ms".')]
Balance = Annotated[
    Path | None,
    typer.Option(
        "--balance",
        metavar="OUT",
        help="Spread the cells of a [network] over ranks by what each took in this earlier run.",
        show_default=False,
    ),
]
Walltime = Annotated[
    str | None,
    typer.Option("--walltime", metavar="T", help='Stop with a checkpoint before so much time has passed, as in "4 h".'),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", help="Processes at a time (default: cores).", show_default=False)
]


def starting(hidden: bool) -> AbstractContextManager[Any]:
    """Something to look at while models load and kernels compile."""
    return nullcontext() if hidden else err.status("starting (kernels are compiled on first use, half a minute)")


def stdout_for_json(as_json: bool) -> AbstractContextManager[Any]:
    """With --json, what a model prints goes to stderr: stdout is the summary alone."""
    return redirect_stdout(sys.stderr) if as_json else nullcontext()


def bar_of(hidden: bool) -> Progress:
    """A progress bar of tasks with the fields `at` and `speed`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # a third of what --help costs

    columns = (
        TextColumn("{task.fields[at]}"),
        BarColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=hidden or not err.is_terminal)


@contextmanager
def progress(hidden: bool, unit: str = "ms") -> Iterator[Any]:
    """A bar with simulated time (ms or steps) per second and time left; without a terminal, nothing."""
    with bar_of(hidden) as bar:
        task = bar.add_task("run", at="", speed="", total=None)

        def update(time: float, end: float) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=time,
                total=end,
                at=f"{time:.1f} of {end:g} {unit}",
                speed=f"{speed:.1f} {unit}/s" if speed else "",
            )

        yield update


def table(lines: list[tuple[str, str]]) -> None:
    """Print pairs in two columns that hold at the width of the terminal; in a pipe values are not broken."""
    for line in table_lines(lines, out.width if out.is_terminal or "COLUMNS" in os.environ else None):
        out.print(line, markup=False)


def table_lines(lines: list[tuple[str, str]], room: int | None = None) -> list[str]:
    """The lines of a table: what is longer than its column goes on below it. room: characters, None for any number."""
    widest = max((len(what) for what, _ in lines), default=0)
    width = min(widest, WIDEST if room is None else max(room * 2 // 5, 8))
    found = []
    for what, value in lines:
        left = textwrap.wrap(what, width) or [""]
        right = [value] if room is None else textwrap.wrap(value, max(room - width - 2, 8)) or [""]
        found += [f"{a:<{width}}  {b}".rstrip() for a, b in itertools.zip_longest(left, right, fillvalue="")]
    return found


def wall_time(text: str, option: str) -> float:
    """Milliseconds of a wall-clock time such as "4 h". Raises InputError that names the option."""
    from couple.base.units import quantity

    try:
        return quantity(text, "time")
    except InputError as error:
        raise error.at(option) from None
