"""Diffusion from a point: the energy ν(x, t) of one particle as a field that obeys dν/dt = D ν'' - D (ν')²."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from couple.base.arrays import Floats
from couple.base.registry import load
from reducers.fields.density.basis import FieldBasis
from reducers.fields.laws.law import FieldLaw, diffusion
from reducers.fields.laws.stepper import FieldStepper
from reducers.reproduce.figure import PublishedFigure, Reproduced, Row

D, HALF = 1.0, 3.0
TIMES = np.array([0.5, 1.0, 1.5])
CELLS = (16, 32, 64, 128)
CLOSE = 1e-3
"""ν of the finest mesh to this."""
ORDER = 0.1


def exact(x: Floats, time: float) -> Floats:
    """ν of a particle that was at 0 at time 0 (the heat kernel is exp(-ν))."""
    return np.asarray(x**2 / (4 * D * time) + 0.5 * np.log(4 * np.pi * D * time))


def point_source(folder: Path, tell: Callable[[str], None]) -> Reproduced:
    """ν on meshes that are halved with the steps, from the exact field at the first time."""
    import matplotlib.pyplot as plt

    drawing, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    errors = []
    for cells in CELLS:
        tell(f"{cells} elements")
        content = {"interval": [-HALF, HALF], "resolution": 2 * HALF / cells}
        basis: FieldBasis = load("couple.fields", "fem")(content, folder)
        x = np.asarray(basis.places)[:, 0]
        law = FieldLaw(("A",), [diffusion(("A",))])
        law.assign(np.array([D]))

        def slope(t: float, x: Floats = x) -> Floats:
            return np.asarray((abs(x) / (2 * D * t))[None])

        stepper = FieldStepper(basis, law, substeps=cells // 4, edge=slope)
        nu = stepper.solve(exact(x, TIMES[0])[None], TIMES).nu[:, 0]
        errors.append(float(abs(nu[-1] - exact(x, TIMES[-1])).max()))
    order = -float(np.polyfit(np.log(CELLS), np.log(errors), 1)[0])
    rows = [
        Row(f"largest error of nu at t = {TIMES[-1]:g}, {CELLS[-1]} elements", errors[-1], 0.0, allowed=CLOSE),
        Row("order in the size of the elements", order, 2.0, allowed=ORDER),
    ]
    along = np.argsort(x)
    for k, t in enumerate(TIMES):
        line = left.plot(x[along], nu[k][along], label=f"t = {t:g}")[0]
        left.plot(x[along][::8], exact(x[along][::8], t), "o", ms=4, mfc="none", color=line.get_color())
    left.set(xlabel="x", ylabel="ν", title="lines: finite elements, circles: exact")
    left.legend(frameon=False)
    right.loglog([2 * HALF / c for c in CELLS], errors, "o-")
    right.set(xlabel="size of an element", ylabel="largest error of ν", title=f"order {order:.2f}")
    return Reproduced(rows, drawing)


FIGURE = PublishedFigure(
    "diffusion from a point source as a field on finite elements",
    "Ernst, Bartol, Sejnowski, Mjolsness (2019), Phys Rev E 99:063315", 0.5, point_source,
)  # fmt: skip
