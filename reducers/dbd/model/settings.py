"""The training file: frozen, checked tables; an unknown key is an error with the nearest known one."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from couple.base.schema import Block, Integer
from reducers.data.settings import DataBlock, Positive
from reducers.training.files import HeldOutTrainBlock, LearningFile


class LayerLinkBlock(Block):
    """Connections of a layer and the one above. width: of the patch of units that a unit sees; or offsets."""

    pairs: tuple[tuple[str, str], ...]
    width: Integer | None = Field(default=None, ge=1)
    offsets: tuple[tuple[Integer, ...], ...] | None = None
    periodic: bool = True

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.width is None) == (self.offsets is None):
            raise ValueError("give either width = 2 or offsets = [[0], [1]]")
        return self


class BondsBlock(Block):
    """Connections of the units of one layer with each other.

    pairs: species that interact; all if not given. offsets: neighbours, [[1, 0], [0, 1]] on a plane if not given.
    periodic: whether they wrap around the lattice.
    """

    pairs: tuple[tuple[str, str], ...] | None = None
    offsets: tuple[tuple[Integer, ...], ...] | None = None
    periodic: bool = True


class LayerBlock(Block):
    """Units of a layer; shape: of its lattice, that of the data if not given. bonds: of its units with each other."""

    species: tuple[str, ...]
    shape: tuple[Integer, ...] | None = None
    bonds: BondsBlock | None = None


class ModelBlock(Block):
    """The energy model. wellmixed: order, largest. chain, triplets: data on a line. dbm: hidden layers and links.

    nodes: of a chain that differs from place to place, with ends; h(x) and J(x) are hat functions between nodes, given
    by their sites (0 is the first) or by how many there are.

    rbm: a dbm with one hidden layer of the same species, each unit of which sees a patch of width 2 and each species
    itself; hidden and links, if given, in their place. mrf: no hidden units, but bonds between neighbours.
    bonds: mrf, rbm, dbm: of the visible units with each other.
    """

    family: Literal["wellmixed", "chain", "triplets", "mrf", "rbm", "dbm"]
    bonds: BondsBlock | None = None
    nodes: Annotated[Integer, Field(ge=1)] | tuple[float, ...] | None = None
    order: Integer = Field(default=1, ge=1, le=6)
    largest: Integer = Field(default=500, ge=1)
    hidden: tuple[LayerBlock, ...] = ()
    links: tuple[LayerLinkBlock, ...] = ()
    absent: tuple[str, ...] = ()
    """dbm: species whose loss makes a class of its own, see `reducers.dbd.energy.mixture`."""
    start: dict[str, float] | None = None
    """θ at the start; otherwise from the moments of the data (Boltzmann machines: densities; all else 0)."""
    static: Integer = Field(default=0, ge=0)
    """Boltzmann machines: steps of a static fit to the data at the first time, of each initial condition."""


class ReactionTerm(Block):
    """A function F_r whose rate is learned, beginning at `rate`; hop: diffusion of species instead of an equation.

    at: chains with nodes: the sites where it happens, bonds by the site to their left; everywhere if not given.
    """

    equation: str | None = None
    hop: str | tuple[str, ...] | None = None
    rate: float = 0.0
    at: tuple[Integer, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.at is not None and not self.at:
            raise ValueError("at = []: give sites, or leave it out for all of them")
        if (self.equation is None) == (self.hop is None):
            raise ValueError('give either equation = "2 A -> 0" or hop = "A"')
        return self

    @property
    def label(self) -> str:
        """What the rate is called."""
        what = self.equation or f"hop {' '.join(self.hopping)}"
        return what if self.at is None else f"{what} at {', '.join(map(str, self.at))}"

    @property
    def hopping(self) -> tuple[str, ...]:
        """Species that hop, all at the same rate."""
        return (self.hop,) if isinstance(self.hop, str) else self.hop or ()


class LawBlock(Block):
    """F of dθ/dt = F(θ): hermite (domain, side), polynomial (domain, degree) or reactions."""

    family: Literal["hermite", "polynomial", "reactions"]
    domain: tuple[str, ...] = ()
    side: Positive | tuple[Positive, ...] = 0.1
    degree: Integer = Field(default=2, ge=0, le=8)
    reactions: tuple[ReactionTerm, ...] = ()
    shared: bool = True


class FitBlock(Block):
    """The recipe; see `reducers.dbd.fit.fit.Recipe` and `reducers.dbd.fit.comparison.WakeSleep`."""

    steps: Integer = Field(default=1000, ge=1)
    window: Integer | None = Field(default=None, ge=1)
    slide: Integer = Field(default=2, ge=1)
    order: Literal["sliding", "random", "early", "growing"] = "sliding"
    truncate: bool = False
    batch: Integer | None = Field(default=None, ge=1)
    trust: Positive = 0.5
    """The most that a step may move a parameter anywhere along the path."""
    method: Literal["euler", "heun", "rk4"] = "euler"
    substeps: Integer = Field(default=1, ge=1)
    optimiser: Literal["sgd", "adam"] = "sgd"
    rate: Positive = 1e-3
    rates: dict[str, float] = {}
    """Learning rates by parameter; a name ending in * stands for all that begin so."""
    schedule: Literal["constant", "exponential", "cosine", "linear"] = "constant"
    end: Positive = 0.01
    chains: Integer = Field(default=5, ge=1)
    wake: Integer = Field(default=10, ge=1)
    sleep: Integer = Field(default=10, ge=1)
    persistent: bool = True
    centre: float = Field(default=0.0, ge=0, le=1)


class FollowBlock(Block):
    """The recipe that follows moments; see `reducers.dbd.fit.moment_tracking.TrackingRecipe`.

    start, reference: θ by name, 0 otherwise.
    """

    start: dict[str, float] = {}
    reference: dict[str, float] = {}
    chains: Integer = Field(default=96, ge=8)
    starts: tuple[str, ...] = ("random",)
    sweeps: Integer = Field(default=20, ge=1)
    draws: Integer = Field(default=4, ge=1)
    between: Integer = Field(default=3, ge=1)
    settle: Integer = Field(default=40, ge=0)
    gain: float = Field(default=0.4, gt=0, le=1)
    relax: float = Field(default=0.03, ge=0, lt=1)
    ridge: Positive = 0.02
    damp: Positive = 0.05
    largest: Positive = 0.1
    agree: Positive = 0.04
    caution: float = Field(default=0.5, ge=0)
    least: Integer = Field(default=5, ge=1)
    smooth: Positive = 3.0
    law_ridge: Positive = 1e-4


class PredatorPreyBlock(Block):
    """Rates per step of the data for closures by hand; see `reducers.dbd.report.predator_prey.PredatorPreyRates`."""

    birth: Positive
    death: Positive
    hop: Positive = 0.25


class ReportBlock(Block):
    """How the free-running model is sampled for the report.

    every: recorded times between rows. distances: of the pairs of sites that are counted. checked: numbers of sweeps at
    which the errors are found again, from random, empty and full lattices. smooth: standard deviation in recorded times
    of the Gaussian filter over both the sum of closure terms and the derivative of the data.
    """

    every: Integer = Field(default=5, ge=1)
    chains: Integer = Field(default=50, ge=2)
    sweeps: Integer = Field(default=30, ge=1)
    distances: tuple[Integer, ...] = (1,)
    checked: tuple[Integer, ...] = ()
    smooth: Positive = 10.0
    predator_prey: PredatorPreyBlock | None = None
    """Compare with mean field and pair approximation: prey P and hunters H on a periodic square lattice."""
    closure: tuple[str, ...] = ()
    """Moments whose closure terms are shown, such as "P" or "PP nn"."""
    likelihood: tuple[Integer, ...] = ()
    """Boltzmann machines: recorded rows at which held-out runs are given a log-likelihood, by annealing."""
    mixing: tuple[Integer, ...] = ()
    """Boltzmann machines (of classes the first): recorded rows at which autocorrelation is measured, and chains are
    compared with tempered ones."""


class TrainingFile(LearningFile):
    """The training file of a dynamic Boltzmann distribution."""

    train: HeldOutTrainBlock
    data: DataBlock
    model: ModelBlock
    law: LawBlock
    fit: FitBlock = FitBlock()
    follow: FollowBlock | None = None
    """Follow the moments of the data instead of the adjoint's descent."""
    report: ReportBlock = ReportBlock()
