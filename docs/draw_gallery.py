"""Draw the figures of the gallery and measure what each example takes: `uv run python docs/draw_gallery.py [NAME ...]`.

Figures go into docs/gallery (not kept in git), times into docs/gallery.json.
"""

from __future__ import annotations

import json
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Example:
    """command: what is typed. figure: that it leaves, or that `couple plot` makes of kind `kind`."""

    name: str
    title: str
    about: str
    folder: str
    file: str
    command: str
    kind: str = "traces"
    seconds: float = 0.0


EXAMPLES = [
    Example("spine", "One spine, particle by particle",
            "A synaptic train and a back-propagating spike let calcium into a head with 8,000 molecules.",
            "spine", "spine.toml", "couple run spine --out results/spine"),
    Example("spine_ode", "The same spine by mass action",
            "One word changed: the mean of what the lattice shows, without its noise.",
            "spine", "spine.toml", "couple run spine --set site.head.engine=ode --out results/spine_ode"),
    Example("morphology", "Ten spines on a reconstructed cell",
            "A spike runs back into the apical tree; the colour is the path distance.",
            "morphology", "morphology.toml", "couple run morphology --out results/morphology"),
    Example("hoc", "A HOC template with its MOD files",
            "Two branches whose calcium is the chemistry's instead of the model's pool.",
            "hoc", "hoc.toml", "couple run hoc --out results/hoc"),
    Example("plasticity", "STDP in 24 spines with CaMKII",
            "SK channels and CaMKII as learned models in every spine of a cell; twenty pairs at 5 Hz.",
            "plasticity", "plasticity.toml", "couple run plasticity --out results/plasticity"),
    Example("adaptive", "The accuracy that is needed",
            "A surrogate at rest, the lattice in the burst.",
            "adaptive", "burst.toml", "couple run adaptive --out results/adaptive"),
    Example("lotka_volterra", "Predators and prey on a lattice",
            "The lattice of the papers on dynamic Boltzmann distributions, in steps.",
            "lattice", "lotka_volterra.toml", "couple run lattice/lotka_volterra.toml --out results/lotka_volterra"),
]  # fmt: skip


def main(names: list[str]) -> None:
    """Run those that are named, or all; what was measured is written after each."""
    old = {one["name"]: one for one in json.loads((HERE / "gallery.json").read_text())["examples"]}
    (HERE / "gallery").mkdir(exist_ok=True)
    for example in EXAMPLES:
        example.seconds = old.get(example.name, {}).get("seconds", 0.0)
        if not names or example.name in names:
            with tempfile.TemporaryDirectory() as folder:
                _run(example, Path(folder))
            _write()


def _write() -> None:
    machine = f"one core of {platform.machine()} ({platform.system()}, Python {platform.python_version()})"
    content = {"machine": machine, "examples": [asdict(one) for one in EXAMPLES]}
    (HERE / "gallery.json").write_text(json.dumps(content, indent=1) + "\n")


def _run(example: Example, folder: Path) -> None:
    couple = [sys.executable, "-m", *shlex.split(example.command)]
    subprocess.run([*couple, "--until", "1 steps" if example.folder == "lattice" else "1 ms", "--no-figure", "--quiet",
                    "--out", "warm"], cwd=folder, check=False)  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*couple, "--quiet"], cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    example.seconds = round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)
    out = folder / example.command.rpartition("--out ")[2]
    (HERE / "gallery" / f"{example.name}.png").write_bytes((out / "figure.png").read_bytes())
    print(f"{example.name}: {example.seconds} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
