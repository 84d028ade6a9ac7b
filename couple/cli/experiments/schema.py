"""`couple schema`: the JSON schema of experiment files, for editors that complete TOML, and of what --json prints."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from couple.base import registry
from couple.base.errors import InputError, MissingDependencyError, nearest
from couple.cli.output.console import out
from couple.cli.output.document import document_schema, prints, written


@prints("couple.cli.output.documents:Schema")
def schema(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]", help="A command: the schema of what it prints with --json.", show_default=False
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it into a file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --out, print its name as JSON.")] = False,
) -> None:
    """Print the JSON schema of experiment files: all keys, with those of the engines that are installed. Of a COMMAND
    that of what it prints with --json.
    """
    from couple.storage.folder.given_file import put_given

    found = _of_command(context.find_root().command, words) if words else experiment_schema()
    text = json.dumps(found, indent=1, allow_nan=False)
    if output is not None:
        put_given(output, f"{text}\n".encode())
        if as_json:
            written(output, as_json)
    else:
        out.print(text, markup=False, highlight=False)


def _of_command(place: Any, words: list[str]) -> dict[str, Any]:
    """The schema of a command's JSON. Raises InputError if there is no such command."""
    for word in words:
        inner = getattr(place, "commands", {})
        if word not in inner:
            raise InputError(f'there is no command "{word}"; {nearest(word, inner)}', where="COMMAND")
        place = inner[word]
    found = document_schema(place.callback)
    if found is None:
        below = ", ".join(getattr(place, "commands", {}))
        raise InputError(f"{' '.join(words)} prints no JSON" + (f": give one of {below}" if below else ""))
    return {"title": f"couple {' '.join(words)} --json", **found}


FILE_UNITS = {
    "description": "of chemistry from a file, for what the file leaves open",
    "anyOf": [
        {
            "type": "object",
            "title": "of a BioNetGen or SBML file",
            "required": ["amount"],
            "additionalProperties": False,
            "properties": {
                "amount": {"type": "string", "description": 'of amounts: "count", or a concentration such as "uM"'},
                "volume": {
                    "type": "string",
                    "description": "of the compartment, where amounts are counts",
                    "examples": ["1 um^3"],
                },
                "time": {"type": "string", "description": "of rates; seconds if a BioNetGen file is read without it"},
            },
        },
        {
            "type": "object",
            "title": "of a transition matrix",
            "additionalProperties": False,
            "properties": {
                "lag": {"type": "string", "description": "time between the two states of a transition"},
                "name": {"type": "string", "description": "word before the names of states"},
                "states": {"type": "array", "items": {"type": "string"}, "description": "their names"},
                "on": {"enum": ["membrane", "volume"], "default": "membrane"},
                "embed": {
                    "enum": ["refuse", "nearest"],
                    "default": "refuse",
                    "description": "what becomes of a matrix that no constant rates have",
                },
            },
        },
    ],
}
"""`chemistry.units`, which the reader of the file takes away before the table is read."""


def experiment_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of an experiment file.

    Of an engine whose libraries are missing any key is allowed.
    """
    from couple.experiment import Experiment

    found: dict[str, Any] = Experiment.model_json_schema()
    definitions = found["$defs"]
    definitions["Chemistry"]["properties"]["units"] = FILE_UNITS
    tables = definitions["SiteBlock"]["properties"]
    tables.pop("options")
    for name in registry.names("couple.engines"):
        tables[name] = _options(name, definitions)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "couple experiment", **found}
    _drop_infinite_defaults(whole)
    return whole


def _drop_infinite_defaults(place: Any) -> None:
    """In place: JSON has no infinity, and readers of it refuse the whole file."""
    for one in place.values() if isinstance(place, dict) else place if isinstance(place, list) else ():
        _drop_infinite_defaults(one)
    if isinstance(place, dict) and isinstance(default := place.get("default"), float) and not math.isfinite(default):
        del place["default"]


def _options(engine: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Schema of the table of an engine, whose own definitions are added under its name.

    Nothing in it is required: in a file the table may be spread over several places, and stay there unused.
    """
    try:
        factory = registry.load("couple.engines", engine)
    except MissingDependencyError:
        return {"type": "object"}
    table: dict[str, Any] = factory.Options.model_json_schema(ref_template=f"#/$defs/{engine}.{{model}}")
    definitions |= {f"{engine}.{name}": one for name, one in table.pop("$defs", {}).items()}
    table.pop("required", None)
    return table
