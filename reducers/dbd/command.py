"""Dynamic Boltzmann distributions at the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.ising import Chain
from reducers.dbd.energy.mixture import Mixture
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.report.maps import draw_maps
from reducers.dbd.report.report import figure, report_lines
from reducers.dbd.report.terms import learned_closure
from reducers.dbd.training import Training
from reducers.training.kinds import Report
from reducers.training.resumable import Tell


class Distributions:
    """See `reducers.training.kinds.Kind`."""

    def new(self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell) -> Training:
        return Training.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> Training:
        return Training.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        lines = [f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s, gap {summary['gap']:.3g}"]
        lines += [f"rate of {name}: {rate:.4g} ± {error:.2g}" for name, (rate, error) in summary["rates"].items()]
        lines += [
            f"ln p at t = {time:g}: {value:.2f} ± {error:.1g}, independent sites {base:.2f}"
            for time, value, error, base in summary["likelihoods"]
        ]
        lines += [f"NRMSE of {name} on {summary['on']}: {error:.4f}" for name, error in summary["nrmse"].items()]
        return lines

    def report(self, path: Path) -> Report:
        found = ReducedModel.read(path)
        deep = isinstance(found.model, DeepBoltzmann | Mixture)
        names = found.file.report.closure
        closures = learned_closure(found, names) if deep and names else {}

        def draw(picture: Path) -> list[Path]:
            drawn = [figure(found, picture, closures)]
            if isinstance(found.model, Chain) and len(found.species) == 1:
                drawn.append(draw_maps(picture.with_stem(f"{picture.stem}-maps")))
            return drawn

        return Report(report_lines(found, closures), draw)
