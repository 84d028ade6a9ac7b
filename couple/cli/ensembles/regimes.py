"""`couple regimes FILE`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from couple.cli.output.document import print_json, prints

if TYPE_CHECKING:
    from couple.analysis.regimes.compare import RegimeComparison

_err = Console(stderr=True, highlight=False, soft_wrap=True)
_out = Console(highlight=False, soft_wrap=True)


@prints("couple.cli.output.documents:RegimesOutput")
def regimes(
    file: Annotated[Path, typer.Argument(help="The experiment, a TOML file without [neuron].", show_default=False)],
    quantity: Annotated[str | None, typer.Option("--of", help="Species or observable that is compared.")] = None,
    site: Annotated[str | None, typer.Option(help="The site (default: the first).")] = None,
    engines: Annotated[str | None, typer.Option(help='Engines, as in "cme ssa ode" (default: all).')] = None,
    against: Annotated[str | None, typer.Option(help="The engine that the others are held against.")] = None,
    runs: Annotated[int, typer.Option(min=2, help="Runs of each stochastic engine.")] = 200,
    seconds: Annotated[float, typer.Option(min=0, help="CPU time after which an engine makes no more runs.")] = 30.0,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="The picture (default: FILE's name with .png, here).")
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    figure: Annotated[bool, typer.Option("--figure/--no-figure", help="Draw the map.")] = True,
) -> None:
    """Run one chemistry through every engine that can express it. Moments, what differs, CPU time, and a map."""
    from couple.analysis.regimes.compare import compare
    from couple.experiment import Experiment

    experiment = Experiment.load(file, overrides or ())
    chosen = engines.replace(",", " ").split() if engines else None
    with _err.status("starting") as status:
        found = compare(
            experiment, quantity=quantity, site=site, engines=chosen, against=against, runs=runs, seconds=seconds,
            progress=lambda name: status.update(f"running {name}"),
        )  # fmt: skip
    picture = None
    if figure:
        from couple.analysis.regimes.picture import draw

        picture = draw(found, output or Path(f"{file.stem}.png"))
    if as_json:
        print_json({**found.json(), "figure": None if picture is None else str(picture)})
        return
    for line in table(found):
        _out.print(escape(line))
    if picture is not None:
        _out.print(escape(f"map in {picture}"))


def table(found: RegimeComparison) -> list[str]:
    """Lines of the table."""
    head = ["engine", "mean", "+-", "variance", "+-", "mean off", "variance off", "CPU/run", "runs", ""]
    body = []
    for row in found.rows:
        e = row.ensemble
        k = e.quantities.index(found.quantity)
        same = "reference" if e.engine == found.reference else "not judged"
        verdict = same if row.differs is None else "DIFFERS" if row.differs else "not distinguished"
        body.append([
            e.engine, f"{row.mean:.5g}", f"{e.mean_error[k]:.2g}" if e.runs else "",
            "" if e.deterministic else f"{row.variance:.4g}", f"{e.variance_error[k]:.2g}" if e.runs else "",
            _z(row.mean_z), _z(row.variance_z), f"{e.seconds * 1e3:.3g} ms", str(e.runs or ""), verdict,
        ])  # fmt: skip
    widths = [max(len(line[c]) for line in [head, *body]) for c in range(len(head))]
    lines = [
        f"{found.name}: {found.quantity} after {found.time:g} ms; off in standard errors from {found.reference}, "
        f"different above {found.bound:.2f}",
        f"time to mix / time to react: {found.damkoehler:.3g}",
        *("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in [head, *body]),
    ]
    notes = [f"{row.ensemble.engine}: {warning}" for row in found.rows for warning in row.ensemble.warnings]
    return lines + notes + [f"{r.engine}: not run: {r.reason}" for r in found.refusals]


def _z(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.1f}"
