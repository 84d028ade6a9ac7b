"""`couple doctor`: what this machine has, and what to do about the rest."""

from __future__ import annotations

import itertools
from dataclasses import asdict

import typer
from rich.markup import escape

from couple.cli.output.console import Json, out
from couple.cli.output.document import print_json, prints
from couple.parallel.communicator import is_first_launched, launched_ranks, leave_ranks

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@prints("couple.cli.output.documents:Findings")
def doctor(as_json: Json = False) -> None:
    """Look at Python, packages, compiler, NEURON, MPI, DOLFINx, cores and disk; exit code 1 if something fails.

    After mpiexec -n N also at the ranks: whether they find each other, their MPI libraries and cores.
    """
    from couple.doctor import examine
    from couple.doctor.ranks import ranks

    found = []
    together = [*ranks()]
    if not is_first_launched():
        return
    if launched_ranks() > 1:
        leave_ranks()  # what is started now is no rank
    for finding in itertools.chain(together, examine()):
        found.append(finding)
        if not as_json:
            mark = f"[{_COLOURS[finding.status]}]{finding.status:4}[/]"
            advice = f" -> {finding.advice}" if finding.advice else ""
            out.print(f"{mark}  {finding.name:<18}{escape(finding.found)}{escape(advice)}")
    if as_json:
        print_json([asdict(finding) for finding in found])
    if any(finding.status == "fail" for finding in found):
        raise typer.Exit(1)
