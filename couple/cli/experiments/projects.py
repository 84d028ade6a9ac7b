"""`couple init` and `couple examples`: something to begin with, wherever the package is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from couple.cli.output.console import out, table

examples = typer.Typer(invoke_without_command=True, help="The examples that come with couple.", rich_markup_mode=None)


def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="The new folder.", show_default=False)],
    template: Annotated[
        str, typer.Option("--template", metavar="KIND", help="spine, swc, hoc, network, or train.")
    ] = "spine",
) -> None:
    """Begin an experiment: a folder with a commented TOML file and all that it needs."""
    from couple.projects.templates import TEMPLATES, start_project

    made = start_project(folder, template)
    chosen = TEMPLATES[template]
    out.print(f"{made}: {chosen.about}", markup=False)
    if chosen.command == "run":
        out.print(f"next: couple check {folder}", markup=False)
    out.print(f"      couple {chosen.command} {folder}" if chosen.command == "run" else f"next: couple train {folder}")


@examples.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_examples()


@examples.command("list")
def list_examples() -> None:
    """All examples, by the names that `couple run` and `couple examples copy` take."""
    from couple.projects.examples import examples as installed

    table([(name, one.title) for name, one in installed().items()])


@examples.command("copy")
def copy(
    name: Annotated[str, typer.Argument(help="Of the example.", show_default=False)],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where its folder is made.")] = Path(),
) -> None:
    """Copy an example, and other examples whose files it uses, to change it."""
    from couple.projects.examples import copy_examples, example

    for made in copy_examples(example(name), to):
        out.print(str(made), markup=False)
