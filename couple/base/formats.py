"""What a file is, by its content: whoever is given the wrong one hears which it is and what is wanted in its place.

Names of files say what somebody meant; the first bytes say what is there. Nothing is executed, unpacked or trusted.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from couple.base.regular_file import open_regular

FormatName = Literal[
    "hdf5", "gzip", "zip", "bzip2", "xz", "numpy", "pickle", "pdf", "image", "program", "sqlite", "utf16",
    "sbml", "neuroml", "cellml", "xml", "html", "gmsh", "net", "bngl", "mod", "swc", "asc", "experiment", "training",
    "toml", "json", "hoc", "python", "yaml", "csv", "stl", "ply", "off", "obj", "vtk",
]  # fmt: skip

UNMISTAKABLE: frozenset[FormatName] = frozenset({
    "hdf5", "gzip", "zip", "bzip2", "xz", "numpy", "pickle", "pdf", "image", "program", "sqlite", "utf16",
    "sbml", "neuroml", "cellml", "xml", "html", "gmsh", "swc", "asc",
})  # fmt: skip
"""Formats that no source of Python, HOC or NMODL can be taken for."""

LOOKED_AT = 1 << 16
"""Bytes of a file that are looked at; formats of text say within a few lines what they are."""


class Format(NamedTuple):
    """A kind of file: words for a message ("an HDF5 file"), and what to do with one where another is wanted."""

    name: FormatName
    words: str
    advice: str = ""


_SURFACE = 'give it as geometry.mesh = "FILE" of a site, with geometry.mesh_unit'

FORMATS: dict[FormatName, Format] = {
    f.name: f
    for f in (
        Format("hdf5", "an HDF5 file", "couple show and couple plot take results, couple resume a checkpoint"),
        Format("gzip", "compressed by gzip", "unpack it first: gunzip"),
        Format("zip", "a ZIP archive", "unpack it first: unzip"),
        Format("bzip2", "compressed by bzip2", "unpack it first: bunzip2"),
        Format("xz", "compressed by xz", "unpack it first: unxz"),
        Format("numpy", "an array of NumPy (.npy)"),
        Format("pickle", "a pickle of Python", "pickles are never opened: they can run any program"),
        Format("pdf", "a PDF document"),
        Format("image", "a picture"),
        Format("program", "a compiled program or library"),
        Format("sqlite", "an SQLite database"),
        Format("utf16", "text in UTF-16", "save it as UTF-8"),
        Format("sbml", "an SBML model", 'give it as chemistry.file = "NAME.xml" in an experiment'),
        Format("neuroml", "a NeuroML document", "export the cell as SWC or HOC"),
        Format("cellml", "a CellML model", "convert it to SBML"),
        Format("xml", "an XML document"),
        Format("html", "a web page", "what was saved is the page, not the file behind its link"),
        Format("gmsh", "a mesh of gmsh", 'give it as geometry.mesh = "NAME.msh" of a site, with geometry.mesh_unit'),
        Format("net", "a network of BioNetGen (.net)", 'give it as chemistry.file = "NAME.net" in an experiment'),
        Format(
            "bngl",
            "a model in BioNetGen's language (.bngl)",
            "BioNetGen makes a network of it that can be read: add generate_network({overwrite=>1}), run BNG2.pl "
            "NAME.bngl, and give NAME.net",
        ),
        Format("mod", "a mechanism in NMODL (.mod)", 'give it as neuron.mechanisms = "NAME.mod" in an experiment'),
        Format("swc", "a morphology (.swc)", 'give it as neuron.model = "NAME.swc" in an experiment'),
        Format("asc", "a morphology of Neurolucida (.asc)", "convert it to SWC"),
        Format("experiment", "an experiment (TOML)", "couple run takes it"),
        Format("training", "a training (TOML)", "couple train takes it"),
        Format("toml", "a TOML file"),
        Format("json", "a JSON file"),
        Format("hoc", "a HOC file", 'give it as neuron.model = "NAME.hoc" in an experiment'),
        Format("python", "Python source", 'give it as neuron.model = "NAME.py:FUNCTION" in an experiment'),
        Format("yaml", "a YAML file"),
        Format("csv", "a table of numbers"),
        Format("stl", "a surface of triangles (.stl)", _SURFACE),
        Format("ply", "a mesh in PLY", _SURFACE),
        Format("off", "a mesh in OFF", _SURFACE),
        Format("obj", "a mesh in OBJ", _SURFACE),
        Format("vtk", "a mesh of VTK (.vtk)", _SURFACE),
    )
}

_SIGNATURES: tuple[tuple[bytes, FormatName], ...] = (
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x93NUMPY", "numpy"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\x7fELF", "program"),
    (b"\xcf\xfa\xed\xfe", "program"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"$MeshFormat", "gmsh"),  # the rest may be binary
    (b"ply\n", "ply"),
    (b"ply\r\n", "ply"),
    (b"# vtk DataFile", "vtk"),
    (b"\xff\xfe", "utf16"),
    (b"\xfe\xff", "utf16"),
)
_USER_BLOCKS = (512, 1024, 2048, 4096)
"""Where an HDF5 file may begin behind something of its owner's; checkpoints begin with a checksum."""
_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95|[\x00-\xff])")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def _begins(*tags: str) -> Callable[[str], bool]:
    """Whether the root of an XML document is one of these, whatever stands before it."""
    root = re.compile(
        rf"\A\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>|\s)*<(?:\w+:)?(?:{'|'.join(tags)})\b", re.S | re.I
    )
    return lambda text: root.match(text) is not None


