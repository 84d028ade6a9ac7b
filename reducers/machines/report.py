"""What a machine of a grid is: its layers, how good it is, its course beside runs that it never saw."""

from __future__ import annotations

from pathlib import Path

from reducers.machines.block import MachineBlock
from reducers.training.figures import save_figure
from reducers.training.verdict import verdict_lines


def report_lines(block: MachineBlock) -> list[tuple[str, str]]:
    """(what, value) pairs."""
    about, settings, machine = block.about, block.settings, block.machine
    grid = " x ".join(map(str, settings.shape))
    rest = block.theta(block.start)
    lines = [
        ("model", f"{about.name}: {machine.visible.size} molecules on a grid of {grid}, "
                  f"{len(machine.layers) - 1} hidden layer{'s' * (len(machine.layers) > 2)}"),
        ("stands for", f"{', '.join(about.species[:3])} … ({len(about.species)} species)"),
        ("law", f"polynomial of degree {settings.degree}, driven by {about.drive}, checked up to "
                f"{about.drive_box[1]:.3g} uM"),
        ("data", f"hash {about.data_hash[:12]}"),
        *verdict_lines(about.verdict),
    ]  # fmt: skip
    for name, moves, value in zip(machine.parameters, block.moving, rest, strict=True):
        lines.append((name, f"{value:.3f} at rest" if moves else f"{value:.3f}, held"))
    return lines + [(f"error of the {name}", f"{e:.2g} on held-out stimuli") for name, e in about.held_out.items()]


def figure(block: MachineBlock, path: Path) -> Path:
    """Drive, means with deviations, and variances of the first held-out stimulus; returns the picture's path."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    drawn, names, about = block.more, block.settings.states, block.about
    time = drawn["time"]
    picture, axes = plt.subplots(
        1 + len(names), 2, figsize=(9, 2.2 * (1 + len(names))), layout="constrained", sharex=True
    )
    axes[0, 0].plot(time[: len(drawn["drive"])], drawn["drive"], color="0.3", lw=0.9)
    axes[0, 0].set(ylabel=f"{about.drive} (uM)", title="a stimulus that it was not learned from")
    axes[0, 1].set_axis_off()
    for k, name in enumerate(names):
        for ax, what in zip(axes[k + 1], ("mean", "variance"), strict=True):
            ax.plot(time, drawn[f"{name} {what} runs"], color="0.6", lw=1.8, label="runs")
            ax.plot(time, drawn[f"{name} {what} model"], color="C0", lw=0.9, label="model")
            ax.set(ylabel=f"{what}, {name}")
            ax.legend(fontsize=7, frameon=False)
    for ax in axes[-1]:
        ax.set_xlabel("ms")
    return save_figure(picture, path)
