"""The map of regimes: particle number against uniformity, with what each engine says at its place."""

from __future__ import annotations

import math
from pathlib import Path

from couple.analysis.plot.style import save
from couple.analysis.regimes.compare import RegimeComparison, RegimeRow

# engine → (title, column 0 uniform or 1 non-uniform, decades of particle number where it is at home)
PLACES = {
    "cme": ("chemical master equation", 0, (0.0, 1.2)),
    "ssa": ("gridless SSA", 0, (1.2, 2.6)),
    "langevin": ("stochastic ODEs", 0, (2.6, 4.2)),
    "ode": ("ODEs (mass action)", 0, (4.2, 6.0)),
    "lattice": ("particles", 1, (0.0, 1.5)),
    "gridded": ("gridded SSA", 1, (1.5, 3.0)),
    "spde": ("stochastic PDEs", 1, (3.0, 4.5)),
    "pde": ("PDEs (finite elements)", 1, (4.5, 6.0)),
}
COLUMNS = ((-4.0, 0.0), (0.0, 4.0))
# Colour-blind safe (Okabe & Ito), pale.
ALIKE, DIFFERS, REFERENCE, ABSENT = "#BFE3D6", "#F6CFB2", "#BBD7EC", "#EEEEEE"


def draw(comparison: RegimeComparison, path: Path) -> Path:
    """Write the figure; its suffix sets the format. Raises InputError if it cannot be written."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch, Rectangle

    path = path if path.suffix else path.with_suffix(".png")
    rows = {row.ensemble.engine: row for row in comparison.rows}
    style = {"font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context(style):
        figure, ax = plt.subplots(figsize=(7.2, 5.6), layout="constrained")
        for engine, (title, column, (low, high)) in PLACES.items():
            left, right = COLUMNS[column]
            box = Rectangle(
                (left, low), right - left, high - low, facecolor=_colour(rows.get(engine)), edgecolor="white", lw=3
            )
            ax.add_patch(box)
            text = _text(comparison, engine, rows.get(engine))
            top = high - 0.12
            ax.text(left + 0.15, top, engine, va="top", weight="bold", zorder=6)
            ax.text(right - 0.15, top, title, va="top", ha="right", color="0.35", zorder=6)
            ax.text(left + 0.15, top - 0.33, text, va="top", linespacing=1.35, zorder=6)
        x, y = _where(comparison)
        ax.plot(x, y, marker="*", ms=17, color="#D55E00", mec="white", mew=1.2, zorder=5)
        ax.set_xlim(-4, 4)
        ax.set_ylim(0, 6)
        ax.set_xticks(range(-4, 5, 2), [f"$10^{{{k}}}$" for k in range(-4, 5, 2)])
        ax.set_yticks(range(0, 7), [f"$10^{{{k}}}$" for k in range(0, 7)])
        ax.set_xlabel("uniform     ←     time to mix / time to react     →     non-uniform")
        ax.set_ylabel("number of particles")
        ax.set_title(
            f"{comparison.name}: {comparison.quantity} after {comparison.time:g} ms",
            loc="left",
            weight="bold",
            fontsize=10,
        )
        marks = [
            Patch(color=REFERENCE, label="reference, or not judged"),
            Patch(color=ALIKE, label=f"not distinguished (within {comparison.bound:.1f} standard errors)"),
            Patch(color=DIFFERS, label="differs"),
            Patch(color=ABSENT, label="not run"),
        ]
        star = ax.plot([], [], marker="*", ms=11, color="#D55E00", ls="none", label="this chemistry")
        ax.legend(handles=[*marks, *star], loc="upper center", bbox_to_anchor=(0.5, -0.13), ncol=3, frameon=False,
                  handlelength=1.1, columnspacing=1.2, fontsize=7.5)  # fmt: skip
        save(figure, path, dpi=200)
    return path


def _colour(row: RegimeRow | None) -> str:
    if row is None:
        return ABSENT
    return REFERENCE if row.differs is None else DIFFERS if row.differs else ALIKE


def _text(comparison: RegimeComparison, engine: str, row: RegimeRow | None) -> str:
    if row is None:
        refused = [r.reason for r in comparison.refusals if r.engine == engine]
        return _wrapped(refused[0]) if refused else "not installed"
    e = row.ensemble
    k = e.quantities.index(comparison.quantity)
    error = f" ± {e.mean_error[k]:.2g}" if e.runs else ""
    lines = [f"mean {row.mean:.4g}{error}" + ("" if e.deterministic else f", variance {row.variance:.3g}")]
    if row.differs is not None:
        spread = "" if math.isnan(row.variance_z) else f", {_signed(row.variance_z)} in the variance"
        lines.append(f"{_signed(row.mean_z)} standard errors{spread}")
    lines.append(f"{_seconds(e.seconds)} CPU per run" + (f", {e.runs} runs" if e.runs else ""))
    return "\n".join(lines)


def _signed(z: float) -> str:
    return f"{z:+.1f}" if abs(z) < 100 else ("> 100" if z > 0 else "< −100")


def _seconds(s: float) -> str:
    return f"{s * 1e6:.0f} µs" if s < 1e-3 else f"{s * 1e3:.3g} ms" if s < 1 else f"{s:.3g} s"


def _wrapped(text: str, width: int = 52) -> str:
    import textwrap

    lines = textwrap.wrap(text, width)
    return "\n".join(lines[:2]) + (" ..." if len(lines) > 2 else "")


def _where(comparison: RegimeComparison) -> tuple[float, float]:
    """Place of the chemistry on the map, inside its frame."""
    x = (
        math.log10(comparison.damkoehler)
        if 0 < comparison.damkoehler < math.inf
        else math.copysign(9, comparison.damkoehler - 1)
    )
    return min(max(x, -3.85), 3.85), min(max(math.log10(max(comparison.number, 1.0)), 0.1), 5.9)
