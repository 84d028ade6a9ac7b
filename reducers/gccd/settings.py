"""The training file of CaMKII: frozen, checked tables; an unknown key is an error with the nearest known one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.block import RUN_NAME, Block
from couple.units import Time
from reducers.files import LearningFile, Named
from reducers.gccd.stimuli import StimulusBlock

Integer = Annotated[int, Field(strict=True)]


class Train(Named):
    """name: of the model. seed: of stimuli and runs."""

    seed: Integer = Field(default=1, ge=0, lt=2**63)


class Protocol(Block):
    """Stimuli that are sampled together, each at a site of its own, for `duration` with a row `every`.

    exchange: calcium is held constant over it. runs: of the ensemble; its mean is learned from. regress: what the rows
    are dense enough for: "all" moments, the "classes" (bound, phosphorylated, paired; not the lobes, which are faster),
    or nothing. All protocols serve the refinement. set: changes of the experiment, KEY=VALUE, such as other amounts.
    site: changes of its site, such as { engine = "lattice" }; such a protocol only checks the model, on a finer one.
    """

    name: str = Field(pattern=RUN_NAME)
    duration: Time = Field(gt=0)
    exchange: Time = Field(gt=0)
    every: Time = Field(gt=0)
    runs: Integer = Field(default=8, ge=2)
    regress: Literal["all", "classes"] | None = None
    set: tuple[str, ...] = ()
    site: dict[str, Any] = {}
    stimuli: tuple[StimulusBlock, ...] = Field(min_length=1)


class Model(Block):
    """block: word before recorded names in a site. graph: see `graph.GRAPHS`."""

    block: str = Field(default="CaMKII", pattern=RUN_NAME)
    graph: Literal["independent", "pairs", "triples"] = "triples"
    ablation: bool = True
    """Whether the other graphs are learned as well, to compare."""


class Law(Block):
    """The lasso path: `points` penalties; `folds` groups of stimuli left out in turn choose one.

    stride: rows between which a change of moments is one equation. rule: penalty of least error, or the largest within
    one standard error of it.
    """

    points: Integer = Field(default=60, ge=2)
    folds: Integer = Field(default=5, ge=2)
    stride: Integer = Field(default=5, ge=1)
    rule: Literal["least", "one standard error"] = "one standard error"


class Refine(Block):
    """Adjoint refinement: L-BFGS on the divergence along free-running courses, in steps of `step`.

    first: iterations with the terms of the regression. Then absent terms come back if the adjoint says that they lower
    the divergence on slow courses, which the regression does not see, and `iterations` more follow.
    """

    first: Integer = Field(default=12, ge=1)
    iterations: Integer = Field(default=25, ge=1)
    ablation: Integer = Field(default=12, ge=1)
    """Iterations for each other graph."""
    step: Time = Field(default=0.1, gt=0)
    memory: Integer = Field(default=12, ge=1)


class GccdFile(LearningFile):
    """All of it. experiment: the chemistry and one site; engine, geometry and initial amounts are taken from it."""

    train: Train
    experiment: str
    protocol: tuple[Protocol, ...] = Field(min_length=1)
    gccd: Model = Model()
    law: Law = Law()
    refine: Refine = Refine()

    @model_validator(mode="after")
    def _split(self) -> Self:
        stimuli = [s for p in self.protocol if not p.site for s in p.stimuli]
        both = {s.kind for s in stimuli if s.test} & {s.kind for s in stimuli if not s.test}
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: a kind of stimulus is either learned from or tested on")
        if all(s.test for s in stimuli) or not any(s.test for s in stimuli):
            raise ValueError("needs stimuli to learn from and stimuli with test = true")
        if not any(p.regress == "all" and not p.site and any(not s.test for s in p.stimuli) for p in self.protocol):
            raise ValueError('needs a protocol with regress = "all" and stimuli to learn from')
        names = [p.name for p in self.protocol]
        if len(set(names)) < len(names):
            raise ValueError("two protocols have one name")
        return self
