"""`couple schema`: the JSON schema of an experiment file, for editors that complete and check TOML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from couple.base import registry
from couple.base.errors import MissingDependencyError
from couple.cli.output.console import out


def schema(
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it into a file.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON schema of experiment files: all keys, with those of the engines that are installed."""
    from couple.storage.atomic_file import replace

    text = json.dumps(experiment_schema(), indent=1)
    if output is not None:
        replace(output, f"{text}\n".encode())
    else:
        out.print(text, markup=False, highlight=False)


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
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "couple experiment", **found}


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
