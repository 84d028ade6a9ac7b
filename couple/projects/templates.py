"""New projects: an experiment with comments, and the files it needs, ready to be changed."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from couple.base.errors import InputError, nearest
from couple.projects.examples import HIDDEN, examples_folder


@dataclass(frozen=True)
class Template:
    """about: what it starts with. experiment: in the examples; its folder is what is copied. command: that runs it."""

    about: str
    experiment: str
    command: str = "run"


TEMPLATES = {
    "spine": Template("one spine on a cable, in Python; a synapse, calcium, SK channels", "spine/spine.toml"),
    "swc": Template("a morphology (SWC) with spines along its tree, without Python", "morphology/morphology.toml"),
    "hoc": Template("a HOC template with MOD files of its own", "hoc/hoc.toml"),
    "network": Template("cells with spines and connections, for one process or many ranks", "network/network.toml"),
    "train": Template("a reduced model that is learned from a well-mixed species", "reduce/decay.toml", "train"),
    "infer": Template(
        "parameters of a cell from its voltage, as a posterior (a first look: --set infer.simulations=2000)",
        "infer/hodgkin_huxley.toml",
        "infer",
    ),
}
NAME = re.compile(r"[A-Za-z][\w-]*")


def start_project(folder: Path, template: str) -> Path:
    """Make `folder` from a template: its experiment takes the folder's name. The experiment.

    Raises InputError if there is no such template, or something stands in the way.
    """
    if template not in TEMPLATES:
        raise InputError(f'no template "{template}"; {nearest(template, TEMPLATES)}', where="--template")
    name = folder.name
    if not NAME.fullmatch(name):
        raise InputError(f'"{name}" is no name for a project: letters, digits, _ and -, a letter first')
    if folder.exists():
        raise InputError(f"{folder} exists: nothing is replaced; give another name")
    source = examples_folder() / TEMPLATES[template].experiment
    folder.mkdir(parents=True)
    for path in _files(source):
        target = folder / path.relative_to(source.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    made = (folder / source.name).rename(folder / f"{name}.toml")
    made.write_text(_renamed(made.read_text(), source, name))
    return made


def _files(source: Path) -> list[Path]:
    """The experiment and the files it needs: all of its folder, but of other experiments only those that it names."""
    text = source.read_text()
    skipped = [p for p in source.parent.glob("*.toml") if p != source and p.name not in text]
    hidden = {found for pattern in HIDDEN for found in source.parent.rglob(pattern)}
    return [
        p
        for p in sorted(source.parent.rglob("*"))
        if p.is_file() and p not in skipped and not hidden.intersection([p, *p.parents])
    ]


def _renamed(text: str, source: Path, name: str) -> str:
    """The text of an experiment under another name: commands in its comments, and where results go."""
    folder = f"examples/{source.parent.name}/"
    text = (
        text.replace("uv run ", "").replace(f"{folder}{source.name}", f"{name}/{name}.toml").replace(folder, f"{name}/")
    )
    old = re.search(r'^name = "(.*)"$', text, flags=re.M)
    text = text if old is None else text.replace(f"results/{old[1]}-", f"results/{name}-")
    return re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.M)
