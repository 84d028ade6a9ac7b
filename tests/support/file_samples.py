"""A small file of every format that messages name, made in a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from couple.base.formats import FormatName
from support.paths import EXAMPLES, SUPPORT


def _hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x"] = [1.0]
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.txt", "a")
    return buffer.getvalue()


def _numpy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 2)))
    return buffer.getvalue()


SBML = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a model -->
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1"><model id="m"/></sbml>
"""
BNGL = """# a dimer
begin model
begin parameters
  k 1
end parameters
begin molecule types
  A(b)
end molecule types
end model
generate_network({overwrite=>1})
"""
NET = """begin parameters
    1 k 1
end parameters
begin species
    1 A() 100
end species
begin reactions
    1 1 0 k
end reactions
"""

SAMPLES: dict[FormatName, Callable[[], bytes]] = {
    "hdf5": _hdf5,
    "gzip": lambda: gzip.compress(b"a" * 100),
    "zip": _zip,
    "bzip2": lambda: bz2.compress(b"a"),
    "xz": lambda: lzma.compress(b"a"),
    "numpy": _numpy,
    "pickle": lambda: pickle.dumps({"a": [1, 2]}),
    "pdf": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "image": lambda: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "program": lambda: b"\x7fELF\x02\x01\x01\x00",
    "sqlite": lambda: b"SQLite format 3\x00\x10\x00",
    "stl": lambda: (
        b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"
    ),
    "ply": lambda: b"ply\nformat ascii 1.0\nelement vertex 3\n",
    "off": lambda: b"OFF\n# a triangle\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
    "obj": lambda: b"# a triangle\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "vtk": lambda: b"# vtk DataFile Version 3.0\na\nASCII\nDATASET POLYDATA\n",
    "utf16": lambda: "[experiment]\n".encode("utf-16"),
    "sbml": lambda: SBML.encode(),
    "neuroml": lambda: b'<neuroml xmlns="http://www.neuroml.org/schema/neuroml2" id="x"></neuroml>',
    "cellml": lambda: b'<?xml version="1.0"?><model xmlns="http://www.cellml.org/cellml/1.0#" name="x"/>',
    "xml": lambda: b'<?xml version="1.0"?><plist version="1.0"/>',
    "html": lambda: b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
    "gmsh": lambda: b"$MeshFormat\n4.1 0 8\n$EndMeshFormat\n",
    "net": lambda: NET.encode(),
    "bngl": lambda: BNGL.encode(),
    "mod": lambda: (SUPPORT / "mod" / "pump.mod").read_bytes(),
    "swc": lambda: b"# soma\n1 1 0 0 0 8 -1\n2 3 0 -8 0 1 1\n3 3 0 -60 0 0.6 2\n",
    "asc": lambda: b'("CellBody"\n  (Color Red)\n  (CellBody)\n  (1 2 3 4)\n)\n',
    "experiment": lambda: (EXAMPLES / "spine" / "spine.toml").read_bytes(),
    "training": lambda: (EXAMPLES / "sk" / "train.toml").read_bytes(),
    "toml": lambda: b'species.A = {}\ninitial.A = "1 uM"\n',
    "json": lambda: json.dumps({"a": [1, 2, {"b": None}]}).encode(),
    "hoc": lambda: (EXAMPLES / "hoc" / "cell.hoc").read_bytes(),
    "python": lambda: (EXAMPLES / "spine" / "cell.py").read_bytes(),
    "yaml": lambda: b"name: x\nsites:\n  - a\n",
    "csv": lambda: b"time,v\n0,1\n1,2.5\n",
}
"""Format → the content of a file that has it."""


def write(folder: Path, name: FormatName, suffix: str) -> Path:
    """A file of a format under a name that promises another."""
    path = folder / f"{name}{suffix}"
    path.write_bytes(SAMPLES[name]())
    return path
