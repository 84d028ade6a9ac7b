"""Pictures on the disk: whole or not at all, and known as ours by what their metadata say."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from couple.base.errors import InputError, RunError
from couple.base.regular_file import open_device
from couple.storage.atomic_file import is_regular, replace
from couple.storage.folder.contents import LOCK, PICTURE, is_picture
from couple.storage.folder.lock import locked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METADATA = {"png": {"Software": PICTURE}, "pdf": {"Creator": PICTURE}, "svg": {"Creator": PICTURE}}
_OF_AN_OUTPUT = ("checkpoint.h5", "results.h5", "sampling.json", "ensemble.h5", "model.h5", LOCK)
"""One of these makes a folder one that a command may be writing into."""


def write_picture(drawing: Figure, path: Path, dpi: float) -> Path:
    """The path, at which the picture is now, in the format of its suffix. dpi: of pixels.

    In the folder of a run, an ensemble or a training its lock is taken. Raises InputError for a format that matplotlib
    does not write, for a folder that another process writes into, for a file there that is no picture of ours, and if
    the disk refuses.
    """
    form = path.suffix[1:].lower() or "png"
    content = io.BytesIO()
    _make_drawable(drawing)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # drawn as a box
            drawing.savefig(content, format=form, dpi=dpi, metadata=_METADATA.get(form))
    except ValueError as error:
        raise InputError(f"cannot be drawn: {error}", where=str(path)) from None
    return put_picture(path, content.getvalue())


def _make_drawable(drawing: Figure) -> None:
    """Spell the bytes of names of files that are no text, which matplotlib fails on."""
    from matplotlib.text import Text

    for text in drawing.findobj(Text):
        said = text.get_text()
        if (spelt := said.encode("utf-8", "backslashreplace").decode()) != said:
            text.set_text(spelt)


def put_picture(path: Path, content: bytes) -> Path:
    """The path, at which the content of a picture or movie is now. Raises as `write_picture`."""
    try:
        with _writing_beside(path):
            _put(path, content)
    except RunError as error:
        raise InputError(str(error).removeprefix(f"{path}: "), where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(path)) from None
    return path


@contextmanager
def _writing_beside(path: Path) -> Iterator[None]:
    """With the lock of the folder, if it is one of ours."""
    if any((path.parent / name).exists() for name in _OF_AN_OUTPUT):
        with locked(path.parent):
            yield
    else:
        yield


def _put(path: Path, content: bytes) -> None:
    """Replace a picture; what is no file (a device) is written to, also through a link that its owner made for that."""
    if is_regular(path) and path.stat().st_size > 0 and not is_picture(path):
        raise InputError("was not drawn by couple: remove it, or give another name", where=str(path))
    if path.exists() and not path.is_file():
        with open_device(path) as file:
            file.write(content)
    else:
        replace(path, content)
