"""`couple compare A B`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from couple.base.errors import InputError, Interrupted
from couple.cli.output.console import Jobs, Overrides, Until, bar_of, out
from couple.cli.output.document import print_json, prints

LABELS = "ABCDEFGH"


@prints("couple.cli.output.documents:ComparisonOutput")
def compare(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Experiments (.toml), results or ensembles; KEY=VALUE stands for the experiment before it with that "
            "change (several with ; between).",
            show_default=False,
        ),
    ],
    runs: Annotated[int, typer.Option("--runs", "-n", min=2, help="Runs of each experiment, with its own seeds.")] = 10,
    seed: Annotated[int | None, typer.Option("--seed", help="Of the ensembles.", show_default=False)] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for runs and figure (default: results/compare-NNN).")
    ] = None,
    overrides: Overrides = None,
    start: Annotated[str, typer.Option("--from", metavar="T", help="Leave out what is before, as in 50 ms.")] = "0 ms",
    until: Until = None,
    quantity: Annotated[
        str | None, typer.Option("--of", help='Quantities, a pattern: "head *", "spine_3 *".', show_default=False)
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Of a spike, mV.")] = 0.0,
    within: Annotated[float, typer.Option("--match", help="Spikes nearer than this are matched, ms.")] = 5.0,
    jobs: Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw OUT/compare.png.")] = True,
) -> None:
    """Hold experiments or results against the first of them. What differs by more than chance, and what each costs."""
    from couple.analysis.compare.comparison import compare as held_against
    from couple.analysis.compare.folder import comparison_folder
    from couple.analysis.compare.report import show
    from couple.analysis.compare.sides import refuse_unreadable, requests, side_of
    from couple.chemistry.lattice_units import GivenTime

    wanted = requests(what, overrides or ())
    if len(wanted) > len(LABELS):
        raise InputError(f"{len(wanted)} sides: give at most {len(LABELS)}", where="compare")
    if not within > 0:
        raise InputError(f"{within:g} ms: give a time above 0", where="--match")
    end, begin = None if until is None else GivenTime.read(until, "--until"), GivenTime.read(start, "--from")
    refuse_unreadable(wanted)
    sides, picture = [], None
    writes = figure or any(request.is_experiment for request in wanted)
    with comparison_folder(folder) if writes else nullcontext(Path()) as at:
        with bar_of(as_json) as bar:
            for label, request in zip(LABELS, wanted, strict=False):
                task = bar.add_task("run", at=f"{label}: starting", speed="", total=None)

                def update(done: int, total: int, task: int = task, label: str = label) -> None:
                    bar.update(task, completed=done, total=total, at=f"{label}: {done} of {total} runs")  # type: ignore[arg-type]

                try:
                    side = side_of(
                        label,
                        request,
                        runs=runs,
                        seed=seed,
                        folder=at,
                        until=end,
                        of=quantity,
                        jobs=jobs,
                        progress=update,
                    )
                except Interrupted as error:
                    made = str(error).partition(";")[0]
                    message = f"{label}: {made}; they are kept: give the same command again, with --out {at}"
                    raise Interrupted(message, error.signal) from None
                sides.append(side)
        start_at = begin.on(sides[0].time_unit)
        found = held_against(sides, start=start_at, threshold=threshold, within=within, of=quantity)
        if figure:
            from couple.analysis.compare.picture import draw

            picture = draw(found, at / "compare.png")
    if as_json:
        print_json({**found.json(), "figure": None if picture is None else str(picture)})
        return
    show(found, out)
    if picture is not None:
        out.print(escape(f"figure in {picture}"))