def _has(*patterns: str) -> Callable[[str], bool]:
    """Whether each of the patterns fits the start of some line."""
    compiled = [re.compile(rf"^[ \t]*(?:{pattern})", re.M) for pattern in patterns]
    return lambda text: all(one.search(text) for one in compiled)


def _is_swc(text: str) -> bool:
    """Lines of seven numbers."""
    rows = [line.split("#", 1)[0].split() for line in text.splitlines()[:-1] or [text]]
    rows = [row for row in rows if row]
    point = re.compile(_NUMBER)
    return bool(rows) and all(len(row) >= 7 and all(point.fullmatch(word) for word in row[:7]) for row in rows[:50])


def _is_obj(text: str) -> bool:
    """Corners and faces, and nothing that OBJ does not know."""
    words = {line.split(None, 1)[0] for line in text.splitlines()[:-1] if line.strip() and line[0] != "#"}
    known = {"v", "vn", "vt", "vp", "f", "g", "o", "s", "l", "p", "usemtl", "mtllib"}
    return "v" in words and words <= known and bool(re.search(rf"^v[ \t]+{_NUMBER}[ \t]+{_NUMBER}[ \t]", text, re.M))


def _is_csv(text: str) -> bool:
    """Two lines and columns or more that commas, semicolons or tabs part, of numbers below a head."""
    rows = [re.split(r"[,;\t]", line) for line in text.splitlines()[:20] if line.strip() and line[0] != "#"]
    number = re.compile(rf"\s*(?:{_NUMBER}|nan)\s*")
    return (
        len(rows) > 1
        and len({len(row) for row in rows}) == 1 < len(rows[0])
        and all(number.fullmatch(word) for row in rows[1:] for word in row)
    )


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos > LOOKED_AT - 4096  # cut off where nobody looks any more
    except (ValueError, RecursionError):
        return False
    return True


def _tables(text: str) -> set[str] | None:
    """Names of the tables of a TOML file, None for another file; a file with a slip is told by its headings."""
    try:
        return {str(key) for key in tomllib.loads(text)}
    except (ValueError, RecursionError):
        heads = re.findall(r"^\s*\[{1,2}\s*([A-Za-z_][\w-]*)[\w\s.-]*\]{1,2}\s*(?:#.*)?$", text, re.M)
        keys = re.search(r"^[A-Za-z_][\w.-]*\s*=\s*\S", text, re.M)
        return set(heads) if heads and keys else None


def _is_experiment(text: str) -> bool:
    found = _tables(text)
    return found is not None and bool(found & {"experiment", "site"}) and "train" not in found


def _is_training(text: str) -> bool:
    found = _tables(text)
    return found is not None and "train" in found


