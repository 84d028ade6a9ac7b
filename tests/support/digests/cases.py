"""The cases: examples, and experiments of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from support.digests.case import Case
from support.digests.texts import (
    BOX,
    CELL,
    CHECKPOINTS,
    CHEMISTRY,
    CLAMP,
    CYLINDER,
    DENDRITE,
    ENGINES,
    FEW_IONS,
    FEW_MOLECULES,
    HEAD_SITE,
    INFLUX,
    IONS,
    LOOP,
    MASKED,
    NECK,
    NET,
    NETWORK,
    NETWORK_SITES,
    NEURON,
    PAPER,
    RECORD,
    REPLAY,
    RUN_BLOCK,
    SBML,
    SITE,
    TRAIN_CAMKII,
    VOLTAGES,
)
from support.digests.words import (
    _FEW,
    CHECKPOINT,
    COMPARE,
    DURATION,
    EXAMPLES,
    LEFT_OUT,
    MPIEXEC,
    NOT_RUN,
    OUT,
    PROGRAM,
    PYTHON,
    REGIMES,
    RESUME,
    RUN,
    RUNS,
    SAMPLE,
    SCRIPTS,
    SET,
    SHORT,
    SHORT_TRAININGS,
    TRAIN,
    UNTIL,
)


def changes(overrides: Sequence[str]) -> tuple[str, ...]:
    """Options of a command line that change values of the experiment."""
    return tuple(word for override in overrides for word in (SET, override))


def example(name: str) -> str:
    """Its path on a command line."""
    return f"{{tree}}/{EXAMPLES}/{name}"


def of_examples() -> Iterator[Case]:
    """Every example, shortened."""
    for name, overrides in SHORT.items():
        yield Case(f"{EXAMPLES}/{name}", ((*RUN, example(name), OUT, "out", *changes(overrides)),))
    for name, overrides in SHORT_TRAININGS.items():
        yield Case(f"{EXAMPLES}/{name}", ((*TRAIN, example(name), OUT, "out", *changes(overrides)),))
    for name, arguments in SCRIPTS.items():
        yield Case(f"{EXAMPLES}/{name}", ((PYTHON, example(name), *arguments),), spoken=True)


def of_commands() -> Iterator[Case]:
    """Other commands on the examples, and other ways to run them."""
    spine = (f"{DURATION}=6 ms", "site.head.lattice.spacing=20 nm")
    line: tuple[str, ...] = (*SAMPLE, example("spine/spine.toml"), RUNS, "2", OUT, "out", *changes(spine))
    more = (*line[: line.index(RUNS)], RUNS, "3", *line[line.index(RUNS) + 2 :])
    yield Case("sample/spine", (line, more))
    engines = ("--engines", "cme gridded langevin lattice ode ssa surrogate", RUNS, "20")
    yield Case("regimes/agree", ((*REGIMES, example("regimes/agree.toml"), *engines),), spoken=True)
    fem = ("--engines", "pde spde", "--against", "pde", RUNS, "3")
    fields = changes([f"{DURATION}=0.5 ms"])
    yield Case("regimes/fields", ((*REGIMES, example("regimes/agree.toml"), *fem, *fields),), spoken=True)
    what = (example("spine/spine.toml"), "site.head.engine=ode", "site.head.engine=ssa")
    yield Case("compare/spine", ((*COMPARE, *what, RUNS, "2", OUT, "out", *changes(spine)),), spoken=True)
    hoc = changes((f"{DURATION}=30 ms", "neuron.cai_writers=ignore"))
    yield Case("hoc/ignore", ((*RUN, example("hoc/hoc.toml"), OUT, "out", *hoc),))
    network = changes(SHORT["network/network.toml"])
    yield Case("ranks/network", ((*ranks(2), *RUN, example("network/network.toml"), OUT, "out", *network),))
    shaft = changes((f"{DURATION}=2 ms", "site.shaft.pde.ranks=all"))
    yield Case("ranks/shaft", ((*ranks(2), *RUN, example("shaft/shaft.toml"), OUT, "out", *shaft),))
    half = (*RUN, example("spine/spine.toml"), OUT, "out", *changes((f"{DURATION}=10 ms",)), UNTIL, "5 ms")
    yield Case("resume/spine", (half, (*RESUME, CHECKPOINT, UNTIL, "10 ms")))
    model = (*TRAIN, example("reduce/ising.toml"), OUT, "out", *changes(_FEW))
    yield Case("model/ising", (model, (PROGRAM, "model", "out", "--json")), spoken=True)


def ranks(n: int) -> tuple[str, ...]:
    """What stands before a command that is spread over ranks."""
    return MPIEXEC, "-n", str(n)


def experiment(*blocks: str, duration: str = "4 ms") -> dict[str, str | np.ndarray]:
    """The files of an experiment."""
    return {"own.toml": RUN_BLOCK.format(duration=duration) + "\n".join(blocks), "cell.py": CELL}


def single(name: str, files: dict[str, str | np.ndarray], *before: str) -> Case:
    """One run of `own.toml`."""
    return Case(f"own/{name}", ((*before, *RUN, "own.toml", OUT, "out"),), files)


def neuron(spines: int = 1) -> str:
    """The cell with some spines."""
    return NEURON.replace("COUNT", str(spines))


def driven(engine: str) -> str:
    """A chemistry, a site `head` without NEURON, and ions that come in."""
    site = SITE.format(name="head", engine=engine, options=ENGINES[engine] + "\n" + CYLINDER)
    few = engine == "cme"
    return (FEW_MOLECULES if few else CHEMISTRY) + site + (FEW_IONS if few else INFLUX).format(name="head")


def closed_loop(*engines: str) -> str:
    """Spine heads in closed loop, `head` or one by the name of each engine."""
    few = "cme" in engines
    text = neuron(len(engines)) + (FEW_MOLECULES if few else CHEMISTRY)
    for k, engine in enumerate(engines):
        name = engine if len(engines) > 1 else "head"
        text += HEAD_SITE.format(name=name, k=k, engine=engine, options=ENGINES[engine]) + LOOP.replace("{site}", name)
    return text.replace("1.5e-3 S/cm^2", "1e-5 S/cm^2") if few else text


def of_engines() -> Iterator[Case]:
    """A driven site in each engine, and spines in closed loop."""
    for engine in ENGINES:
        yield single(f"driven-{engine}", experiment(driven(engine), RECORD))
    most = tuple(engine for engine in ENGINES if engine != "cme")
    yield single("spines-engines", experiment(closed_loop(*most), RECORD + VOLTAGES))
    yield single("spine-cme", experiment(closed_loop("cme"), RECORD + VOLTAGES))


def of_fields() -> Iterator[Case]:
    """Meshes of finite elements that the examples do not have."""
    kinds = {
        "tetrahedra": 'pde.cells = "tetrahedron"\npde.degree = 2\npde.resolution = "0.25 um"\n' + CYLINDER,
        "shells": 'pde.cells = "interval"\ngeometry.sphere = { diameter = "0.5 um" }\n',
        "hexahedra": 'pde.cells = "hexahedron"\npde.resolution = "0.15 um"\n' + BOX,
        "neck": 'pde.resolution = "0.2 um"\npde.neck = { diameter = "0.1 um", length = "0.3 um" }\n'
        'pde.head = { diameter = "0.5 um", length = "0.5 um" }\n' + CYLINDER,
    }
    for kind, options in kinds.items():
        site = SITE.format(name="head", engine="pde", options=options)
        yield single(f"pde-{kind}", experiment(CHEMISTRY, site, INFLUX.format(name="head"), RECORD, duration="1 ms"))
    site = SITE.format(name="head", engine="spde", options='spde.resolution = "0.25 um"\n' + BOX)
    yield single("spde-box", experiment(CHEMISTRY, site, INFLUX.format(name="head"), RECORD, duration="1 ms"))


def several(*engines: str) -> str:
    """Sites `s0`, `s1`, ... of these engines in a row, calcium diffusing from each to the next."""
    text = CHEMISTRY
    for k, engine in enumerate(engines):
        text += SITE.format(name=f"s{k}", engine=engine, options=ENGINES[engine] + "\n" + (CYLINDER if k else BOX))
    for k in range(1, len(engines)):
        text += f'[[link]]\nfrom = "s{k - 1}.Ca"\nto = "s{k}.Ca"\n{NECK}\n'
    return text + INFLUX.format(name="s0")


def of_links() -> Iterator[Case]:
    """Sites that exchange calcium with each other, and other ways to drive them."""
    yield single("linked-whole", experiment(several("ssa", "lattice", "gridded", "ssa"), RECORD))
    yield single("linked-real", experiment(several("ode", "langevin", "surrogate", "pde"), RECORD))
    yield single("linked-mixed", experiment(several("lattice", "ode", "ssa", "adaptive"), RECORD))
    clamped = CHEMISTRY
    for engine in ("ode", "ssa", "lattice", "langevin", "gridded", "pde", "surrogate"):
        clamped += SITE.format(name=engine, engine=engine, options=ENGINES[engine] + "\n" + CYLINDER)
        clamped += CLAMP.format(name=engine)
    yield single("clamps", experiment(clamped, RECORD))
    ssa = ENGINES["ssa"] + CYLINDER
    again = RUN_BLOCK.format(duration="4 ms") + CHEMISTRY + SITE.format(name="head", engine="ssa", options=ssa) + REPLAY
    first = experiment(closed_loop("ssa"), RECORD.replace("0.5 ms", "0.1 ms"))
    yield Case(
        "own/replay",
        ((*RUN, "own.toml", OUT, "out"), (*RUN, "again.toml", OUT, "replayed")),
        {**first, "again.toml": again + RECORD},
    )


def of_lattices() -> Iterator[Case]:
    """Lattices in steps, of any shape, with walls."""
    yield single("paper", {"own.toml": PAPER})
    mask = np.ones((20, 16, 12), dtype=np.uint8)
    mask[:8, :6] = 0
    yield single("masks", {**experiment(MASKED, RECORD, duration="1 ms"), "mask.npy": mask})


def of_neuron() -> Iterator[Case]:
    """What the engines do not matter for: many spines, networks, ranks, other ions, a field under NEURON."""
    spines = '[[site]]\nname = "spine_*"\nplace = { on = "spine_*.head" }\nengine = "ssa"\n'
    yield single("spines", experiment(neuron(4), CHEMISTRY, spines, LOOP.replace("{site}", "spine_*"), RECORD))
    many = experiment(NETWORK, CHEMISTRY, NETWORK_SITES, LOOP.replace("{site}", "E_*"), RECORD, duration="10 ms")
    yield single("network", many)
    yield single("network-2-ranks", many, *ranks(2))
    yield single("ions", experiment(IONS, RECORD))
    dendrite = experiment(neuron(2), CHEMISTRY, DENDRITE, RECORD, duration="1.5 ms")
    yield single("dendrite", dendrite)
    yield single("dendrite-2-ranks", dendrite, *ranks(2))
    yield single("sites-2-ranks", experiment(several("ssa", "ode", "langevin", "lattice"), RECORD), *ranks(2))


def of_resuming() -> Iterator[Case]:
    """Runs that stop half way and go on from their checkpoint."""
    every = tuple(engine for engine in ENGINES if engine not in ("cme", "spde"))
    networks = NETWORK, CHEMISTRY, NETWORK_SITES, LOOP.replace("{site}", "E_*")
    kinds = {
        "engines": (several(*every),),
        "cme": (driven("cme"),),
        "spde": (driven("spde"),),
        "spine-lattice": (closed_loop("lattice"),),
        "spine-adaptive": (closed_loop("adaptive"),),
        "network": networks,
    }
    for kind, blocks in kinds.items():
        half = (*RUN, "own.toml", OUT, "out", UNTIL, "2 ms")
        files = experiment(*blocks, RECORD, CHECKPOINTS)
        yield Case(f"resume/{kind}", (half, (*RESUME, CHECKPOINT, UNTIL, "4 ms")), files)


def of_files() -> Iterator[Case]:
    """Chemistry of other formats, and a training of its own."""
    for suffix, text in (("net", NET), ("xml", SBML)):
        site = SITE.format(name="box", engine="ssa", options='geometry.box = { size = "1 1 1 um" }')
        units = 'units = { amount = "count", volume = "1 um^3", time = "s" }\n' if suffix == "net" else ""
        files = experiment(f'[chemistry]\nfile = "model.{suffix}"\n{units}', site, RECORD)
        yield single(f"chemistry-{suffix}", {**files, f"model.{suffix}": text})
    yield Case("own/train-camkii", ((*TRAIN, "own.toml", OUT, "out"),), {"own.toml": TRAIN_CAMKII})


def cases() -> list[Case]:
    """All of them."""
    groups: tuple[Callable[[], Iterator[Case]], ...] = (
        of_examples, of_commands, of_engines, of_fields, of_links, of_lattices, of_neuron, of_resuming, of_files,
    )  # fmt: skip
    return [case for group in groups for case in group()]


def unknown(tree: Path) -> list[str]:
    """Examples of the tree that no table names."""
    known = {*SHORT, *SHORT_TRAININGS, *SCRIPTS, *LEFT_OUT}
    folder = tree / EXAMPLES
    found = [p.relative_to(folder).as_posix() for kind in ("*.toml", "*.py") for p in sorted(folder.rglob(kind))]
    return [name for name in found if name not in known and not any(fnmatch(name, p) for p in NOT_RUN)]
