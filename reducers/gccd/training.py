"""The training of CaMKII as a user sees it: runs, interactions, lasso, refinement, tests; killed, it goes on to the bit.

    OUT/data/PROTOCOL/   ensembles of the fine model; OUT/data/PROTOCOL.h5 what is learned from
    OUT/checkpoint.h5    law and descent as they are
    OUT/model.h5         the block for `engine = "surrogate"`, with what `couple model` draws
    OUT/summary.json     errors on held-out kinds of stimuli, ablation
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from couple import checkpoint
from couple.component import State
from couple.errors import InputError, RunError
from reducers.gccd.courses import Law, courses_of, mean_divergence
from reducers.gccd.descent import Descent
from reducers.gccd.evaluate import STATIC, Score, molecules_of, score, static_divergence
from reducers.gccd.kernel import EXACT, INDEPENDENT, N_RATES, PAIRS
from reducers.gccd.lasso import Chosen, added, choose, relaxed
from reducers.gccd.library import NAMES
from reducers.gccd.molecule import Floats
from reducers.gccd.regression import class_sums, equations, normals
from reducers.gccd.sampling import Data, gather, read_data, write_data
from reducers.gccd.settings import GccdFile

CHECKPOINT, MODEL, SUMMARY = "checkpoint.h5", "model.h5", "summary.json"
MODES = {"triples": EXACT, "pairs": PAIRS, "independent": INDEPENDENT}

Progress = Callable[[int, int, float], None]


class GccdTraining:
    """A recipe on its way. Build one with `new` or `resumed`; `run()` goes to the end."""

    def __init__(self, content: dict[str, Any], source: Path, folder: Path, tell: Callable[[str], None]) -> None:
        self.content, self.source, self.folder, self._tell = content, source, folder, tell
        self.file = GccdFile.read(content, str(source))
        self.site = source.parent / self.file.experiment
        self.data = [self._data(k) for k in range(len(self.file.protocol))]
        self.courses = courses_of(self.data, test=False)
        self.law, self.parts = self._regress()
        self.start = self._start()
        self.descents = {graph: self._descent(graph) for graph in self.graphs}

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graph that is learned, then those it is compared with."""
        chosen = self.file.gccd.graph
        others = tuple(g for g in MODES if g != chosen) if self.file.gccd.ablation else ()
        return (chosen, *others)

    @classmethod
    def new(
        cls,
        path: Path,
        folder: Path | None = None,
        overrides: Iterable[str] = (),
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda text: None,
    ) -> GccdTraining:
        """From the start, in a new folder (by default results/NAME-train); runs that are there are used again.

        Raises InputError for what does not fit, and for a folder that holds a training already unless `force`.
        """
        file, content = GccdFile.load(path, overrides)
        place = Path("results") / f"{file.train.name}-train" if folder is None else folder
        if (place / CHECKPOINT).exists() and not force:
            raise InputError(
                f"holds a training: continue it with couple train --resume {place}, or give --force", where=str(place)
            )
        place.mkdir(parents=True, exist_ok=True)
        return cls(content, path.resolve(), place, tell)

    @classmethod
    def resumed(cls, folder: Path, *, tell: Callable[[str], None] = lambda text: None) -> GccdTraining:
        """Go on from the checkpoint in a folder. Raises InputError if it is damaged or its data changed since."""
        path = folder / CHECKPOINT if folder.is_dir() else folder
        states = checkpoint.read(path)
        head = states.get("gccd")
        if head is None:
            raise InputError("is not the checkpoint of a training", where=str(path))
        made = cls(json.loads(str(head["content"])), Path(str(head["source"])), path.parent, tell)
        if made.digest != str(head["data"]):
            raise InputError("the data of this training have changed: start it again", where=str(path))
        for graph, descent in made.descents.items():
            descent.restore(states[f"descent {graph}"])
        return made

    @property
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
            write_data(gather(protocol, self.site, place, self.file.train.seed + k, self._tell), kept)
        return read_data(kept)

    def _regress(self) -> tuple[Chosen, list[str]]:
        """The lasso path, and names of what it chose."""
        block, groups = self.file.law, []
        for protocol, data in zip(self.file.protocol, self.data, strict=True):
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
        support = [j for j in np.flatnonzero(self.law.rates[self.law.at] > 0) if j < N_RATES]
        return relaxed(self._normal, support)[:N_RATES]

    def _descent(self, graph: str) -> Descent:
        support = np.flatnonzero(self.start > 0)
        step, mode = self.file.refine.step, MODES[graph]

        def objective(x: Floats) -> tuple[float, Floats]:
            rates = np.zeros(N_RATES)
            rates[support] = np.exp(x)
            value, gradient = mean_divergence(rates, self.courses, mode, step)
            return value, gradient[support] * rates[support]

        return Descent(objective, np.log(self.start[support]), self.file.refine.memory)

    def rates(self, graph: str) -> Floats:
        """(48,) as learned so far."""
        out = np.zeros(N_RATES)
        out[np.flatnonzero(self.start > 0)] = np.exp(self.descents[graph].x)
        return out

    def iterations(self, graph: str) -> int:
        """Of the refinement of a graph."""
        return self.file.refine.iterations if graph == self.file.gccd.graph else self.file.refine.ablation

    def run(self, progress: Progress | None = None) -> dict[str, Any]:
        """Refine all graphs, test, write the model; returns the summary. Ctrl-C leaves a checkpoint."""
        start, cpu = perf_counter(), process_time()
        whole = sum(self.iterations(graph) for graph in self.graphs)
        try:
            for graph in self.graphs:
                descent = self.descents[graph]
                while descent.done < self.iterations(graph) and not descent.stalled:
                    value = descent.step()
                    if progress is not None:
                        progress(sum(d.done for d in self.descents.values()), whole, value)
                    if descent.done % 5 == 0:
                        self.save()
        except KeyboardInterrupt:
            self.save()
            raise RunError(f"interrupted; couple train --resume {self.folder}") from None
        self.save()
        summary = {**self.summary(), "cpu_seconds": process_time() - cpu, "seconds": perf_counter() - start}
        self.write(summary)
        (self.folder / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n")
        return summary

    def save(self) -> None:
        """Write a checkpoint."""
        head: State = {"content": json.dumps(self.content), "source": str(self.source), "data": self.digest}
        descents = {f"descent {graph}": d.save() for graph, d in self.descents.items()}
        checkpoint.write(self.folder / CHECKPOINT, {"gccd": head, **descents})

    # -- what comes out ------------------------------------------------------------------------------------------------

    def scores(self) -> dict[str, Score]:
        """Graph → how good its refined law is on stimuli of kinds that it was not learned from."""
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        step = self.file.refine.step
        return {g: score(Law(self.rates(g), MODES[g], step), tested, molecules) for g in self.graphs}

    def summary(self) -> dict[str, Any]:
        """For summary.json and the terminal."""
        scores = self.scores()
        tested, molecules = courses_of(self.data, test=True), molecules_of(self.data, test=True)
        descent = self.descents[self.graphs[0]]
        static = {g: static_divergence(g, tested, molecules, 25) for g in STATIC} if self.file.gccd.ablation else {}
        return {
            "graph": self.graphs[0],
            "terms": self.parts,
            "steps": descent.done,
            "gap": descent.history[-1] if descent.history else float("nan"),
            "held_out": {g: s.as_dict() for g, s in scores.items()},
            "static": static,
            "on": sorted({s.kind for d in self.data for s in d.stimuli if s.test}),
        }

    def write(self, summary: dict[str, Any]) -> None:
        """Write the model."""
        from reducers.driven.file import write_block
        from reducers.gccd.result import block_of

        write_block(block_of(self, summary), self.folder / MODEL)


def _key(content: dict[str, Any], site: Path, k: int) -> str:
    """Of what decides the runs of a protocol: its stimuli, the experiment, the seed."""
    protocol = {key: value for key, value in content["protocol"][k].items() if key != "regress"}
    text = json.dumps([protocol, content["train"].get("seed", 1)], sort_keys=True)
    return hashlib.sha256(text.encode() + site.read_bytes()).hexdigest()[:12]
