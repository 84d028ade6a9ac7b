"""The report of a training as one HTML page: what was learned, its verdict, how the fit went, pictures."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from couple.analysis.report.numbers import plain
from couple.analysis.report.page import section, whole_page
from couple.analysis.report.tables import table
from couple.base.arrays import Floats
from couple.base.regular_file import read_regular, real_path
from couple.files.open_hdf5 import read_hdf5
from couple.files.seal import sealed_kind
from couple.storage.atomic_file import beginning
from couple.storage.scratch import scratch_folder
from reducers.training.folder import MODEL, MODEL_FORMATS, SUMMARY
from reducers.training.kinds import MODELS, kind_of_model


def training_page(given: Path) -> str | None:
    """HTML of the model at a path, or in the folder of a training; None if there is none.

    Raises InputError if it is damaged.
    """
    path = given / MODEL if given.is_dir() else given
    if sealed_kind(beginning(path) or b"") not in MODEL_FORMATS:
        return None
    views: dict[str, Any] = {}
    body = "\n".join(_sections(path, views))
    name = real_path(path).parent.name if path.name == MODEL else path.stem
    return whole_page(name, "training", body, views)


def _sections(path: Path, views: dict[str, Any]) -> Iterator[str]:
    summary, report = _summary(path), kind_of_model(path).report(path)
    verdict = str(summary.get("verdict", {}).get("text", ""))
    yield section("verdict", "Verdict", verdict and f"<p>{html.escape(verdict)}</p>")
    yield section("summary", "Summary", table(("", ""), report.lines))
    history = _history(path)
    if history.size > 1:
        views["fit"] = fit_figure(history)
        yield section("fit", "The fit", '<div class="view" id="view-fit"></div>')
    with scratch_folder("page") as folder:
        pictures = report.draw(folder / "model.png")
        shown = "\n".join(_picture(picture) for picture in pictures)
    yield section("pictures", "What was learned", shown)
    if summary:
        text = html.escape(json.dumps(summary, indent=1))
        yield section("provenance", "All numbers", f"<details><summary>{SUMMARY}</summary><pre>{text}</pre></details>")


def fit_figure(history: Floats) -> dict[str, Any]:
    """The gap between model and data by step, for plotly. history: (n_steps,)."""
    line = {"x": list(range(1, history.size + 1)), "y": plain(history), "mode": "lines", "name": "gap"}
    positive = bool((history[np.isfinite(history)] > 0).all())
    layout = {
        "height": 260,
        "showlegend": False,
        "xaxis": {"title": {"text": "step"}},
        "yaxis": {
            "title": {"text": "gap to the data"},
            "type": "log" if positive else "linear",
            "exponentformat": "power",
        },
    }
    return {"data": [line], "layout": layout}


def _history(path: Path) -> Floats:
    with read_hdf5(path, MODELS) as file:
        return np.asarray(file["history"], dtype=np.float64).ravel() if "history" in file else np.zeros(0)


def _summary(path: Path) -> dict[str, Any]:
    """Of the training whose model that is; empty without one."""
    try:
        content = json.loads(read_regular(path.with_name(SUMMARY)))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(path.stem)}" src="data:image/png;base64,{data}">'
