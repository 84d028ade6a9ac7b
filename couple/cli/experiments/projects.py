"""`couple init` and `couple examples`: something to begin with, wherever the package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import Json, out, table
from couple.cli.output.document import print_json, prints

examples = typer.Typer(invoke_without_command=True, help="The examples that come with couple.", rich_markup_mode=None)


@prints("couple.cli.output.documents:ProjectOutput")
def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="The new folder.", show_default=False)],
    template: Annotated[
        str, typer.Option("--template", metavar="KIND", help="spine, swc, hoc, network, train, or infer.")
    ] = "spine",
    as_json: Json = False,
) -> None:
    """Begin an experiment: a folder with a commented TOML file and all that it needs."""
    from couple.projects.templates import TEMPLATES, start_project

    made = start_project(folder, template)
    chosen = TEMPLATES[template]
    steps = [f"couple check {folder}"] * (chosen.command == "run") + [f"couple {chosen.command} {folder}"]
    if as_json:
        print_json({"file": str(made), "about": chosen.about, "next": steps})
        return
    out.print(f"{made}: {chosen.about}", markup=False)
    for word, step in zip(("next: ", "      "), steps, strict=False):
        out.print(f"{word}{step}", markup=False)


@examples.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_examples()


@examples.command("list")
@prints("couple.cli.output.documents:Examples")
def list_examples(as_json: Json = False) -> None:
    """All examples, by the names that `couple run` and `couple examples copy` take."""
    from couple.projects.examples import examples as installed

    found = installed()
    if as_json:
        print_json([{"name": name, "title": one.title} for name, one in found.items()])
    else:
        table([(name, one.title) for name, one in found.items()])


@examples.command("copy")
@prints("couple.cli.output.documents:FolderOutput")
def copy(
    name: Annotated[str, typer.Argument(help="Of the example.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where its folder is made.")] = Path(),
    as_json: Json = False,
) -> None:
    """Copy an example, and other examples whose files it uses, to change it."""
    from couple.projects.examples import copy_examples, example

    made = [str(folder) for folder in copy_examples(example(name), to)]
    if as_json:
        print_json({"folders": made})
        return
    for folder in made:
        out.print(folder, markup=False)
