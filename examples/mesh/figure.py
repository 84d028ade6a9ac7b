"""The run of mesh.toml as a figure: traces, and where calcium is at the end of the influx and 1 ms later.

python examples/mesh/figure.py [FOLDER OF THE FIGURE]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from couple import Experiment, Simulation

HERE = Path(__file__).parent
MOMENTS = (1.5, 2.5)
"""ms."""


def main(folder: Path, overrides: tuple[str, ...] = ()) -> Path:
    """Run, draw, and return where the figure is."""
    simulation = Simulation.in_memory(Experiment.load(HERE / "mesh.toml", overrides))
    simulation.run()
    figure = Figure(figsize=(10, 4), layout="constrained")
    traces, *places = figure.subplots(1, 1 + len(MOMENTS), width_ratios=[1.6, 1, 1])
    with simulation.results as results:
        time = results.time
        traces.plot(time, results.micromolar("spine", "Ca"), label="free calcium, µM")
        traces.plot(time, results["spine.active"], label="CaMKII with calcium, molecules")
        traces.set(xlabel="time, ms")
        traces.legend(loc="upper right")
        group = results.file["spine"]
        shape, codes = group.attrs["shape"][0], list(group.attrs["codes"])
        spacing, first = group.attrs["spacing"][0], group.attrs["first_cell"][0]
        for ax, moment in zip(places, MOMENTS, strict=True):
            row = int(np.argmin(abs(time - moment)))
            cells = group["snapshot"][row, 0, : int(np.prod(shape))].reshape(shape)
            ax.imshow(
                (cells != 255).any(axis=1).T, origin="lower", cmap="Greys", vmax=4, extent=box(first, spacing, shape)
            )
            for name, colour, size in (("CaB", "C0", 1), ("Ca", "C3", 6)):
                x, _, z = (first + spacing * np.argwhere(cells == codes.index(name))).T
                ax.scatter(x, z, size, colour, label=name)
            ax.set(title=f"{time[row]:.1f} ms", xlabel="x, µm", ylabel="z, µm", aspect="equal")
        places[0].legend(loc="lower right")
    path = folder / "mesh.png"
    figure.savefig(path, dpi=150)
    return path


def box(first: np.ndarray, spacing: float, shape: np.ndarray) -> tuple[float, ...]:
    """Edges of the lattice in x and z, µm."""
    low = first - spacing / 2
    high = low + spacing * np.asarray(shape)
    return (low[0], high[0], low[2], high[2])


if __name__ == "__main__":
    print(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()))
