"""The training of CaMKII as a user sees it: runs, lasso, refinement, tests; killed, it goes on to the bit.

OUT/data/PROTOCOL/   ensembles of the fine model; OUT/data/PROTOCOL.h5 what is learned from, or compared with
OUT/checkpoint.h5    law and descent as they are
OUT/model.h5         the block for `engine = "surrogate"`, with what `couple model` draws
OUT/summary.json     errors on held-out kinds of stimuli, ablation
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple.base.arrays import Floats
from couple.base.signals import Stop
from couple.base.toml import read_toml
from couple.components.component import State
from reducers.gccd.data.protocol_data import load_network
from reducers.gccd.data.settings import GccdFile
from reducers.gccd.ensembles import TrainingEnsembles
from reducers.gccd.evaluation.scores import (
    OBSERVED,
    STATIC,
    LawScore,
    errors_at_rest,
    molecules_of,
    score,
    static_divergence,
)
from reducers.gccd.evaluation.validation import ValidationResult, validate
from reducers.gccd.export import TrainingResult, build_block
from reducers.gccd.fit.free_runs import CaMKIILaw, courses_of, mean_divergence
from reducers.gccd.fit.lasso import LassoChoice, add_equations, choose_penalty, refit
from reducers.gccd.fit.lbfgs import LBFGS
from reducers.gccd.fit.regression import class_sums, equations, normals
from reducers.gccd.fit.term_recovery import recover_terms
from reducers.gccd.law.kernel import MODES, N_RATES
from reducers.gccd.law.library import NAMES
from reducers.markov.file import write_block
from reducers.training.folder import MODEL, write_summary
from reducers.training.resumable import Progress, Resumable, Tell
from reducers.training.verdict import judge

ADVICE = "Give more runs or stimuli ([[protocol]]), or more iterations ([refine])"


class GccdTraining(Resumable):
    """A recipe on its way. Build one with `new` or `resumed`; `run()` goes to the end."""

    File = GccdFile

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        super().__init__(content, source, folder, tell)
        self.file = GccdFile.read(content, str(source))
        self.site = source.parent / self.file.experiment
        made = TrainingEnsembles(self.file, content, source, folder / "data", tell)
        self.data = [made.protocol(k) for k in range(len(self.file.protocol))]
        influx = [k for k, p in enumerate(self.file.protocol) if p.by_influx]
        self.mean_fields = {self.data[k].name: made.mean_field(k, self.data[k]) for k in influx}
        self.finer = [made.validation(k) for k in range(len(self.file.validation))]
        self.courses = courses_of(self.data, test=False)
        self.law, self.parts = self._regress()
        self.first = GraphRefinement(self, self.file.gccd.graph, self._start())
        self.refined: dict[str, GraphRefinement] = {}

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graph that is learned, then those it is compared with."""
        chosen = self.file.gccd.graph
        others = tuple(g for g in MODES if g != chosen) if self.file.gccd.ablation else ()
        return (chosen, *others)

    def digest(self) -> str:
        """SHA-256 of the data of all protocols."""
        return hashlib.sha256("".join(d.digest() for d in self.data).encode()).hexdigest()

    # -- stages --------------------------------------------------------------------------------------------------------

    def _regress(self) -> tuple[LassoChoice, list[str]]:
        """The lasso path, and names of what it chose."""
        block, groups = self.file.law, []
        for protocol, data in zip(self.file.protocol, self.data, strict=True):
            if protocol.regress:
                found = [equations(data, i, block.stride) for i, s in enumerate(data.stimuli) if not s.test]
                dense = protocol.regress == "all"
                groups.append(found if dense else [class_sums(e) for e in found])
        parts = normals(groups)
        self._normal = add_equations(parts)
        chosen = choose_penalty(parts, block.points, block.folds, block.rule)
        return chosen, [NAMES[j] for j in np.flatnonzero(chosen.rates[chosen.at] > 0)]

    def _start(self) -> Floats:
        """(48,) rates of the chosen terms without shrinkage; decoys cannot be run, and their share is fitted anew."""
        support = [int(j) for j in np.flatnonzero(self.law.rates[self.law.at] > 0) if j < N_RATES]
        return refit(self._normal, support)[:N_RATES]

    def rates(self, graph: str) -> Floats:
        """(48,) as learned so far."""
        return self.refined[graph].rates()

    def _run(self, progress: Progress | None) -> dict[str, Any]:
        """Refine all graphs, test, write the model; returns the summary. SIGINT, SIGTERM and SIGHUP leave a
        checkpoint and raise Interrupted."""
        start, cpu, stop = perf_counter(), process_time(), Stop()
        with stop.listening():
            self.refine(progress, stop=stop)
            self.save()
            if stop.signal is not None:
                raise self.stopped(stop.signal, sum(n for _, n in self._plan))
        summary = {**self.summary(), "cpu_seconds": process_time() - cpu, "seconds": perf_counter() - start}
        self.write(summary)
        write_summary(self.folder, summary)
        return summary

    def refine(self, progress: Progress | None = None, most: int | None = None, stop: Stop | None = None) -> None:
        """The terms of the lasso, then with those that come back, then other graphs. most: iterations, then stop."""
        whole, before = sum(n for _, n in self._plan), self.done
        for graph, iterations in self._plan:
            refined = self.first if graph is None else self._refined(graph)
            while refined.descent.done < iterations and not refined.descent.stalled:
                if (most is not None and self.done - before >= most) or (stop is not None and stop.signal is not None):
                    return
                value = refined.descent.step()
                if progress is not None:
                    progress(self.done, whole, value)
                if self.done % 5 == 0:
                    self.save()

    @property
    def _plan(self) -> list[tuple[str | None, int]]:
        """Graphs in turn and how many iterations they get; None: the terms of the lasso alone."""
        block = self.file.refine
        others = [(g, block.iterations if g == self.graphs[0] else block.ablation) for g in self.graphs]
        return [(None, block.first), *others]

    def _refined(self, graph: str) -> GraphRefinement:
        """Of a graph, begun from what the first descent found and from the terms that come back."""
        if graph not in self.refined:
            if graph == self.graphs[0]:
                molecules = sum(molecules_of(self.data, test=False))
                start = recover_terms(self.first.divergence, self.first.rates(), molecules)
            else:
                start = self.refined[self.graphs[0]].rates()
            self.refined[graph] = GraphRefinement(self, graph, start)
        return self.refined[graph]

    @property
    def done(self) -> int:
        """Iterations of all descents."""
        return self.first.descent.done + sum(r.descent.done for r in self.refined.values())

    @property
    def came_back(self) -> list[str]:
        """Names of terms that the adjoint asked back."""
        now, before = self.refined[self.graphs[0]].start, self.first.start
        return [NAMES[j] for j in np.flatnonzero((now > 0) & (before == 0))]

    def states(self) -> dict[str, State]:
        """The descents with their starts, by graph."""
        states = {"descent": self.first.descent.save()}
        for graph, refined in self.refined.items():
            states[f"descent {graph}"] = {**refined.descent.save(), "start": refined.start}
        return states

    def restore(self, states: dict[str, State]) -> None:
        """Take up what `states` gave."""
        self.first.descent.restore(states["descent"])
        for graph in self.graphs:
            if f"descent {graph}" in states:
                state = states[f"descent {graph}"]
                self.refined[graph] = GraphRefinement(self, graph, np.asarray(state.pop("start"), dtype=float))
                self.refined[graph].descent.restore(state)

    # -- what comes out ------------------------------------------------------------------------------------------------

    def scores(self) -> dict[str, LawScore]:
        """Graph → how good its refined law is on stimuli of kinds that it was not learned from."""
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        step = self.file.refine.step
        return {g: score(CaMKIILaw(self.rates(g), MODES[g], step), tested, molecules) for g in self.graphs}

    def by_protocol(self) -> dict[str, LawScore]:
        """Protocol → how good the learned law is on its held-out stimuli."""
        law = CaMKIILaw(self.rates(self.graphs[0]), MODES[self.graphs[0]], self.file.refine.step)
        tested = [d for d in self.data if any(s.test for s in d.stimuli)]
        return {d.name: score(law, courses_of([d], test=True), molecules_of([d], test=True)) for d in tested}

    @cached_property
    def validated(self) -> list[ValidationResult]:
        """The learned law beside the finer models; looked at once, when it is learned."""
        law = CaMKIILaw(self.rates(self.graphs[0]), MODES[self.graphs[0]], self.file.refine.step)
        own = str(read_toml(self.site)["site"][0]["engine"])
        engines = [(str(v.site.get("engine", own)), own) for v in self.file.validation]
        return [validate(*pair, law, names) for pair, names in zip(self.finer, engines, strict=True)]

    def summary(self) -> dict[str, Any]:
        """Errors, ablation, terms and validations, for summary.json and the terminal."""
        scores = self.scores()
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        descent, learned = self.refined[self.graphs[0]].descent, scores[self.graphs[0]].as_dict()
        errors = {name: float(learned[name]) for name in OBSERVED}
        on, against = "stimuli not learned from", "probabilities held at their start"
        allowed = self.file.train.allowed
        self.verdict = judge(errors, errors_at_rest(tested), against, on, ADVICE, allowed)
        static = {g: static_divergence(g, tested, molecules, 25) for g in STATIC} if self.file.gccd.ablation else {}
        return {
            "graph": self.graphs[0],
            "terms": self.parts,
            "came_back": self.came_back,
            "steps": self.done,
            "gap": descent.history[-1] if descent.history else float("nan"),
            "held_out": {g: s.as_dict() for g, s in scores.items()},
            "verdict": self.verdict.as_dict(),
            "static": static,
            "by_protocol": {name: s.as_dict() for name, s in self.by_protocol().items()},
            "mean_field": self.mean_fields,
            "validated": {v.name: v.as_dict() for v in self.validated},
            "on": sorted({s.kind for d in self.data for s in d.stimuli if s.test}),
        }

    def write(self, summary: dict[str, Any]) -> None:
        """Write the model."""
        graph = self.graphs[0]
        learned = TrainingResult(
            self.file,
            self.content,
            load_network(self.site),
            self.data,
            self.digest(),
            self.rates(graph),
            self.law,
            [*self.first.descent.history, *self.refined[graph].descent.history],
            self.validated,
            summary,
        )
        write_block(build_block(learned), self.folder / MODEL)


class GraphRefinement:
    """The law of one graph on its way downhill, in the logarithms of the rates that are not 0 at its start (48,)."""

    def __init__(self, training: GccdTraining, graph: str, start: Floats) -> None:
        self._courses, self._step, self._mode = training.courses, training.file.refine.step, MODES[graph]
        self.start, self._support = start, np.flatnonzero(start > 0)
        self.descent = LBFGS(self._objective, np.log(start[self._support]), training.file.refine.memory)

    def divergence(self, rates: Floats) -> tuple[float, Floats]:
        """Mean divergence and gradient (48,)."""
        return mean_divergence(rates, self._courses, self._mode, self._step)

    def rates(self, x: Floats | None = None) -> Floats:
        """(48,) where the descent is, or at x."""
        out = np.zeros(N_RATES)
        out[self._support] = np.exp(self.descent.x if x is None else x)
        return out

    def _objective(self, x: Floats) -> tuple[float, Floats]:
        rates = self.rates(x)
        value, gradient = self.divergence(rates)
        return value, gradient[self._support] * rates[self._support]
