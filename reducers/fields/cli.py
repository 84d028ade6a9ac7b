"""What `couple train` and `couple model` do with fields."""

from __future__ import annotations

import json
from pathlib import Path

from couple import checkpoint
from couple.errors import InputError
from couple.terminal import out
from couple.toml import read_toml
from reducers.fields.blocks import is_field
from reducers.fields.model import FieldModel, holds_field
from reducers.fields.report import figure, report_lines
from reducers.fields.training import FieldTraining
from reducers.training import CHECKPOINT, MODEL, Training

__all__ = ["FieldTraining", "field_report", "holds_field", "kind_of"]


def kind_of(file: Path | None, resume: Path | None) -> type[Training] | type[FieldTraining]:
    """Who trains a file, or the checkpoint in a folder. Raises InputError for what cannot be read."""
    if file is not None:
        return FieldTraining if is_field(read_toml(file)) else Training
    assert resume is not None
    place = resume / CHECKPOINT if resume.is_dir() else resume
    head = checkpoint.read(place).get("training", {})
    if "content" not in head:
        raise InputError("is not the checkpoint of a training", where=str(place))
    return FieldTraining if is_field(json.loads(str(head["content"]))) else Training


def field_report(path: Path, *, draw: bool | Path = True, show: bool = True, as_json: bool = False) -> None:
    """Print what a model is; draw it (beside the model, or into a picture)."""
    place = path / MODEL if path.is_dir() else path
    model = FieldModel.read(place)
    lines = report_lines(model)
    if as_json:
        out.print_json(json.dumps(dict(lines)))
    elif show:
        width = max(len(what) for what, _ in lines)
        for what, value in lines:
            out.print(f"{what:<{width}}  {value}", markup=False)
    if draw:
        picture = figure(model, draw if isinstance(draw, Path) else place.with_suffix(".png"))
        if show and not as_json:
            out.print(str(picture), markup=False)
