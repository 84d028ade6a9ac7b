"""A spine as reconstructions have them: spine.stl and psd.stl, which close together; coordinates in nm.

python examples/mesh/make_spine.py [FOLDER]
"""

import struct
import sys
from pathlib import Path

import numpy as np

RINGS, AROUND, PSD = 20, 20, 2
"""Rings from the foot of the neck to the top of the head, corners of each, rings of the top that are the density."""


def points() -> np.ndarray:
    """(RINGS, AROUND, 3) corners on the rings, nm: a neck that bends, a head that is no sphere."""
    along = np.linspace(0.0, 1.0, RINGS)[:, None]
    angle = 2 * np.pi * np.arange(AROUND) / AROUND + 0.0 * along
    height = 900 * along
    neck = 75 + 20 * np.exp(-((along / 0.15) ** 2))
    bulge = np.clip((along - 0.45) / 0.55, 0.0, 1.0)
    head = 270 * np.sqrt(np.clip(bulge * (1.12 - bulge), 0.0, None)) * 2 / 1.12
    radius = np.maximum(neck, head)
    radius = radius * (1 + 0.08 * np.cos(2 * angle + 3 * along) + 0.05 * np.cos(3 * angle - 4 * along))
    bend = 60 * np.sin(np.pi * along)
    return np.stack([bend + radius * np.cos(angle), radius * np.sin(angle), height + 0 * angle], axis=2)


def triangles() -> tuple[np.ndarray, np.ndarray]:
    """(m, 3, 3) corners of the membrane and of the postsynaptic density, seen from outside against the clock."""
    ring = points()
    ahead = np.roll(ring, -1, axis=1)
    one = np.stack([ring[:-1], ahead[:-1], ahead[1:]], axis=2)
    two = np.stack([ring[:-1], ahead[1:], ring[1:]], axis=2)
    foot, top = ring[0].mean(axis=0), ring[-1].mean(axis=0)
    below = np.stack([np.broadcast_to(foot, ring[0].shape), ahead[0], ring[0]], axis=1)
    above = np.stack([np.broadcast_to(top, ring[-1].shape), ring[-1], ahead[-1]], axis=1)
    sides = np.concatenate([one, two], axis=1)
    membrane = np.concatenate([below, sides[:-PSD].reshape(-1, 3, 3)])
    return membrane, np.concatenate([sides[-PSD:].reshape(-1, 3, 3), above])


def write(path: Path, corners: np.ndarray) -> None:
    """Binary STL."""
    rows = [struct.pack("<12fH", 0, 0, 0, *t.ravel(), 0) for t in corners]
    path.write_bytes(b"couple, nm".ljust(80) + struct.pack("<I", len(rows)) + b"".join(rows))


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, corners in zip(("spine.stl", "psd.stl"), triangles(), strict=True):
        write(folder / name, corners)
