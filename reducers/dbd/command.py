"""Dynamic Boltzmann distributions for `couple train` and `couple model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reducers.training.kinds import ModelReport, PreparedTraining
from reducers.training.resumable import Tell

FAMILIES = ("wellmixed", "chain", "triplets", "mrf", "rbm", "dbm")
"""Values of model.family that are of this kind."""


class DistributionTrainingKind:
    """See `reducers.training.kinds.TrainingKind`."""

    def trains(self, content: Mapping[str, Any]) -> bool:
        """Whether it names an energy model that is not a field."""
        model = content.get("model")
        return isinstance(model, dict) and model.get("family") in FAMILIES

    def wrote(self, head: Mapping[str, str]) -> bool:
        """Whether it is a reduced model that is not a field."""
        from reducers.dbd.model.model import FORMAT

        return head["format"] == FORMAT and head["family"] != "field"

    def new(
        self, file: Path, folder: Path | None, overrides: Iterable[str], *, force: bool, tell: Tell
    ) -> PreparedTraining:
        """A training from its start, see `DistributionTraining`. Raises InputError if anything does not fit."""
        from reducers.dbd.training import DistributionTraining

        return DistributionTraining.new(file, folder, overrides, force=force, tell=tell)

    def resumed(self, folder: Path, *, tell: Tell) -> PreparedTraining:
        """The training whose checkpoint is in `folder`. Raises InputError if it is damaged or of other data."""
        from reducers.dbd.training import DistributionTraining

        return DistributionTraining.resumed(folder, tell=tell)

    def lines(self, summary: Mapping[str, Any], model: Path) -> list[str]:
        """Steps, rates, likelihoods and errors, from the summary."""
        from reducers.dbd.report.mixing import Mixing

        lines = [f"{summary['steps']} steps in {summary['cpu_seconds']:.1f} s, gap {summary['gap']:.3g}"]
        lines += [f"rate of {name}: {rate:.4g} ± {error:.2g}" for name, (rate, error) in summary["rates"].items()]
        lines += [
            f"ln p at t = {time:g}: {value:.2f} ± {error:.1g}, independent sites {base:.2f}"
            for time, value, error, base in summary["likelihoods"]
        ]
        lines += [f"mixing at t = {m.time:g}: {m.words}" for m in (Mixing(*row) for row in summary["mixing"])]
        lines += [f"NRMSE of {name} on {summary['on']}: {error:.4f}" for name, error in summary["nrmse"].items()]
        return lines

    def report(self, path: Path) -> ModelReport:
        """Law, errors and closure terms of a model file. Raises InputError for a file of another kind."""
        from reducers.dbd.chains.ising import Chain
        from reducers.dbd.energy.dbm import DeepBoltzmann
        from reducers.dbd.energy.mixture import Mixture
        from reducers.dbd.model.model import ReducedModel
        from reducers.dbd.report.closure_terms import learned_closure
        from reducers.dbd.report.law_maps import draw_maps
        from reducers.dbd.report.report import figure, report_lines

        found = ReducedModel.read(path)
        deep = isinstance(found.model, DeepBoltzmann | Mixture)
        names = found.file.report.closure
        closures = learned_closure(found, names) if deep and names else {}

        def draw(picture: Path) -> list[Path]:
            drawn = [figure(found, picture, closures)]
            if isinstance(found.model, Chain) and len(found.species) == 1:
                drawn.append(draw_maps(picture.with_stem(f"{picture.stem}-maps")))
            return drawn

        return ModelReport(report_lines(found, closures), draw)
