"""The training file of a field: frozen, checked tables."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from couple.base.paths.file_fields import ReadsFile
from couple.base.schema import Block, Integer
from couple.base.units import LengthOrSites
from reducers.data.settings import DataBlock, Positive
from reducers.fields.density.basis import FormName
from reducers.fields.density.estimates import PriorName
from reducers.fields.laws.law import PLACES
from reducers.fields.laws.stepper import MethodName
from reducers.training.files import HeldOutTrainBlock, LearningFile

Family = Literal["none", "constant", "polynomial", "hermite"]


class FieldDataBlock(DataBlock):
    """Runs of a lattice with `lattice.snapshots = true`, or files of particles (`particles`).

    spacing: of the lattice's cells. origin: outer corner of its first cell (default: it is centred at 0).
    axes: coordinates that the field depends on. first: rows before it are left out.
    """

    particles: tuple[Annotated[str, ReadsFile("particles")], ...] = ()
    spacing: Annotated[LengthOrSites, Field(gt=0)] = 1.0
    origin: tuple[LengthOrSites, ...] | None = None
    axes: tuple[Integer, ...] | None = None
    first: Integer = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = (bool(self.files), self.experiment is not None, bool(self.particles))
        if sum(given) != 1:
            raise ValueError(
                'give one of experiment = "experiment.toml", files = ["ensemble.h5"], particles = ["particles.h5"]'
            )
        if not self.conditions:
            raise ValueError("conditions is empty; leave it out for one initial condition")
        return self


class FieldModelBlock(Block):
    """Where the field lives and how smooth it is.

    basis: who brings the elements. mesh: see `adapters.fem.field_basis.meshes`. prior: what is penalised.
    smooth: its weight, or "auto" for cross-validation. couple: whether estimates of neighbouring times are coupled.
    """

    family: Literal["field"]
    basis: str = "fem"
    mesh: Annotated[dict[str, Any], ReadsFile("mesh", key="file")]
    prior: PriorName = "laplacian"
    smooth: Literal["auto"] | Positive = "auto"
    couple: bool = False


class FieldLawBlock(Block):
    """dν/dt = F0(ν) + F1(ν)|∇ν|² + F2(ν)Δν, each a family of functions of the species' own ν.

    diffusion: one D per species, F1 = -D and F2 = D, in place of F1 and F2. reactions: equations by mass action.
    degree: of polynomials. side: of Hermite cells. form, method, substeps: how it is integrated.
    """

    F0: Family = "none"
    F1: Family = "none"
    F2: Family = "none"
    diffusion: bool = False
    reactions: tuple[str, ...] = ()
    degree: Integer = Field(default=1, ge=1, le=6)
    side: Positive = 2.0
    form: FormName = "entropy"
    method: MethodName = "sdirk2"
    substeps: Integer = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.diffusion and not self.reactions and all(getattr(self, p) == "none" for p in PLACES):
            raise ValueError('the law is empty: give diffusion = true, reactions, or F0, F1, F2 = "constant"')
        return self


class FieldFitBlock(Block):
    """start: "joint" learns the first field with the law, "first" keeps its estimate. ridge: weight of |u|²/2."""

    steps: Integer = Field(default=40, ge=1)
    start: Literal["joint", "first"] = "joint"
    ridge: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class FieldReportBlock(Block):
    """kernel: compare with a kernel density estimate as well, which takes longest."""

    kernel: bool = True


class FieldTrainingFile(LearningFile):
    """The training file of a field."""

    train: HeldOutTrainBlock
    data: FieldDataBlock
    model: FieldModelBlock
    law: FieldLawBlock
    fit: FieldFitBlock = FieldFitBlock()
    report: FieldReportBlock = FieldReportBlock()
