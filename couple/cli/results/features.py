"""`couple features`: numbers of a run or an ensemble."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from couple.base.errors import InputError
from couple.cli.output.console import Json
from couple.cli.output.console import table as print_table
from couple.cli.output.document import print_json, prints

if TYPE_CHECKING:
    from couple.analysis.features import FeatureTable
    from couple.experiment.features import FeatureBlock
    from couple.storage.records.record_file import Recording


@prints("couple.cli.output.documents:Features")
def features(
    results: Annotated[
        Path, typer.Argument(help="results.h5 or ensemble.h5, or the folder of one.", show_default=False)
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            "--from", help="A TOML file with [features] (default: those of the experiment).", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a .csv, a line for each run.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Take numbers from what was recorded: peaks, areas, spikes, features of eFEL, functions of your own."""
    from couple.analysis.features import features as measured
    from couple.ensemble.open_recording import open_recording
    from couple.storage.folder.given_file import put_given

    with open_recording(results) as recording:
        blocks, folder = _asked(recording, file)
        found = measured(recording, blocks, folder)
    if output is not None:
        put_given(output, found.to_csv().encode())
    if as_json:
        print_json({name: _as_json(found, name) for name in found.values})
    else:
        print_table([(name, _line(found, name)) for name in found.values])


def _asked(recording: Recording, file: Path | None) -> tuple[dict[str, FeatureBlock], Path]:
    """The features, and the folder in which paths in them start. Raises InputError if there are none."""
    from pydantic import TypeAdapter, ValidationError

    from couple.base.schema import explain
    from couple.base.toml import read_toml
    from couple.experiment.features import FeatureBlock
    from couple.experiment.understood.input_files import from_json
    from couple.experiment.understood.resolved import read_resolved

    if file is None:
        content, where = read_resolved(str(recording.file.attrs["experiment"])), str(recording.path)
        origins = [f.path for f in from_json(str(recording.file.attrs.get("inputs", "[]"))) if f.role == "experiment"]
        folder = origins[0].parent if origins else Path()
    else:
        content, where, folder = read_toml(file, "a TOML file with [features]"), str(file), file.parent
    given = content.get("features")
    if not given:
        raise InputError(
            'has no [features], as in features.top = { of = "head.Ca", measure = "peak" }: give --from FILE',
            where=where,
        )
    try:
        table = TypeAdapter(dict[str, dict[str, FeatureBlock]]).validate_python({"features": given})
    except ValidationError as error:
        raise explain(error, {"features": given}).inside(where) from None
    return table["features"], folder


def _line(found: FeatureTable, name: str) -> str:
    """Value and unit; of an ensemble mean, standard error, and the runs that have one."""
    mean, error, n = found.summary(name)
    unit = f" {found.units[name]}" if found.units[name] not in ("", "1") else ""
    if len(found.runs) == 1:
        return "none" if n == 0 else f"{mean:.6g}{unit}"
    if n == 0:
        return f"none in {len(found.runs)} runs"
    some = "" if n == len(found.runs) else f", {len(found.runs) - n} without"
    return f"{mean:.6g}{unit}" + (f" +- {error:.2g}" if math.isfinite(error) else "") + f" ({n} runs{some})"


def _as_json(found: FeatureTable, name: str) -> dict[str, Any]:
    values = found.values[name].tolist()
    return {"unit": found.units[name], "values": [None if math.isnan(v) else v for v in values]}
