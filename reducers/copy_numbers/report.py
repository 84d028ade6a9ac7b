"""What a distribution of copy numbers is: its law, how good it is, its course beside runs that it never saw."""

from __future__ import annotations

from pathlib import Path

from reducers.copy_numbers.block import CopyNumberBlock
from reducers.training.figures import save_figure
from reducers.training.verdict import verdict_lines


def report_lines(block: CopyNumberBlock) -> list[tuple[str, str]]:
    """(what, value) pairs."""
    about, found = block.about, block.kinetics
    lines = [
        ("model", f"{about.name}: numbers of {', '.join(found.names)}, potentials up to order {block.order}"),
        ("stands for", ", ".join(about.species)),
        ("law", f"reactions, driven by {about.drive}, checked up to {about.drive_box[1]:.3g} uM"),
        ("data", f"hash {about.data_hash[:12]}"),
        *verdict_lines(about.verdict),
    ]
    for reaction in block.reactions:
        lines.append((str(reaction), f"{reaction.rate:.6g} {found.part.rate_unit(reaction)}"))
    return lines + [(f"error of the {name}", f"{e:.2g} on held-out stimuli") for name, e in about.held_out.items()]


def figure(block: CopyNumberBlock, path: Path) -> Path:
    """Drive, means with deviations, and variances of the first held-out stimulus; returns the picture's path."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    drawn, names, about = block.more, block.kinetics.names, block.about
    time = drawn["time"]
    picture, axes = plt.subplots(
        1 + len(names), 2, figsize=(9, 2.2 * (1 + len(names))), layout="constrained", sharex=True
    )
    axes[0, 0].plot(time[1:], drawn["drive"], color="0.3", lw=0.9)
    axes[0, 0].set(ylabel=f"{about.drive} (uM)", title="a stimulus that it was not learned from")
    axes[0, 1].set_axis_off()
    for k, name in enumerate(names):
        for ax, what in zip(axes[k + 1], ("mean", "variance"), strict=True):
            ax.plot(time, drawn[f"{name} {what} runs"], color="0.6", lw=1.8, label="runs")
            ax.plot(time, drawn[f"{name} {what} model"], color="C0", lw=0.9, label="model")
            ax.set(ylabel=f"{what} of {name}")
            ax.legend(fontsize=7, frameon=False)
    for ax in axes[-1]:
        ax.set_xlabel("ms")
    return save_figure(picture, path)
