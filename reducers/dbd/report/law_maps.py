"""Maps of the functions of reactions over the parameters of a one-species chain (JCP 149:034107, Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from couple.base.arrays import Floats
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from reducers.dbd.chains.ising import Chain
from reducers.dbd.chains.rule import Rule
from reducers.dbd.laws.reactions import ChainFunction, hops, rules_of
from reducers.training.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def standard_rules(species: str = "A") -> dict[str, list[Rule]]:
    """The five processes of the published figure: death, branching, diffusion, annihilation, coalescence."""
    a = species
    reactions = {
        "A → 0": Reaction((a,), (), 1.0),
        "A → 2 A": Reaction((a,), (a, a), 1.0),
        "2 A → 0": Reaction((a, a), (), 1.0),
        "2 A → A": Reaction((a, a), (a,), 1.0),
    }
    network = ReactionNetwork([Species(a)], reactions.values())
    return {name: rules_of(r, network) for name, r in reactions.items()} | {"diffusion": hops(1)}


def reaction_map(rules: list[Rule], extent: float = 4.0, points: int = 33) -> tuple[Floats, Floats]:
    """Grid (points,) and F (points, points, 2) at [J, h] over [-extent, extent]²."""
    axis = np.linspace(-extent, extent, points)
    j, h = np.meshgrid(axis, axis, indexing="ij")
    rates = ChainFunction(Chain("A"), rules).rates(np.stack([h.ravel(), j.ravel()], axis=1))
    return axis, rates.reshape(points, points, 2)


def draw_maps(path: Path, processes: Mapping[str, list[Rule]] | None = None) -> Path:
    """Draw F_h and F_J of each process in one picture; returns its path. Raises InputError for an unknown format."""
    maps = {name: reaction_map(rules) for name, rules in (processes or standard_rules()).items()}
    return save_figure(draw_rates(maps, ("F_h", "F_J")), path)


def draw_rates(
    maps: Mapping[str, tuple[Floats, Floats]], labels: Sequence[str], axes: tuple[str, str] = ("h", "J")
) -> Figure:
    """A drawing with a column for each process and a row for each rate.

    maps: process → grid (points,) and rates (points, points, len(labels)), first along the vertical. axes: what is
    varied along the horizontal and the vertical.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (2.6 * len(maps), 2.3 * len(labels) + 0.4)
    drawing: Figure
    drawing, grid = plt.subplots(len(labels), len(maps), figsize=size, squeeze=False, layout="constrained")
    for column, (name, (axis, rates)) in enumerate(maps.items()):
        for row, label in enumerate(labels):
            scaled = np.arcsinh(rates[:, :, row])
            most = max(float(np.abs(scaled).max()), 1e-6)  # rounding errors stay white
            ax = grid[row, column]
            image = ax.pcolormesh(axis, axis, scaled, cmap="RdBu_r", vmin=-most, vmax=most, shading="nearest")
            ax.set_title(f"asinh {label}, {name}", fontsize=8)
            ax.set_xlabel(axes[0], fontsize=8)
            ax.set_ylabel(axes[1], fontsize=8)
            drawing.colorbar(image, ax=ax, shrink=0.8)
    return drawing
