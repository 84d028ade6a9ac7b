"""The parts of the page that are read: summary, warnings, books, provenance."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

from couple.analysis.report.lines import ensemble_facts, run_facts
from couple.base.html.ledger import books_html
from couple.base.html.tables import html_table
from couple.base.regular_file import read_regular
from couple.ensemble.ensemble import Ensemble
from couple.experiment.understood.input_files import from_json
from couple.storage.records.record_file import Recording
from couple.storage.records.results import Results
from couple.storage.run.run_folder import SUMMARY


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table that scrolls by itself where it is wider than the page."""
    return f'<div class="wide">{html_table(head, rows)}</div>'


def summary_table(recording: Recording) -> str:
    """What was run, how long, what came out."""
    facts = run_facts(recording) if isinstance(recording, Results) else []
    facts = ensemble_facts(recording) if isinstance(recording, Ensemble) else facts
    return table(("", ""), facts)


def warnings_list(recording: Recording) -> str:
    """Those of the wiring and of the run, from summary.json beside the results; "" without any."""
    file = recording.path.with_name(SUMMARY)
    try:
        found = json.loads(read_regular(file)).get("warnings", [])
    except (OSError, ValueError, AttributeError):
        return ""
    return "<ul>" + "".join(f"<li>{html.escape(str(one))}</li>" for one in found) + "</ul>" if found else ""


def ledger_tables(results: Results) -> str:
    """The books, with the largest imbalance."""
    return f'<div class="wide">{books_html(results.ledger())}</div>'


def provenance(recording: Recording) -> str:
    """Versions, files with their SHA-256, and the experiment as it was understood."""
    attributes = recording.file.attrs
    versions = recording.file["versions"].attrs if "versions" in recording.file else {}
    parts = [table(("version of", ""), [(k, str(v)) for k, v in versions.items()])]
    files = from_json(str(attributes.get("inputs", "[]")))
    if files:
        parts.append(
            table(("key", "file", "SHA-256"), [(f.key or f.role, f.given or f.path.name, f.sha256) for f in files])
        )
    text = html.escape(str(attributes["experiment"]))
    parts.append(f"<details><summary>The experiment, as it was understood</summary><pre>{text}</pre></details>")
    return "\n".join(parts)
