"""`couple repack`: a file in one piece, with a seal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json, out
from couple.cli.output.document import print_json, prints


@prints("couple.cli.output.documents:RepackedOutput")
def repack(
    file: Annotated[Path, typer.Argument(help="The HDF5 file.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Where to write it.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Write a file of couple anew, in one piece and sealed: results over ranks, or a file without a seal."""
    from couple.files.repack import repack as written

    kind = written(file, new)
    if as_json:
        print_json({"file": str(new), "kind": kind})
    else:
        out.print(f"{new}: {kind}", markup=False)