_BY_TEXT: tuple[tuple[FormatName, Callable[[str], bool]], ...] = (
    ("sbml", _begins("sbml")),
    ("neuroml", _begins("neuroml", "morphml", "channelml")),
    ("cellml", _begins("model")),
    ("html", _begins("html")),
    ("xml", _begins(r"\w+")),
    ("gmsh", lambda text: text.lstrip().startswith("$MeshFormat")),
    ("stl", _has(r"solid\b", r"(?:facet\b|endsolid\b)")),
    ("off", lambda text: re.match(r"(?:COFF|NOFF|OFF)\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s+\d+\s", text) is not None),
    ("obj", _is_obj),
    ("net", _has(r"begin\s+(?:reactions\b|species\b[^\n]*\n\s*\d+\s)")),  # numbered: what the rules of a model make
    ("bngl", _has(r"begin\s+(?:model|molecule\s+types|reaction\s+rules|seed\s+species|species)\b")),
    ("mod", _has(r"(?:NEURON|TITLE\b.*|COMMENT\b.*)\s*\{?", r"(?:NEURON|PARAMETER|ASSIGNED|STATE|BREAKPOINT)\s*\{")),
    ("swc", _is_swc),
    ("asc", _has(r"\(\s*(?:CellBody|Dendrite|Axon|Apical|Color)\b")),
    ("json", _is_json),
    ("experiment", _is_experiment),
    ("training", _is_training),
    ("toml", lambda text: bool(_tables(text))),
    ("hoc", _has(r"\{?\s*(?:begintemplate\b|(?:proc|func)\s+\w+\s*\(\s*\)|create\s+\w+|load_file\s*\(|objref\s+\w+)")),
    ("python", _has(r"(?:import\s+\w+|from\s+[\w.]+\s+import\b|def\s+\w+\s*\(|class\s+\w+)")),
    ("csv", _is_csv),
    ("yaml", lambda text: len(re.findall(r"^[A-Za-z_][\w-]*:(?:\s|$)", text, re.M)) > 1),
)
"""In this order: what is told by less comes after what is told by more."""


def recognise(path: Path) -> Format | None:
    """The format of a file by its content; None for one that cannot be read, is empty, or of no kind known here."""
    try:
        with open_regular(path) as file:
            head = file.read(LOOKED_AT)
    except OSError:
        return None
    return recognise_content(head)


def recognise_content(head: bytes) -> Format | None:
    """The same of the first bytes of a file."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return FORMATS[name]
    if any(head[at:].startswith(_SIGNATURES[0][0]) for at in _USER_BLOCKS):
        return FORMATS["hdf5"]
    if _PICKLE.match(head):
        return FORMATS["pickle"]
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # no character that the end has cut
            return None
        text = head[: error.start].decode("utf-8-sig")
    if not text.strip() or "\x00" in text:
        return None
    return next((FORMATS[name] for name, fits in _BY_TEXT if fits(text)), None)


def instead_of(path: Path, *wanted: FormatName) -> str:
    """What a file is that is of none of the wanted formats, with what to do: "is an SBML model: ..."; "" if it is of
    one of them, or of no kind known here.
    """
    try:
        if path.is_file() and path.stat().st_size == 0:
            return "is empty"
    except OSError:
        return ""
    found = recognise(path)
    if found is None or found.name in wanted:
        return ""
    advice = found.advice.replace("NAME", path.stem)
    return f"is {found.words}" + (f" ({advice})" if advice else "")


def unmistakably(path: Path, *wanted: FormatName) -> str:
    """As `instead_of`, for source text, which may begin with anything: "" unless no source can look like that."""
    found = recognise(path)
    return instead_of(path, *wanted) if found is not None and found.name in UNMISTAKABLE else ""


def complaint(path: Path, expected: str, *wanted: FormatName, otherwise: str = "") -> str:
    """A message for a file that is not `expected` ("an experiment, a TOML file"): what it is in its place.

    wanted: formats that it may have. otherwise: what is wrong with it if it has one of these, or none that is known.
    """
    found = instead_of(path, *wanted)
    return f"{found}; {expected} is expected here" if found else otherwise or f"is not {expected}"
