"""`couple view`: a result folder in the browser."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json, out
from couple.cli.output.document import prints


@prints("couple.cli.output.documents:AddressOutput")
def view(
    results: Annotated[
        Path, typer.Argument(help="The folder of a run or ensemble, also of one that goes on.", show_default=False)
    ],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of 127.0.0.1; 0: any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Serve a result folder on 127.0.0.1: the report, or, of a run that goes on, curves, progress and a stop button.

    The address that is printed has a token: whoever has not got it is refused. Ctrl-C ends it; the run goes on.
    """
    import webbrowser

    from couple.analysis.view import Viewer
    from couple.base.signals import Stop

    viewer, stop = Viewer(results, port), Stop()
    with stop.listening(), viewer.serving():
        if as_json:
            print(json.dumps({"address": viewer.address, "port": viewer.port}), flush=True)
        else:
            out.print(f"{viewer.address}  (Ctrl-C ends)", markup=False)
        if browser:
            webbrowser.open(viewer.address)
        while stop.signal is None:
            time.sleep(0.1)
