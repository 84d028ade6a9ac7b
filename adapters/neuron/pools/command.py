"""`couple import-pool`: the calcium pool of a MOD file, or of sections of a model, as chemistry and sites."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from couple.base.errors import InputError, nearest
from couple.base.regular_file import real_path
from couple.cli.output.console import Json
from couple.cli.output.document import print_json, prints
from couple.storage.folder.given_file import put_given

if TYPE_CHECKING:
    from adapters.neuron.pools.blocks import PooledSegments

CELSIUS = 6.3
"""NEURON's own temperature."""
HEAD = """# made by: couple import-pool {source} --model {model}
[experiment]
name = "{name}"
duration = "500 ms"
exchange = "0.025 ms"
[neuron]
model = "{model}"
{mechanisms}dt = "0.025 ms"
cai_writers = "remove"
[record]
every = "0.1 ms"
voltages = ["{voltage}"]
"""


@prints("couple.cli.output.documents:ImportedOutput")
def import_pool(
    source: Annotated[str, typer.Argument(help="FILE.mod, or sections of a model: soma, apical*.", show_default=False)],
    model: Annotated[
        str, typer.Option("--model", help="The model of SOURCE's sections, as neuron.model takes it.")
    ] = "",
    mechanisms: Annotated[list[Path] | None, typer.Option("--mechanisms", help="Its MOD files or folders.")] = None,
    mechanism: Annotated[str, typer.Option("--mechanism", help="Of several pools, the one that is meant.")] = "",
    engine: Annotated[str, typer.Option("--engine", help="Of the sites.")] = "ode",
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write to this file; with --model an experiment that runs.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read depth, tau, gamma and rest of a calcium pool into [chemistry], [[site]] and [[link]]."""
    from adapters.neuron.pools.blocks import pool_blocks

    given = mechanisms or []
    pools = _in_model(source, model, given, mechanism) if model else _of_file(source)
    text = pool_blocks(pools, engine)
    if model and output is not None:
        text = _head(source, model, given, pools, output) + text
    elif not model:
        text = '# neuron.cai_writers = "remove" takes the pool itself out\n' + text
    if output is not None:
        if output.exists():
            raise InputError(f'"{output}" is there already: give another name', where="--out")
        put_given(output, text.encode())
    if as_json:
        print_json({"text": text, "file": None if output is None else str(output)})
    elif output is None:
        typer.echo(text, nl=False)


def _of_file(source: str) -> list[PooledSegments]:
    from adapters.neuron.pools.blocks import PooledSegments
    from adapters.neuron.pools.law import pool_law

    file = Path(source)
    if file.suffix != ".mod":
        raise InputError(f'"{source}" is no MOD file; for sections of a model give --model', where="SOURCE")
    if not file.is_file():
        there = [str(p) for p in file.parent.glob("*.mod")] if file.parent.is_dir() else []
        raise InputError(f'there is no file "{source}"; {nearest(source, there)}', where="SOURCE")
    text = file.read_text(encoding="utf-8", errors="replace")
    law = pool_law(text, file.name)
    if pool_law(text, file.name, {"celsius": CELSIUS + 10}).key != law.key:
        text = f"warning: {file.name} is worked out at {CELSIUS:g} degC, on which it depends: give --model"
        typer.echo(text, err=True)
    return [PooledSegments(law, "pool")]


def _in_model(source: str, model: str, mechanisms: list[Path], mechanism: str) -> list[PooledSegments]:
    from adapters.neuron.hoc.h import h
    from adapters.neuron.hoc.sections import all_sections, section_name
    from adapters.neuron.model import load_model
    from adapters.neuron.pools.in_model import pools_in
    from couple.components.model_spec import ModelSpec
    from couple.experiment.cells.neuron import Neuron
    from couple.wiring.cells.sections import stem

    file, function = Neuron(model=model, dt="0.025 ms").file_and_function
    made: Any = load_model(
        ModelSpec(Path(file), function, 0.025, celsius=None, v_init=None, mechanisms=tuple(mechanisms))
    )
    h.finitialize(-65)  # so that what INITIAL works out is there
    names = [section_name(section) for section in all_sections()]
    meant = [section for section in all_sections() if stem(source, section_name(section)) is not None]
    if not meant:
        raise InputError(f'no section of the model is called "{source}"; {nearest(source, names)}', where="SOURCE")
    found = pools_in(meant, mechanism)
    del made
    return found


def _head(source: str, model: str, mechanisms: list[Path], pools: list[PooledSegments], output: Path) -> str:
    """The rest of an experiment, its paths as they are seen from the folder of `output`."""
    file, _, function = model.partition(":")
    here = real_path(output).parent

    def seen(path: Path | str) -> str:
        return str(real_path(Path(path)).relative_to(here, walk_up=True))

    listed = ", ".join(f'"{seen(m)}"' for m in mechanisms)
    return HEAD.format(
        source=source, name=output.stem, model=f"{seen(file)}{':' if function else ''}{function}",
        mechanisms=f"mechanisms = [{listed}]\n" if mechanisms else "",
        voltage=pools[0].on[0] if "(" in pools[0].on[0] else f"{pools[0].on[0]}(0.5)",
    )  # fmt: skip
