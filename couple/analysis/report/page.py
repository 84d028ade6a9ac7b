"""The page: its sections in order, with plotly's script and everything that they show inside."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from couple.analysis.report.curves import curve_figure, parameter_figures, spike_figure
from couple.analysis.report.particles import particle_view
from couple.analysis.report.shape import shape_view
from couple.analysis.report.tables import ledger_tables, provenance, summary_table, warnings_list
from couple.base.errors import MissingDependencyError
from couple.ensemble.ensemble import Ensemble
from couple.storage.folder.contents import REPORT
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results

HERE = Path(__file__).parent


def page_of(recording: Recording) -> str:
    """The report of a result or ensemble file, as HTML. Raises MissingDependencyError without plotly."""
    views: dict[str, Any] = {}
    body = "\n".join(_sections(recording, views))
    kind = "ensemble" if isinstance(recording, Ensemble) else "run"
    return whole_page(recording.name, f"{kind}, {recording.status}", body, views)


def plotly_script() -> str:
    """plotly's script for browsers, from its wheel. Raises MissingDependencyError without it."""
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError:
        raise MissingDependencyError(
            "a page in the browser needs plotly, which is not installed: uv pip install plotly"
        ) from None
    return str(get_plotlyjs())


def _sections(recording: Recording, views: dict[str, Any]) -> Iterator[str]:
    """HTML of each section that has something to show; what its script draws goes into `views` by the section's id."""
    yield section("summary", "Summary", summary_table(recording))
    yield section("warnings", "Warnings", warnings_list(recording))
    makers = {
        "traces": ("Over time", curve_figure),
        "spikes": ("Spikes", spike_figure),
        "parameters": ("Over parameters", parameter_figures),
        "shape": ("In space", shape_view),
        "particles": ("Particles", particle_view),
    }
    for name, (title, make) in makers.items():
        found = make(recording)
        if found is not None:
            views[name] = found
            note = f'<p class="note">{html.escape(found["note"])}</p>' if found.get("note") else ""
            yield section(name, title, f'{note}<div class="view" id="view-{name}"></div>')
    if isinstance(recording, Results):
        yield section("ledger", "Ledger", ledger_tables(recording))
    yield section("provenance", "Provenance", provenance(recording))


def section(name: str, title: str, content: str) -> str:
    """A section of the page; nothing without content."""
    return f'<section id="{name}"><h2>{html.escape(title)}</h2>\n{content}\n</section>' if content else ""


def whole_page(name: str, about: str, body: str, views: Mapping[str, Any]) -> str:
    """A page that needs nothing else. body: HTML of its sections. views: id of a section → what its script draws in
    `view-ID`. Raises MissingDependencyError without plotly."""
    title, script = html.escape(name), plotly_script()
    data = json.dumps(views, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">{REPORT}<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{(HERE / "report.css").read_text()}</style></head>
<body><header><h1>{title}</h1><p>{html.escape(about)}</p></header>
<main>
{body}
</main>
<script>{script}</script>
<script type="application/json" id="views">{data}</script>
<script>{(HERE / "report.js").read_text()}</script>
</body></html>
"""
