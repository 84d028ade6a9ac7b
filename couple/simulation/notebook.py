"""A simulation in a notebook: what it is, and how far it is while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from couple.base.html.tables import html_table
from couple.wiring import Plan


def progress_html(name: str, time: float, end: float, unit: str) -> str:
    """A bar with the time below it."""
    bar = f"<progress value='{time:g}' max='{end:g}'></progress>"
    return bar + html_table((name,), [(f"{time:g} of {end:g} {unit}",)])


def simulation_html(plan: Plan, time: float) -> str:
    """How far it is, its sites with their engines, its links and warnings. time: of the plan's clock."""
    bar = progress_html(plan.experiment.experiment.name, time, plan.clock.time(plan.clock.windows), plan.clock.unit)
    sites = html_table(
        ("site", "engine", "volume [um^3]"), [(s.name, s.engine.kind, s.geometry.volume) for s in plan.sites]
    )
    links = html_table(("from", "to", "unit"), [(one.source, one.target, one.unit) for one in plan.links])
    told = html_table(("warnings",), [(warning,) for warning in plan.warnings])
    return bar + sites + (links if plan.links else "") + (told if plan.warnings else "")


def live_progress(name: str, unit: str) -> Callable[[float, float], None] | None:
    """What shows a bar below the cell that runs, in a notebook; None elsewhere."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import HTML, display

    shown: Any = display(HTML(progress_html(name, 0.0, 1.0, unit)), display_id=True)

    def update(time: float, end: float) -> None:
        shown.update(HTML(progress_html(name, time, end, unit)))

    return update
