"""The training of an accuracy: inputs, runs of every engine, a bound on errors, a test on inputs that it did not see.

OUT/model.h5      for `adaptive.accuracy`
OUT/summary.json  for each target: the share of held-out inputs that reach it, and the cost beside the cheapest engine
                  that does in hindsight; the same of the thresholds that are set by hand
"""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np

from couple.base import registry
from couple.base.arrays import Floats
from couple.base.errors import InputError, nearest
from reducers.accuracy.learning import cheapest, learn_costs, learn_terms, ordered_by_cost, shapes, thresholds
from reducers.accuracy.model import AccuracyModel, chemistry_digest
from reducers.accuracy.sampling import AccuracyRuns, sample_inputs, scaled
from reducers.accuracy.settings import AccuracyFile
from reducers.training.folder import MODEL, write_summary
from reducers.training.one_go import OneGoTraining
from reducers.training.verdict import Verdict

FEW, GRADIENT = 20.0, 0.25
"""The thresholds that `adaptive` has by default."""
REACHED = 0.95
"""Share of held-out inputs that has to be within the target."""


class AccuracyTraining(OneGoTraining[AccuracyFile]):
    """A training file and the folder of its results."""

    file_type = AccuracyFile

    def load(self) -> None:
        """Load the experiment."""
        self.experiment = self.experiment_of(self.file.experiment)
        self.network = self.experiment.network()

    def check(self) -> None:
        """Look at species, observables and geometry. Raises InputError for what does not fit."""
        asked, network = self.file.accuracy, self.network
        if asked.species not in network.names:
            raise InputError(
                f'no species "{asked.species}"; {nearest(asked.species, network.names)}', where="accuracy.species"
            )
        if network.species[network.index(asked.species)].on != "volume":
            raise InputError(
                f'"{asked.species}" lives on the membrane: give one that enters the volume', where="accuracy.species"
            )
        known = (*network.names, *network.observables)
        for k, name in enumerate(asked.observables):
            if name not in known:
                raise InputError(
                    f'nothing is called "{name}"; {nearest(name, known)}', where=f"accuracy.observables[{k}]"
                )
        block = self.experiment.site[0].geometry
        if block is None:
            raise InputError("the first [[site]] needs a geometry: its size is varied", where="site.geometry")
        self.geometry = block.build()
        scaled(self.geometry, 1.0)

    def train(self) -> dict[str, Any]:
        """Sample, learn, test. Raises RunError as engines do, InputError for too few inputs."""
        cpu, asked = process_time(), self.file.accuracy
        runs = sample_inputs(self.file, self.experiment, self.geometry, self.tell)
        first = np.arange(len(runs.n)) < self.file.inputs.learned
        learned, tested = runs.rows(first), runs.rows(~first)
        terms, costs = learn_terms(learned, asked.quantile), learn_costs(learned)
        rows = [self._tested(terms, costs, tested, target) for target in self.file.targets]
        verdict = self._verdict(rows, costs, learned)
        summary = {
            "engines": list(asked.engines),
            "terms": terms.tolist(),
            "targets": rows,
            "verdict": verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
        }
        box = (float(learned.n.min()), float(learned.x.max()))
        digest, quantile = chemistry_digest(self.network), asked.quantile
        model = AccuracyModel(
            asked.engines, asked.species, terms, costs, digest, box, quantile, {"targets": rows}, verdict.to_json()
        )
        model.write(self.folder / MODEL, self.content)
        write_summary(self.folder, summary)
        return summary

    def _tested(self, terms: Floats, costs: Floats, tested: AccuracyRuns, target: float) -> dict[str, Any]:
        """What the rule and the thresholds do on held-out inputs, beside the best choice in hindsight."""
        factories = [registry.load("couple.engines", name) for name in self.file.accuracy.engines]
        integer, spatial = ([bool(getattr(one, trait)) for one in factories] for trait in ("integer", "spatial"))
        said = np.sqrt(shapes(tested) @ terms.T)
        by_hand = thresholds(tested, integer, spatial, FEW, GRADIENT)
        rows = np.arange(len(tested.n))
        # what is said to cost least, in the order that `adaptive` has the engines in
        chosen = {"rule": np.argmax(said <= target, axis=1), "thresholds": np.argmax(by_hand < 1.0, axis=1)}
        best = cheapest(tested.errors, tested.seconds, target)
        total = float(tested.seconds[rows, best].sum())
        out: dict[str, Any] = {"target": target, "inputs": len(rows)}
        for name, picked in chosen.items():
            out[name] = {
                "reached": float((tested.errors[rows, picked] <= target).mean()),
                "cost": float(tested.seconds[rows, picked].sum()) / max(total, 1e-300),
                "engines": np.bincount(picked, minlength=len(factories)).tolist(),
            }
        return out

    def _verdict(self, rows: list[dict[str, Any]], costs: Floats, learned: AccuracyRuns) -> Verdict:
        """Whether every target is reached; engines that are not in the order of their cost are told."""
        missed = [1.0 - row["rule"]["reached"] for row in rows]
        by_hand = [1.0 - row["thresholds"]["reached"] for row in rows]
        worst = int(np.argmax(missed))
        advice = "Give more inputs, or a larger accuracy.quantile"
        names = self.file.accuracy.engines
        order = [names[e] for e in ordered_by_cost(costs, learned)]
        if order[-1] != names[-1] or order != list(names):
            advice += f"; by what they cost here the engines are in the order {', '.join(order)}"
        inputs = rows[0]["inputs"]
        slack = 3.0 * float(np.sqrt(REACHED * (1 - REACHED) / inputs))  # of a share of so many inputs
        good = max(missed) <= 1.0 - REACHED + slack
        where = f"target {rows[worst]['target']:g}: {missed[worst]:.3g}, {by_hand[worst]:.3g} of the baseline"
        return Verdict(
            good,
            float(np.mean(missed)),
            float(np.mean(by_hand)),
            "thresholds set by hand",
            f"{inputs} held-out inputs, the share that misses its target,",
            where,
            advice,
        )


def lines_of(summary: dict[str, Any], engines: list[str]) -> list[str]:
    """For each target what the rule reaches and costs, with the thresholds beside it."""
    found = []
    for row in summary["targets"]:
        parts = []
        for name in ("rule", "thresholds"):
            one = row[name]
            used = ", ".join(f"{n} {e}" for n, e in zip(one["engines"], engines, strict=True) if n)
            parts.append(f"{name} {100 * one['reached']:.3g} % within, {one['cost']:.3g} times the least cost ({used})")
        found.append(f"error {100 * row['target']:g} %: {'; '.join(parts)}")
    return found


def report_lines(model: AccuracyModel) -> list[tuple[str, str]]:
    """(what, value) pairs of a model file."""
    from reducers.training.verdict import verdict_lines

    lines = [
        ("accuracy", f"of {', '.join(model.engines)}, by numbers and gradients of {model.species}"),
        ("learned", f"from {model.box[0]:.3g} molecules on, and up to an excess of {model.box[1]:.3g}"),
        ("holds for", f"{100 * model.quantile:g} % of inputs"),
        *verdict_lines(model.verdict),
    ]
    for name, (a, b, c) in zip(model.engines, model.terms.tolist(), strict=True):
        lines.append((f"error of {name}", f"sqrt({a:.4g} / n + {b:.4g} x^2 + {c:.4g})"))
    return lines + [("", line) for line in lines_of(model.summary, list(model.engines))]
