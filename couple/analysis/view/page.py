"""The page that follows what goes on; its script asks for the state again and again."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPORT, HERE = Path(__file__).parents[1] / "report", Path(__file__).parent


def live_page(state: Mapping[str, Any]) -> str:
    """HTML. state: of `Followed`, for what is shown until the script has asked."""
    name = html.escape(str(state.get("name", "")))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>{(REPORT / "report.css").read_text()}{(HERE / "view.css").read_text()}</style></head>
<body><header><h1 id="name">{name}</h1><p id="status">{html.escape(str(state["kind"]))}, {state["status"]}</p></header>
<main>
<section id="progress">
<progress id="bar" max="1"></progress>
<p><span id="far"></span> <span id="left"></span></p>
<p><button id="stop" hidden>Stop and save</button> <span id="said" role="status"></span></p>
</section>
<section id="now" hidden><h2>Now</h2><div class="wide"><table id="values"></table></div></section>
<section id="traces" hidden><h2>Over time</h2><div class="view" id="view-traces"></div></section>
</main>
<script>{(HERE / "view.js").read_text()}</script>
</body></html>
"""
