"""`couple import-msm`: a transition matrix as chemistry, to read and to include."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.base.errors import InputError
from couple.base.toml_text import to_toml
from couple.cli.output.console import Json
from couple.cli.output.document import print_json, prints
from couple.storage.folder.given_file import put_given


@prints("adapters.chemistry_files.msm.documents:MatrixOutput")
def import_msm(
    file: Annotated[Path, typer.Argument(help="CSV, .npy, or TOML with a key matrix.", show_default=False)],
    lag: Annotated[str, typer.Option("--lag", help='Time of a transition, as "10 us"; TOML may have it.')] = "",
    name: Annotated[str, typer.Option("--name", help="Word before the names of states; by default the file's.")] = "",
    states: Annotated[str, typer.Option("--states", help="Their names, as C1,C2,O.")] = "",
    on: Annotated[str, typer.Option("--on", help="membrane or volume.")] = "",
    nearest: Annotated[bool, typer.Option("--nearest", help="Take the nearest rates where there are none.")] = False,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file, for chemistry.file of an experiment.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a Markov state model (a transition matrix over a lag) into species and reactions."""
    from adapters.chemistry_files.msm.transition_matrix import transition_rates

    given = {"lag": lag, "name": name, "states": [s.strip() for s in states.split(",") if s.strip()], "on": on}
    units = {key: value for key, value in given.items() if value} | ({"embed": "nearest"} if nearest else {})
    found, content = transition_rates(file, units)
    head = f"# {file.name}: the matrix of these rates differs from that of the file by {found.error:.2g} at most\n"
    text = head + to_toml(content)
    if output is not None:
        if output.exists():
            raise InputError(f'"{output}" is there already: give another name', where="--out")
        put_given(output, text.encode())
    if as_json:
        said = {"text": text, "file": None if output is None else str(output), "largest_difference": found.error}
        print_json(said)
    else:
        typer.echo(text if output is None else head[2:], nl=False)
