"""`couple doctor`: what this machine has, and what to do about the rest."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.markup import escape

from couple.terminal import Json, out

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(as_json: Json = False) -> None:
    """Look at Python, packages, compiler, NEURON, MPI, DOLFINx, cores and disk; exit code 1 if something fails."""
    from couple.doctor import examine

    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            mark = f"[{_COLOURS[finding.status]}]{finding.status:4}[/]"
            advice = f" -> {finding.advice}" if finding.advice else ""
            out.print(f"{mark}  {finding.name:<18}{escape(finding.found)}{escape(advice)}")
    if as_json:
        out.print_json(json.dumps([asdict(finding) for finding in found]))
    if any(finding.status == "fail" for finding in found):
        raise typer.Exit(1)
