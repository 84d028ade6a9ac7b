"""The training of CaMKII as a user sees it: runs, lasso, refinement, tests; killed, it goes on to the bit.

OUT/data/PROTOCOL/   ensembles of the fine model; OUT/data/PROTOCOL.h5 what is learned from
OUT/checkpoint.h5    law and descent as they are
OUT/model.h5         the block for `engine = "surrogate"`, with what `couple model` draws
OUT/summary.json     errors on held-out kinds of stimuli, ablation
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple.component import State
from couple.stopping import Stop
from reducers.gccd.courses import Law, courses_of, mean_divergence
from reducers.gccd.descent import Descent
from reducers.gccd.evaluate import STATIC, Score, molecules_of, score, static_divergence
from reducers.gccd.kernel import EXACT, INDEPENDENT, N_RATES, PAIRS
from reducers.gccd.lasso import Chosen, added, choose, relaxed
from reducers.gccd.library import NAMES
from reducers.gccd.molecule import Floats, names_in
from reducers.gccd.regression import class_sums, equations, normals
from reducers.gccd.returning import returning
from reducers.gccd.sampling import Data, gather, load_network, read_data, write_data
from reducers.gccd.settings import GccdFile
from reducers.resumable import MODEL, SUMMARY, Progress, Resumable, Tell

MODES = {"triples": EXACT, "pairs": PAIRS, "independent": INDEPENDENT}


class GccdTraining(Resumable):
    """A recipe on its way. Build one with `new` or `resumed`; `run()` goes to the end."""

    File = GccdFile

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Tell) -> None:
        super().__init__(content, source, folder, tell)
        self.file = GccdFile.read(content, str(source))
        self.site = source.parent / self.file.experiment
        names_in(load_network(self.site).names)  # before anything is sampled
        gathered = [self._data(k) for k in range(len(self.file.protocol))]
        kinds = [bool(p.site) for p in self.file.protocol]
        self.protocols = [p for p in self.file.protocol if not p.site]
        self.data = [d for d, check in zip(gathered, kinds, strict=True) if not check]
        self.checks = [d for d, check in zip(gathered, kinds, strict=True) if check]
        self.courses = courses_of(self.data, test=False)
        self.law, self.parts = self._regress()
        self.first = Refined(self, self.file.gccd.graph, self._start())
        self.refined: dict[str, Refined] = {}

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graph that is learned, then those it is compared with."""
        chosen = self.file.gccd.graph
        others = tuple(g for g in MODES if g != chosen) if self.file.gccd.ablation else ()
        return (chosen, *others)

    def digest(self) -> str:
        """SHA-256 of what is learned from."""
        return hashlib.sha256("".join(d.digest() for d in self.data).encode()).hexdigest()

    # -- stages --------------------------------------------------------------------------------------------------------

    def _data(self, k: int) -> Data:
        protocol, folder = self.file.protocol[k], self.folder / "data"
        kept = folder / f"{protocol.name}-{_key(self.content, self.site, k)}.h5"
        if not kept.exists():
            folder.mkdir(exist_ok=True)
            place = folder / f"{protocol.name}-{_key(self.content, self.site, k)}"
            write_data(gather(protocol, self.site, place, self.file.train.seed + k, self.tell, **protocol.site), kept)
        return read_data(kept)

    def _regress(self) -> tuple[Chosen, list[str]]:
        """The lasso path, and names of what it chose."""
        block, groups = self.file.law, []
        for protocol, data in zip(self.protocols, self.data, strict=True):
            if protocol.regress:
                found = [equations(data, i, block.stride) for i, s in enumerate(data.stimuli) if not s.test]
                dense = protocol.regress == "all"
                groups.append(found if dense else [class_sums(e) for e in found])
        parts = normals(groups)
        self._normal = added(parts)
        chosen = choose(parts, block.points, block.folds, block.rule)
        return chosen, [NAMES[j] for j in np.flatnonzero(chosen.rates[chosen.at] > 0)]

    def _start(self) -> Floats:
        """(48,) rates of the chosen terms without shrinkage; decoys cannot be run, and their share is fitted anew."""
        support = [int(j) for j in np.flatnonzero(self.law.rates[self.law.at] > 0) if j < N_RATES]
        return relaxed(self._normal, support)[:N_RATES]

    def rates(self, graph: str) -> Floats:
        """(48,) as learned so far."""
        return self.refined[graph].rates()

    def descents_mode(self, graph: str) -> int:
        """The number of a graph in `kernel`."""
        return MODES[graph]

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Refine all graphs, test, write the model; returns the summary. Ctrl-C and SIGTERM leave a checkpoint and
        raise Interrupted."""
        start, cpu, stop = perf_counter(), process_time(), Stop()
        with stop.listening():
            self.refine(progress, stop=stop)
        self.save()
        if stop.signal is not None:
            raise self.stopped(stop.signal, sum(n for _, n in self._plan))
        summary = {**self.summary(), "cpu_seconds": process_time() - cpu, "seconds": perf_counter() - start}
        self.write(summary)
        (self.folder / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n")
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

    def _refined(self, graph: str) -> Refined:
        """Of a graph, begun from what the first descent found and from the terms that come back."""
        if graph not in self.refined:
            if graph == self.graphs[0]:
                molecules = sum(molecules_of(self.data, test=False))
                start = returning(self.first.divergence, self.first.rates(), molecules)
            else:
                start = self.refined[self.graphs[0]].rates()
            self.refined[graph] = Refined(self, graph, start)
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
        states = {"descent": self.first.descent.save()}
        for graph, refined in self.refined.items():
            states[f"descent {graph}"] = {**refined.descent.save(), "start": refined.start}
        return states

    def restore(self, states: dict[str, State]) -> None:
        self.first.descent.restore(states["descent"])
        for graph in self.graphs:
            if f"descent {graph}" in states:
                state = states[f"descent {graph}"]
                self.refined[graph] = Refined(self, graph, np.asarray(state.pop("start"), dtype=float))
                self.refined[graph].descent.restore(state)

    # -- what comes out ------------------------------------------------------------------------------------------------

    def scores(self) -> dict[str, Score]:
        """Graph → how good its refined law is on stimuli of kinds that it was not learned from."""
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        step = self.file.refine.step
        return {g: score(Law(self.rates(g), MODES[g], step), tested, molecules) for g in self.graphs}

    def checked(self) -> dict[str, Score]:
        """Protocol → how good the law is against its finer model; all its stimuli, whatever their kind."""
        law = Law(self.rates(self.graphs[0]), MODES[self.graphs[0]], self.file.refine.step)
        out = {}
        for data in self.checks:
            courses, molecules = [], []
            for test in (False, True):
                if any(s.test == test for s in data.stimuli):
                    courses += courses_of([data], test=test)
                    molecules += molecules_of([data], test=test)
            out[data.name] = score(law, courses, molecules)
        return out

    def summary(self) -> dict[str, Any]:
        """For summary.json and the terminal."""
        scores = self.scores()
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        descent = self.refined[self.graphs[0]].descent
        static = {g: static_divergence(g, tested, molecules, 25) for g in STATIC} if self.file.gccd.ablation else {}
        return {
            "graph": self.graphs[0],
            "terms": self.parts,
            "came_back": self.came_back,
            "steps": self.done,
            "gap": descent.history[-1] if descent.history else float("nan"),
            "held_out": {g: s.as_dict() for g, s in scores.items()},
            "static": static,
            "checked": {name: s.as_dict() for name, s in self.checked().items()},
            "on": sorted({s.kind for d in self.data for s in d.stimuli if s.test}),
        }

    def write(self, summary: dict[str, Any]) -> None:
        """Write the model."""
        from reducers.driven.file import write_block
        from reducers.gccd.result import block_of

        write_block(block_of(self, summary), self.folder / MODEL)


class Refined:
    """The law of one graph on its way downhill, in the logarithms of the rates that are not 0 at its start (48,)."""

    def __init__(self, training: GccdTraining, graph: str, start: Floats) -> None:
        self._courses, self._step, self._mode = training.courses, training.file.refine.step, MODES[graph]
        self.start, self._support = start, np.flatnonzero(start > 0)
        self.descent = Descent(self._objective, np.log(start[self._support]), training.file.refine.memory)

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


def _key(content: dict[str, Any], site: Path, k: int) -> str:
    """Of what decides the runs of a protocol: its stimuli, the experiment, the seed."""
    protocol = {key: value for key, value in content["protocol"][k].items() if key != "regress"}
    text = json.dumps([protocol, content["train"].get("seed", 1)], sort_keys=True)
    return hashlib.sha256(text.encode() + site.read_bytes()).hexdigest()[:12]
