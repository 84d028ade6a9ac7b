"""Engine `surrogate`: free calcium and what it drives in real numbers, with learned blocks for some species."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field

from adapters.surrogate.blocks.bound_blocks import BoundBlocks
from adapters.surrogate.blocks.held_moves import held_moves, held_species
from adapters.surrogate.blocks.held_pools import HeldPools
from adapters.surrogate.blocks.replaced import Replaced
from adapters.surrogate.kernels import kernel, layout
from adapters.surrogate.kernels.lanes import Lanes, lanes
from adapters.surrogate.kernels.program import Nodes, nodes, program
from adapters.surrogate.pools.network import block_pool, guess_drive, pools_of
from adapters.surrogate.pools.tables import PoolPlan, plan, propagators
from adapters.wellmixed.common.base import BatchedWellMixed, Failure, SiteArrays
from couple.base.arrays import Counts, Floats, Ints
from couple.base.errors import InputError
from couple.base.paths.file_fields import ReadsFile
from couple.base.units import IONS_PER_MM_UM3, Time
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.rounding import Rounding
from couple.components import engine
from couple.components.capabilities import CountsValidity, HasErrorIndicator, ReplacesSpecies
from couple.components.engine import EngineSetup, Site, whole_site
from couple.rng.streams import generator, stream
from reducers.markov.block import DrivenBlock, Stepped
from reducers.markov.file import read_block
from reducers.markov.markov import MarkovBlock
from reducers.training.verdict import Verdict

FLOOR = 1e-3
"""uM below which the error of the concentration is absolute."""

_log = logging.getLogger(__name__)


def _named(value: object) -> object:
    """A list of files, or one, as the table that options hold."""
    files = [value] if isinstance(value, str) else value
    return {str(k): f for k, f in enumerate(files)} if isinstance(files, list) else files


class SurrogateOptions(engine.Options):
    """models: files of learned blocks, as { SK = "sk.h5" } or a list; relative to the experiment.

    law: of blocks of independent molecules, and of molecules whose rates depend on the voltage or on catalysts:
    "multinomial", whole molecules that move at random, or "mean"; of blocks that are a distribution of copy numbers:
    drawn from it ("multinomial"), or its mean.
    accuracy: error of the free concentration allowed in a step, relative. step: the longest step.
    """

    models: Annotated[
        dict[str, Annotated[str, ReadsFile("learned model")]],
        BeforeValidator(_named, json_schema_input_type=str | list[str] | dict[str, str]),
    ] = {}
    law: Literal["multinomial", "mean"] = "multinomial"
    accuracy: float = Field(5e-3, gt=0, lt=1, strict=True)
    step: Time = Field(0.1, gt=0, le=1)


class Surrogate(BatchedWellMixed, ReplacesSpecies, HasErrorIndicator, CountsValidity):
    """Pools of molecules driven by one concentration, and learned blocks in the place of some species.

    Everything that calcium drives molecule by molecule (buffers, pumps, channels) follows propagators tabulated over
    its concentration; see `tables` and `kernel`. Reduced blocks (`reducers.markov`) stand for the species that
    their files name: generators join the pools; any other block is advanced beside them, and what it takes up is booked
    in the same step. A species that a block of that kind stands for is not counted: its ions are in `NAME_Ca`, and its
    observables are in `means`. Molecules whose rates depend on V or on catalysts follow, see `held_pools`.

    outside, limited: see below.
    """

    integer = False
    voltage_order = 2
    Options: ClassVar[type[engine.Options]] = SurrogateOptions

    def __init__(self, setup: EngineSetup) -> None:
        options = setup.options if isinstance(setup.options, SurrogateOptions) else SurrogateOptions()
        self.blocks = read_models(options.models, setup.folder, setup.network)
        self.drive = _drive(self.blocks, setup)
        if self.blocks and self.drive in setup.network.shares:
            raise InputError(
                f'"{self.drive}" is in a compartment: learned models take concentrations of the whole site'
            )
        stepped = {name: b for name, b in self.blocks.items() if isinstance(b, Stepped)}
        self.replaced = Replaced(setup.network, stepped)
        sites = self.starting_sites(setup)
        super().__init__(
            replace(self.replaced.reduced(replace(setup, sites=sites)), options=SurrogateOptions(law=options.law))
        )
        self.setup, self._options = setup, options
        self.bound_blocks = BoundBlocks(self.replaced, self.network, sites)
        if options.law == "multinomial":
            for name, bound in self.bound_blocks.bound.items():
                bound.seed(np.array([stream(setup.seed, "surrogate", s.name, name) for s in setup.sites]))
        self.bound_blocks.write(self.read("counts"))
        markov = [b for b in self.blocks.values() if isinstance(b, MarkovBlock)]
        held = held_species(
            setup.network, self.drive, frozenset(s for b in self.blocks.values() for s in b.about.species)
        )
        moves = held_moves(self.replaced, self.network, self.drive, held)
        self.held_pools = HeldPools(moves, self.network, setup.network, sites)
        left_out = frozenset(s for b in markov for s in b.about.species) | self.replaced.added | held
        pools = pools_of(self.network, self.drive, left_out)
        pools += [block_pool(b, self.network, options.law) for b in markov]
        self._plan = plan(pools, self.network, self.drive, setup.injected, setup.clamped)
        n = len(setup.sites)
        self._scales = np.array([1e-3 * IONS_PER_MM_UM3 * s.geometry.volume for s in setup.sites])
        self.sink = np.zeros((n, 2))
        self.numbers = np.zeros((n, 4))
        if self.drive is not None:
            self.numbers[:, layout.GUESS] = self.read("counts")[:, self.network.index(self.drive)] / self._scales
        self.marks = np.zeros((n, 3), dtype=np.int64)
        self.words, self._held_words = (
            np.array([stream(setup.seed, "surrogate", s.name, purpose) for s in setup.sites])
            for purpose in ("channels", "held")
        )
        self._constants = np.array([options.accuracy, FLOOR, *self._plan.rate, *self._drive_box()])
        self._program = program(self._plan, self.network)
        self._stepping: dict[float, tuple[layout.PoolModel, Nodes]] = {}
        self._warned: set[str] = set()
        self._follow_voltage(self.held_pools.numbers)

    def _drive_box(self) -> tuple[float, float]:
        """What drives every block within what it was trained for."""
        boxes = [b.about.drive_box for b in self.blocks.values()]
        return max((low for low, _ in boxes), default=0.0), min((high for _, high in boxes), default=np.inf)

    def _site_arrays(self) -> SiteArrays:
        own = {"numbers": self.numbers, "marks": self.marks, "words": self.words}
        held = {"held.words": self._held_words, "rates": self.held_pools.rates}
        return {"sink": self.sink, "scales": self._scales, **own, **held}

    def _new_scratch(self) -> tuple[layout.Scratch, Lanes]:
        return _scratch(self._plan), lanes(self._program, self._plan.n_states)

    def _begin_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> None:
        self._tables(ticks)
        if self.bound_blocks:
            self.bound_blocks.request_uptake(ports["counts"], own["sink"], ticks * self.setup.tick)
        self._catalysts = [ports["counts"][:, at.catalysts] for at in (self.held_pools, self.bound_blocks)]

    def _end_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> None:
        span, counts, means = ticks * self.setup.tick, ports["counts"], ports["means"]
        if self.bound_blocks:
            found = 0.5 * (self._catalysts[1] + counts[:, self.bound_blocks.catalysts])
            self.bound_blocks.advance(counts, means, own["numbers"], found, span)
        if self.held_pools:
            found, whole = (
                0.5 * (self._catalysts[0] + counts[:, self.held_pools.catalysts]),
                self._options.law != "mean",
            )
            self.held_pools.advance(counts, means, own["rates"], found, own["held.words"], span, whole=whole)

    def _advance_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays, scratch: Any) -> Failure:
        model, nodes, steps = self._tables(ticks)
        sites = layout.Sites(
            ports["counts"],
            ports["influx"],
            ports["clamp"],
            ports["means"],
            own["sink"],
            own["scales"],
            own["numbers"],
            own["marks"],
            own["words"],
        )
        span = ticks * self.setup.tick
        code, site = kernel.advance(model, self._program, nodes, sites, *scratch, span, steps)
        return code, site, 0

    def _tables(self, ticks: int) -> tuple[layout.PoolModel, Nodes, int]:
        """For the steps of a window, made once; and how many these are."""
        span = ticks * self.setup.tick
        steps = max(1, int(np.ceil(span / self._options.step * (1 - 1e-9))))
        key = float(f"{span / steps:.12g}")
        if key not in self._stepping:
            made = self._plan
            rows, uptakes = propagators(made, key)
            model = layout.PoolModel(
                made.packed, made.holds, made.flow_holds, made.weights, made.free_weights, made.still_weights,
                rows.ravel(), uptakes.ravel(), self._constants,
            )  # fmt: skip
            self._stepping[key] = model, nodes(made, self.network, self._program, rows, uptakes)
        return *self._stepping[key], steps

    def _warn_if_invalid(self) -> None:
        """Warn, once for each box, if a site left what the models were trained for."""
        if not self.blocks:
            return
        if "drive" not in self._warned and self.marks[:, layout.OUTSIDE].any():
            site, (low, high) = int(self.marks[:, layout.OUTSIDE].argmax()), self._drive_box()
            self._warn(
                "drive", site, f"{self.drive} ({self.numbers[site, layout.MEAN]:.4g} uM) left {low:g} .. {high:g} uM"
            )
        for name, bound in self.bound_blocks.bound.items():
            outside = bound.outside
            if name not in self._warned and outside.any():
                self._warn(name, int(outside.argmax()), f"the state of the model {name} left the box")

    def _warn(self, key: str, site: int, what: str) -> None:
        self._warned.add(key)
        _log.warning(
            "%s: %s that the models were trained for; from here on they extrapolate: compare with another engine",
            self._where(site),
            what,
        )

    @property
    def outside(self) -> npt.NDArray[np.int64]:
        """(n_sites,) windows in which the drive or the state of a model was outside of what it was trained for."""
        worst = self.marks[:, layout.OUTSIDE].copy()
        for bound in self.bound_blocks.bound.values():
            np.maximum(worst, bound.outside, out=worst)
        return worst

    @property
    def limited(self) -> npt.NDArray[np.int64]:
        """(n_sites,) steps in which whole molecules stayed because there were no ions for them."""
        return self.marks[:, layout.LIMITED]

    def validity_counts(self) -> dict[str, Ints]:
        """See CountsValidity."""
        return {"outside": self.outside, "limited": self.limited}

    # -- other accuracies -----------------------------------------------------------------------------------------

    @cached_property
    def rounding(self) -> Rounding:
        """See SiteEngine: ions in blocks and free ones are whole together, not each by itself."""
        return Rounding(self.replaced.exchanging()) if self.bound_blocks else Rounding(self.network)

    def read_site(self, row: int, rng: np.random.Generator | None = None) -> Counts:
        """See SiteEngine: of the whole chemistry; those of a stepped block are drawn given totals.

        Without `rng` the same state gives the same draw.
        """
        reduced = super().read_site(row, rng)
        if not self.bound_blocks:
            return reduced
        drawn = generator(self.setup.seed, "surrogate", self.sites[row].name, "counts") if rng is None else rng
        return self.bound_blocks.read_site(row, reduced, drawn)

    def error_indicator(self, counts: Floats) -> Floats:
        """See HasErrorIndicator: the drive in units of the end of the box that is nearer, 1 at either end."""
        if self.drive is None or not self.blocks:
            return np.zeros(len(self.sites))
        low, high = self._drive_box()
        c = np.maximum(counts[:, self.setup.network.index(self.drive)] / self._scales, 1e-12)
        return np.asarray(np.maximum(c / high, low / c))

    @classmethod
    def starting_sites(cls, setup: EngineSetup) -> tuple[Site, ...]:
        """See SiteEngine: species that blocks stand for are whole molecules where these move at random."""
        options = setup.options if isinstance(setup.options, SurrogateOptions) else SurrogateOptions()
        models = read_models(options.models, setup.folder, setup.network)
        blocks, gone = models.values(), frozenset(s for b in models.values() for s in b.about.species)
        whole = {
            species
            for block in blocks
            if isinstance(block, Stepped) or options.law == "multinomial"
            for species in block.about.species
        }
        if options.law == "multinomial":
            whole |= held_species(setup.network, _drive(models, setup), gone)
        return tuple(whole_site(setup, site, whole) for site in setup.sites) if whole else setup.sites

    @classmethod
    def counted_network(cls, setup: EngineSetup) -> ReactionNetwork:
        """See ReplacesSpecies: with columns of the blocks in place of their species."""
        blocks = _stepped(setup)
        network = Replaced(setup.network, blocks).network() if blocks else setup.network
        return network.with_clamped(setup.clamped) if setup.clamped else network

    def advance_sites(self, ticks: int, rows: npt.NDArray[np.int64]) -> None:
        """See AdvancesSomeSites."""
        with self.bound_blocks.only(rows):
            super().advance_sites(ticks, rows)

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """Take up (n_sites, n_species of the whole chemistry) molecules."""
        if not self.bound_blocks:
            super().write_counts(counts, rng)
        else:
            whole = self.checked_counts(counts, len(self.setup.network.species))
            self.read("counts")[:, : len(self.network.species)] = self.replaced.to_reduced(whole)
            self.bound_blocks.write_counts(whole, self.read("counts"))
            self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T

    def write_sites(self, rows: npt.NDArray[np.int64], counts: Counts, rng: np.random.Generator) -> None:
        """See AdvancesSomeSites."""
        if not self.bound_blocks:
            super().write_sites(rows, counts, rng)
            return
        held = self.read("counts")[rows]
        held[:, : len(self.network.species)] = self.replaced.to_reduced(counts)
        with self.bound_blocks.only(rows):
            self.bound_blocks.write_counts(counts, held)
        self.read("counts")[rows] = held
        self.read("means")[rows] = (held[:, None, :] * self.network.observable_weights).sum(axis=2)

    def attributes(self) -> dict[str, Any]:
        """See SiteEngine: the models, by the hash of what they were trained on."""
        return {f"model_{name}": block.about.data_hash for name, block in self.blocks.items()}

    def _private(self) -> dict[str, npt.NDArray[Any]]:
        own = {"numbers": self.numbers, "marks": self.marks, "words": self.words}
        held = {"held.words": self._held_words} if self.held_pools else {}
        return {**own, **held, **self.bound_blocks.private()}

    def _message(self, code: int, site: int, column: int) -> str:
        if code == layout.OFF_GRID:
            return f"{self._where(site)}: {self.drive} rises above {layout.HIGHEST / 1e3:.3g} mM, the end of the tables"
        if code == layout.NEGATIVE:
            return f"{self._where(site)}: {self.drive} would fall below zero; give a smaller surrogate.step"
        return self._input_message(site, clamp=code == layout.BAD_CLAMP, too_few=code == layout.TOO_FEW)


def _scratch(made: PoolPlan) -> layout.Scratch:
    real = np.zeros(1)
    p, new, births, product = (np.zeros(made.n_states) for _ in range(4))
    return layout.Scratch(
        p,
        new,
        births,
        product,
        np.zeros(len(made.flow_holds)),
        np.zeros(made.width),
        np.zeros(4, dtype=np.uint64),
        real,
        real.view(np.int64),
    )


def read_models(models: Mapping[str, str], folder: Path, network: ReactionNetwork) -> dict[str, DrivenBlock]:
    """Blocks by their names. Raises InputError that names the key for a file that does not fit the chemistry."""
    found: dict[str, DrivenBlock] = {}
    for key, text in models.items():
        where = f"surrogate.models.{key}"
        try:
            block = read_block(folder / text)
            block.about.check(network)
            block.conversions(network)
            _warn_of(block, where)
        except InputError as error:
            raise error.at(where) from None
        for other in found.values():
            both = set(block.about.species) & set(other.about.species)
            if both or block.about.name == other.about.name:
                raise InputError(f"stands for what {other.about.name} stands for, too", where=where)
            if block.about.drive != other.about.drive:
                raise InputError(
                    f"is driven by {block.about.drive}, {other.about.name} by {other.about.drive}", where=where
                )
        found[block.about.name] = block
    return found


def _warn_of(block: DrivenBlock, where: str) -> None:
    verdict = Verdict.from_json(block.about.verdict)
    if verdict is not None and not verdict.good:
        _log.warning("%s: %s", where, verdict.line)


def _stepped(setup: EngineSetup) -> dict[str, Stepped]:
    """Blocks that advance themselves."""
    models = setup.options.models if isinstance(setup.options, SurrogateOptions) else {}
    found = read_models(models, setup.folder, setup.network)
    return {name: b for name, b in found.items() if isinstance(b, Stepped)}


def _drive(blocks: Mapping[str, DrivenBlock], setup: EngineSetup) -> str | None:
    for block in blocks.values():
        return block.about.drive
    return guess_drive(setup.network, setup.injected, setup.clamped)
