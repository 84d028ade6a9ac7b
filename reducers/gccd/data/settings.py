"""The training file of CaMKII: frozen, checked tables; an unknown key is an error with the nearest known one."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import RUN_NAME, Block, Integer
from couple.base.units import Time
from reducers.data.settings import ExperimentFile
from reducers.data.stimuli import StimulusBlock, refuse_mixed_kinds
from reducers.training.files import LearningFile


class StimulusSet(Block):
    """Stimuli that are sampled together, each at a site of its own, for `duration` with a row `every`.

    exchange: calcium, or the flux of it, is held constant over it. set: changes of the experiment, KEY=VALUE, such as
    other amounts. Either all stimuli hold calcium or all let it in (`influx`).
    """

    name: str = Field(pattern=RUN_NAME)
    duration: Time = Field(gt=0)
    exchange: Time = Field(gt=0)
    every: Time = Field(gt=0)
    set: tuple[str, ...] = ()
    stimuli: tuple[StimulusBlock, ...] = Field(min_length=1)

    @property
    def by_influx(self) -> bool:
        """Whether ions come in and calcium follows from the chemistry."""
        return self.stimuli[0].influx is not None

    @model_validator(mode="after")
    def _of_one_sort(self) -> Self:
        if len({s.influx is None for s in self.stimuli}) > 1:
            raise ValueError(f'"{self.name}": either all stimuli have influx or none; make two protocols')
        return self


class Protocol(StimulusSet):
    """What is learned from and tested on.

    runs: of the ensemble; its mean is learned from. regress: what the rows are dense enough for: "all" moments, the
    "classes" (bound, phosphorylated, paired; not the lobes, which are faster), or nothing. All protocols serve the
    refinement. experiment: another file than that of the training, such as one with buffers and pumps; calmodulin and
    CaMKII are the same there.
    """

    runs: Integer = Field(default=8, ge=2)
    regress: Literal["all", "classes"] | None = None
    experiment: ExperimentFile | None = None


class Validation(StimulusSet):
    """Stimuli that a finer model gets as well as the experiment's own engine; nothing is learned from them.

    site: changes of the site that make it finer, such as { engine = "lattice", lattice = { spacing = "12 nm" } }.
    geometry: of both, instead of that of the experiment. runs: of the finer model; against: of the experiment's own.
    Calcium is held at whole ions, as engines in whole molecules can hold it.
    """

    runs: Integer = Field(default=8, ge=2)
    against: Integer = Field(default=32, ge=2)
    site: dict[str, Any] = Field(min_length=1)
    geometry: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _held(self) -> Self:
        if self.by_influx:
            raise ValueError(f'"{self.name}": a validation holds calcium; give peak in place of influx')
        if any(s.test for s in self.stimuli):
            raise ValueError(f'"{self.name}": nothing is learned from a validation; drop test = true')
        return self


class GccdBlock(Block):
    """block: word before recorded names in a site. graph: see `graph.GRAPHS`."""

    block: str = Field(default="CaMKII", pattern=RUN_NAME)
    graph: Literal["independent", "pairs", "triples"] = "triples"
    ablation: bool = True
    """Whether the other graphs are learned as well, to compare."""


class LassoBlock(Block):
    """The lasso path: `points` penalties; `folds` groups of stimuli left out in turn choose one.

    stride: rows between which a change of moments is one equation. rule: penalty of least error, or the largest within
    one standard error of it.
    """

    points: Integer = Field(default=60, ge=2)
    folds: Integer = Field(default=5, ge=2)
    stride: Integer = Field(default=5, ge=1)
    rule: Literal["least", "one standard error"] = "one standard error"


class DescentBlock(Block):
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
    """The training file of CaMKII.

    experiment: the chemistry and one site, whose engine, geometry and initial amounts are taken.
    validation: a few stimuli on a finer model, such as the lattice, with the one that is learned.
    """

    experiment: ExperimentFile
    protocol: tuple[Protocol, ...] = Field(min_length=1)
    validation: tuple[Validation, ...] = ()
    gccd: GccdBlock = GccdBlock()
    law: LassoBlock = LassoBlock()
    refine: DescentBlock = DescentBlock()

    @model_validator(mode="after")
    def _split(self) -> Self:
        stimuli = [s for p in self.protocol for s in p.stimuli]
        refuse_mixed_kinds(
            {f"protocol[{i}].stimuli[{k}]": s for i, p in enumerate(self.protocol) for k, s in enumerate(p.stimuli)}
        )
        if all(s.test for s in stimuli) or not any(s.test for s in stimuli):
            raise ValueError("needs stimuli to learn from and stimuli with test = true")
        if not any(p.regress == "all" and any(not s.test for s in p.stimuli) for p in self.protocol):
            raise ValueError('needs a protocol with regress = "all" and stimuli to learn from')
        names = [p.name for p in (*self.protocol, *self.validation)]
        if len(set(names)) < len(names):
            raise ValueError("two protocols or validations have one name")
        return self
