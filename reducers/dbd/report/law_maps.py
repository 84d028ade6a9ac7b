"""Maps of the functions of reactions over the parameters of a one-species chain (JCP 149:034107, Fig. 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.chemistry.network import Reaction, ReactionNetwork, Species
from reducers.dbd.energy.ising import Chain
from reducers.dbd.energy.mrf import Rule
from reducers.dbd.laws.reactions import ChainFunction, hops, rules_of
from reducers.training.figures import save_figure


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
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = processes or standard_rules()
    drawing, axes = plt.subplots(2, len(shown), figsize=(2.6 * len(shown), 5), squeeze=False, layout="constrained")
    for column, (name, rules) in enumerate(shown.items()):
        axis, rates = reaction_map(rules)
        for row, label in enumerate(("F_h", "F_J")):
            scaled = np.arcsinh(rates[:, :, row])
            most = max(float(np.abs(scaled).max()), 1e-12)
            ax = axes[row, column]
            image = ax.pcolormesh(axis, axis, scaled, cmap="RdBu_r", vmin=-most, vmax=most, shading="nearest")
            ax.set_title(f"asinh {label}, {name}", fontsize=8)
            ax.set_xlabel("h", fontsize=8)
            ax.set_ylabel("J", fontsize=8)
            drawing.colorbar(image, ax=ax, shrink=0.8)
    return save_figure(drawing, path)
