"""The file of an inference: frozen, checked tables, read from TOML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from couple.base.errors import InputError
from couple.base.paths.python_function import FUNCTION
from couple.base.schema import RUN_NAME, Block, Integer, explain
from couple.base.toml import override_value, read_toml, refuse_nul
from reducers.inference.problem.prior import Prior

Method = Literal["npe", "tsnpe", "apt", "abc", "cma"]


class InferBlock(Block):
    """What is inferred, and how.

    name:        the folder is results/NAME-infer unless another is given.
    method:      npe (neural posterior estimation, from the prior); in rounds at one observation: tsnpe (from the prior,
                 truncated to where the posterior is) or apt (atomic proposals, SNPE-C); abc (rejection); cma (the best
                 point, without uncertainty).
    simulator:   "model.py:simulate", a function of theta (d,) and a seed that gives the features (f,), NaN where there
                 is none.
    experiment:  or the file of an experiment, whose [features] are taken; the prior is over its keys.
    simulations: of each round. rounds: of tsnpe and apt; of npe, where many simulations lack features.
    restrict:    whether rounds after the first leave out parameters at which a classifier expects features to lack.
    seed:        of all that is drawn.
    """

    name: str = Field(pattern=RUN_NAME)
    method: Method = "npe"
    simulator: str | None = Field(default=None, pattern=rf"^[^:]+\.py:{FUNCTION}$")
    experiment: str | None = Field(default=None, min_length=1)
    simulations: Integer = Field(default=1000, ge=10, le=100_000_000)
    rounds: Integer = Field(default=1, ge=1, le=1000)
    restrict: bool = True
    seed: Integer = Field(default=1, ge=0, lt=2**63)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.simulator is None) == (self.experiment is None):
            raise ValueError('give either simulator = "model.py:simulate" or experiment = "experiment.toml"')
        if self.rounds > 1 and self.method in ("abc", "cma"):
            raise ValueError(f"rounds has no effect on {self.method}: leave it out")
        return self


class ObservationBlock(Block):
    """What was observed: one of three.

    values: name of a feature → number, in its unit, or text with one, like "3 uM".
    file:   a CSV file with names of features in the first line and numbers in the second.
    run:    results of a run (or its folder), of which the features of the experiment are taken.
    """

    values: dict[str, float | str] | None = None
    file: str | None = None
    run: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.values, self.file, self.run)) != 1:
            raise ValueError("give exactly one of values, file, run")
        return self


class FlowBlock(Block):
    """The conditional density that is learned.

    library:  "flowjax" (the extra `infer`).
    family:   maf (masked autoregressive) or nsf (neural spline).
    layers:   transformations. width, depth: hidden units of each network, and its hidden layers. knots: of each spline.
    batch:    simulations of a gradient. rate: of learning, at first. epochs: at most. patience: epochs without a better
              validation before the rate falls, or, after the third time, training ends.
    """

    library: str = "flowjax"
    family: Literal["maf", "nsf"] = "maf"
    layers: Integer = Field(default=5, ge=1, le=100)
    width: Integer = Field(default=50, ge=1, le=10_000)
    depth: Integer = Field(default=2, ge=1, le=20)
    knots: Integer = Field(default=8, ge=2, le=100)
    batch: Integer = Field(default=200, ge=2)
    rate: float = Field(default=1e-3, gt=0, le=1)
    epochs: Integer = Field(default=500, ge=1)
    patience: Integer = Field(default=10, ge=1)


class DiagnosticsBlock(Block):
    """What is looked at when the posterior stands.

    truths:     simulations that no training saw, for calibration of npe: ranks and coverage. 0 for none.
    draws:      of the posterior for each of them.
    predictive: simulations of parameters drawn from the posterior, beside the observation. 0 for none.
    """

    truths: Integer = Field(default=0, ge=0, le=100_000)
    draws: Integer = Field(default=1000, ge=10, le=1_000_000)
    predictive: Integer = Field(default=100, ge=0, le=1_000_000)


class InferenceFile(Block):
    """All of it.

    infer:       what is inferred, and how.
    prior:       parameter, or key of the experiment → "uniform 0 .. 1 mV", "loguniform 1 .. 100", "normal 3 0.5" or
                 "truncnormal 3 0.5 1 .. 5".
    features:    of a simulator: name → unit, in the order of what it gives.
    observation: what was observed; npe does without.
    truth:       parameter → value, for figures.
    flow:        the conditional density. diagnostics: what is looked at.
    """

    infer: InferBlock
    prior: dict[str, str] = Field(min_length=1)
    features: dict[str, str] = {}
    observation: ObservationBlock | None = None
    truth: dict[str, float] = {}
    flow: FlowBlock = FlowBlock()
    diagnostics: DiagnosticsBlock = DiagnosticsBlock()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.infer.simulator is None) == bool(self.features):
            raise ValueError(
                'features: a simulator needs them, as in features = { spikes = "1", V_mean = "mV" }'
                if self.infer.simulator
                else "features: those of the experiment are taken, leave them out here"
            )
        if self.observation is None and self.infer.method != "npe":
            raise ValueError(f"observation: {self.infer.method} needs one")
        if self.observation is not None and self.observation.run is not None and self.infer.simulator is not None:
            raise ValueError("observation.run: features are taken of runs of an experiment only: give values or a file")
        if strange := sorted({*self.truth} - {*self.prior}):
            raise ValueError(f'truth: there is no parameter "{strange[0]}"')
        return self

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> tuple[Self, dict[str, Any]]:
        """The file and its content, with what is set. Raises InputError that names file and key."""
        content = read_toml(path, "an inference, a TOML file,")
        if "infer" not in content:
            for key, said in (("train", "couple train"), ("experiment", "couple run")):
                if key in content:
                    raise InputError(f"has no [infer]: {said} {path} takes it", where=str(path))
        for override in overrides:
            override_value(content, override)
        return cls.read(content, str(path)), content

    @classmethod
    def read(cls, content: Mapping[str, Any], where: str) -> Self:
        """Of nested tables; where: for messages. Raises InputError that names the key."""
        try:
            refuse_nul(content)
            made = cls.model_validate(content)
            Prior.read(made.prior)
            return made
        except ValidationError as error:
            raise explain(error, content, cls).inside(where) from None
        except InputError as error:
            raise error.inside(where) from None
