"""The training of a molecule's structure: molecules, search, test on other molecules.

OUT/model.h5      the chosen cliques, their stability, and the potentials of each slice
OUT/summary.json  the same in words. Where nothing is better than independent sites nothing is written.
"""

from __future__ import annotations

import json
from time import process_time
from typing import Any

from couple.base.errors import RunError
from couple.files.write_hdf5 import replacing
from reducers.gccd.law.graph import divergence
from reducers.gccd.structure.interactions import SiteField
from reducers.gccd.structure.sampling import generators, sample_states
from reducers.gccd.structure.search import choose_graph
from reducers.gccd.structure.settings import StructureFile
from reducers.training.folder import GRAPH_FORMAT, MODEL, write_summary
from reducers.training.one_go import OneGoTraining
from reducers.training.verdict import judge

ADVICE = "Give more molecules, or stimuli that move it more ([sample])"


class StructureTraining(OneGoTraining[StructureFile]):
    """A training file and the folder of its results."""

    file_type = StructureFile

    def check(self) -> None:
        """List the states. Raises InputError for a molecule whose rules do not fit."""
        self.molecule = self.file.molecule.states()
        generators(self.file.molecule, self.molecule)

    def train(self) -> dict[str, Any]:
        """Sample, search, test. Raises RunError if no interaction is found."""
        cpu = process_time()
        counts, time, names = sample_states(self.file, self.molecule)
        self.tell(f"{len(self.molecule.states)} states, {len(counts)} slices of {self.file.sample.molecules} molecules")
        chosen = choose_graph(self.molecule, counts, self.file.structure.largest, self.file.train.seed)
        if not chosen.cliques:
            raise RunError(f"{chosen.line}: no model is written. {ADVICE}")
        tested, _, _ = sample_states(self.file, self.molecule, "test")
        field, shares = SiteField(self.molecule, chosen.cliques), counts / counts.sum(axis=1, keepdims=True)
        potentials, p = field.fit(shares, floor=1e-6)
        alone = SiteField(self.molecule, []).fit(shares, floor=1e-6)[1]
        seen = tested / tested.sum(axis=1, keepdims=True)
        errors, rest = ({"divergence": float(divergence(seen, q).mean())} for q in (p, alone))
        allowed = self.file.train.allowed
        verdict = judge(errors, rest, "independent sites", "molecules not learned from", ADVICE, allowed)
        summary = {
            "graph": list(chosen.names),
            "stability": chosen.stability,
            "candidates": chosen.candidates,
            "parameters": chosen.parameters,
            "gain": [chosen.gain, chosen.error],
            "divergence": errors["divergence"],
            "verdict": verdict.as_dict(),
            "cpu_seconds": process_time() - cpu,
        }
        with replacing(self.folder / MODEL, GRAPH_FORMAT) as file:
            file.attrs.update({"format": GRAPH_FORMAT, "kind": "structure", "training": json.dumps(self.content)})
            file.attrs.update({"summary": json.dumps(summary), "verdict": verdict.to_json(), "slices": names})
            file["states"], file["counts"], file["time"] = self.molecule.states, counts, time
            file["potentials"], file["probabilities"] = potentials, p
        write_summary(self.folder, summary)
        return summary


def graph_lines(summary: dict[str, Any]) -> list[str]:
    """What was chosen, by name, with the share of resamples that found it; and what resamples let go."""
    gain, error = summary["gain"]
    lines = [f"{name}: found in {100 * summary['stability'][name]:.0f} % of resamples" for name in summary["graph"]]
    gone = [name for name in summary["stability"] if name not in summary["graph"]]
    lines += [f"let go: {', '.join(gone)}"] if gone else []
    lines.append(f"{len(summary['graph'])} of {summary['candidates']} interactions, {summary['parameters']} potentials")
    return [*lines, f"{gain:.4g} ± {error:.2g} nats per held-out molecule ahead of independent sites"]
