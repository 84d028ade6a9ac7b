"""Blocks that are a deep Boltzmann machine of molecules on a grid, at the sites of a surrogate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats, Words
from couple.base.errors import InputError, RunError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.reaction import Reaction, Species
from couple.components.component import State
from couple.geometry.geometry import Geometry
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.machines.build import build_machine, held_values
from reducers.machines.kernels.motion import Law, advance, look
from reducers.machines.polynomials import Monomials
from reducers.machines.settings import MachineSettings
from reducers.machines.units import Units, units_of
from reducers.markov.block import About, Bound, Stepped

MARGIN = 1.02
"""How far from the volumes of its training a model may be bound: neighbours act by a rate of second order."""
NEAR = 16.0
"""Squared standard deviations from what it begins with within which a site begins there."""
SWEEPS = 60
"""Of Gibbs sampling for a configuration."""


class MachineBlock(Stepped):
    """p(state of each molecule; θ(t)) of a machine, with a learned law of θ.

    settings: the table [machine]. reactions: (reactants, products, rate) of its chemistry, on: places of its species
    and the drive. model: see `kernels.motion.Law`. centre, width, biases: see `LearnedLaw`. start: (n,) x at rest.
    anchors: (P, n) x and shares (P, S), see `LearnedLaw`. volumes: (2,) least and most um^3. more: for reports.
    """

    kind: ClassVar[str] = "machine"

    def __init__(
        self,
        about: About,
        settings: MachineSettings,
        reactions: Sequence[Reaction],
        on: Sequence[str],
        model: Law,
        arrays: Mapping[str, Floats],
        more: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.about, self.settings, self.reactions, self.on = about, settings, tuple(reactions), tuple(on)
        self.model, self.more = model, dict(more or {})
        self.centre, self.width, self.start = (np.asarray(arrays[k], dtype=float) for k in ("centre", "width", "start"))
        self.anchors, self.shares = np.asarray(arrays["anchors"]), np.asarray(arrays["shares"])
        self.volumes, self.biases = (np.asarray(arrays[k], dtype=float) for k in ("volumes", "biases"))
        held = {about.drive: dict.fromkeys(about.contents, 1)}
        for k, name in enumerate(about.species):
            held[name] = {what: int(each[k]) for what, each in about.contents.items()}
        species = [
            Species(name, on=place, contains=held[name])  # type: ignore[arg-type]
            for name, place in zip((*about.species, about.drive), self.on, strict=True)
        ]
        known = {s.name for s in species}
        others = {n for r in self.reactions for n in (*r.reactants, *r.products)} - known
        self.units: Units = units_of(
            ReactionNetwork(species, self.reactions, sorted(others)), about.species, about.drive
        )
        self.machine = build_machine(settings)
        self.moving, self.fixed = held_values(settings, self.machine.parameters)
        n, m, few, s, units = (int(k) for k in model.sizes)
        self._basis = Monomials(n, next((d for d in range(1, 9) if len(Monomials(n, d)) >= m), 8))
        fits = (
            n == int(self.moving.sum()) == len(self.centre) == len(self.width) == len(self.start)
            and s == len(settings.states) == self.units.states
            and units == self.machine.visible.size == len(self.units.columns)
            and np.array_equal(model.recipe, self._basis.recipe)
            and self.biases.shape == (m, s)
            and model.law.shape == (few, 2, n)
            and model.outputs.shape == (m, 2 * s + s * (s - 1) // 2)
            and model.turn.shape == (few, 2, s, s)
            and 0 < few <= m == len(self._basis)
        )
        if not fits:
            raise ValueError("the law is not one of this machine")

    def theta(self, x: Floats) -> Floats:
        """(…, n of all) parameters of the machine at x (…, n)."""
        out, s = np.tile(self.fixed, (*x.shape[:-1], 1)), self.units.states
        coordinates = self.centre + self.width * x
        p = np.clip(coordinates[..., :s], 1e-4, 1.0)
        p /= np.maximum(p.sum(axis=-1, keepdims=True) / 0.9999, 1.0)
        off = self._basis.values(np.clip(x, -1.0, 1.0)) @ self.biases
        out[..., :s] = np.log(p / (1.0 - p.sum(axis=-1, keepdims=True))) + off
        others = np.flatnonzero(self.moving)[s:]
        out[..., others] = coordinates[..., s:]
        return out

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Table, reactions and law; what reports draw under names that begin with "report_"."""
        lines = [f"{' '.join(r.reactants)} > {' '.join(r.products)}" for r in self.reactions]
        own: dict[str, npt.NDArray[Any]] = {
            "machine": np.array(self.settings.model_dump_json().encode(), dtype="S"),
            "rates": np.array([r.rate for r in self.reactions]),
            "equations": np.array(lines, dtype="S"),
            "on": np.array(self.on, dtype="S"),
            **{key: np.asarray(value) for key, value in self.model._asdict().items()},
        }
        for key in ("centre", "width", "biases", "start", "anchors", "shares", "volumes"):
            own[key] = getattr(self, key)
        return {**own, **{f"report_{key}": value for key, value in self.more.items()}}

    @classmethod
    def build(cls, about: About, arrays: Mapping[str, npt.NDArray[Any]]) -> MachineBlock:
        """The block that `arrays` was made from. Raises KeyError or ValueError."""
        reactions = []
        for line, rate in zip(arrays["equations"].tolist(), np.asarray(arrays["rates"]).tolist(), strict=True):
            left, _, right = line.decode().partition(">")
            reactions.append(Reaction(tuple(left.split()), tuple(right.split()), float(rate)))
        settings = MachineSettings.model_validate(json.loads(np.asarray(arrays["machine"]).item().decode()))
        reals = {k: np.ascontiguousarray(arrays[k], dtype=float) for k in ("law", "outputs", "turn")}
        whole = {k: np.ascontiguousarray(arrays[k], dtype=np.int64) for k in ("recipe", "sizes")}
        step = float(np.asarray(arrays["step"]))
        model = Law(whole["recipe"], reals["law"], reals["outputs"], reals["turn"], whole["sizes"], step)
        more = {k.removeprefix("report_"): v for k, v in arrays.items() if k.startswith("report_")}
        on = [p.decode() for p in arrays["on"].tolist()]
        return cls(about, settings, reactions, on, model, arrays, more)

    def bind(
        self, sites: Sequence[Geometry], counts: Counts, observables: Sequence[Sequence[float]]
    ) -> MachinesAtSites:
        """The block at sites, see `Stepped.bind`. Raises InputError for other volumes than it was trained in."""
        return MachinesAtSites(self, sites, counts, observables)


class MachinesAtSites(Bound):
    """state: (n_sites, S) molecules in each state but the first now. theta: (n_sites, n) what the machines are, in half
    widths of the box. latent: (n_sites, S) deviations from what is expected. means, spread: (n_sites, S), (n_sites,
    S, S)."""

    longest = 1.0

    def __init__(
        self,
        block: MachineBlock,
        geometries: Sequence[Geometry],
        counts: Counts,
        observables: Sequence[Sequence[float]],
    ) -> None:
        self._block, n, s = block, len(geometries), block.units.states
        self._check(geometries)
        self.state, self.outside = np.zeros((n, s)), np.zeros(n, dtype=np.int64)
        self.theta, self.latent = np.zeros((n, len(block.start))), np.zeros((n, s))
        self.means, self.spread = np.zeros((n, s)), np.zeros((n, s, s))
        self._words: Words = np.zeros((n, 4), dtype=np.uint64)
        self._noisy = False
        held = np.asarray(next(iter(block.about.contents.values()), np.zeros(len(block.about.species))), dtype=float)
        self._held = block.units.by_state(held, "what they hold")
        self._seen = [block.units.by_state(np.asarray(w, dtype=float), "an observable") for w in observables]
        self._taken = np.array([block.units.uptake(g) for g in geometries]).reshape(n, 2, s + 1)
        self.write_counts(counts)

    def seed(self, words: Words | None) -> None:
        """Draw around the means with these streams (n_sites, 4), live; None: follow the means alone."""
        self._noisy = words is not None
        if words is not None:
            self._words = words
        else:
            self.state[...] = self.means

    def _check(self, geometries: Sequence[Geometry]) -> None:
        low, high = self._block.volumes.tolist()
        for geometry in geometries:
            if not low / MARGIN <= geometry.volume <= high * MARGIN:
                raise InputError(
                    f'the model "{self._block.about.name}" was trained in {low:.4g} um^3, in which its molecules meet '
                    f"at their rates; a site has {geometry.volume:.4g} um^3: train it in that"
                )

    def write_counts(self, counts: Counts) -> None:
        """Begin at (n_sites, n_species) molecules: with the machine of rest, or the nearest on the paths of training;
        what they are off it is a deviation. Raises InputError for molecules that are in no state, or in two."""
        block = self._block
        block.units.configuration(counts)
        numbers, units = block.units.numbers(counts), float(block.model.sizes[4])
        rest = block.shares[0] * units
        phi, mean = np.empty(len(block.model.recipe)), np.empty(len(rest))
        spread, values = np.empty((len(rest), len(rest))), np.empty(block.model.outputs.shape[1])
        look(block.model, block.start, phi, values, mean, spread)
        for i, found in enumerate(numbers):
            gap = found - mean
            if float(gap @ np.linalg.solve(spread, gap)) <= NEAR:
                self.theta[i] = block.start
            else:
                far = ((found / units - block.shares) ** 2).sum(axis=1)
                self.theta[i] = np.clip(block.anchors[int(far.argmin())], -1.0, 1.0)
            look(block.model, self.theta[i], phi, values, self.means[i], self.spread[i])
        self.latent[...] = numbers - self.means
        self.state[...] = numbers

    def advance(self, drive: Floats, span: float) -> None:
        """All sites `span` ms forward, see `Bound.advance`. Raises RunError if any diverges."""
        failed = advance(
            self._block.model, self.theta, self.latent, self.means, self.spread, self.state, self.outside, drive, span,
            self._words, self._noisy,
        )  # fmt: skip
        if failed:
            raise RunError(f'the model "{self._block.about.name}" diverges at site {failed - 1}')

    def _sum(self, weights: Floats) -> Floats:
        """(n_sites,) Σ over states, in a fixed order."""
        out = np.full(len(self.state), weights[0] * float(self._block.model.sizes[4]))
        for s, w in enumerate((weights[1:] - weights[0]).tolist()):
            out += w * self.state[:, s]
        return out

    def uptake(self, out: Floats) -> None:
        """(n_sites, 2) into out, by the numbers that are there now."""
        units = float(self._block.model.sizes[4])
        for k in range(2):
            out[:, k] = units * self._taken[:, k, 0]
            for s in range(self.state.shape[1]):
                out[:, k] += (self._taken[:, k, s + 1] - self._taken[:, k, 0]) * self.state[:, s]

    def held(self, out: Floats) -> None:
        """(n_sites,) into out: ions held now."""
        out[...] = self._sum(self._held)

    def watch(self, out: Floats) -> None:
        """(n_sites, n_observables) into out: molecules now."""
        for k, weights in enumerate(self._seen):
            out[:, k] = self._sum(weights)

    def read_counts(self, held: Counts, rng: Sequence[np.random.Generator]) -> Counts:
        """(n_sites, n_species) whole molecules, see `Bound.read_counts`."""
        drawn = [self.read_site(i, int(ions), rng[i]) for i, ions in enumerate(held)]
        return np.array(drawn, dtype=np.int64).reshape(len(held), len(self._block.about.species))

    def read_site(self, row: int, held: int, rng: np.random.Generator) -> Counts:
        """(n_species,) a configuration that the machine draws, with numbers next to the present that hold `held`."""
        block = self._block
        numbers = self._whole(row, held)
        chains = Chains(block.machine, 1, int(rng.integers(2**62)), "configuration")
        chains.randomise(int(rng.integers(2**62)), "configuration")
        tables, sets = Conditionals(block.machine, block.theta(self.theta[row])), np.zeros(1, dtype=np.int64)
        chains.sweep(tables, sets, SWEEPS)
        states = chains.states(0)[:, 0].astype(np.int64)
        wanted = np.array([len(states) - numbers.sum(), *numbers])
        order = rng.permutation(len(states))
        for s in np.argsort(wanted - np.bincount(states, minlength=len(wanted)), kind="stable"):
            for i in order:  # the superfluous of a state become what is missing
                have = np.bincount(states, minlength=len(wanted))
                if have[s] <= wanted[s]:
                    break
                if states[i] == s:
                    states[i] = int((wanted - have).argmax())
        return block.units.counts(states)

    def _whole(self, row: int, held: int) -> npt.NDArray[np.int64]:
        """(S,) the whole numbers next to those of a site that hold what is wanted."""
        units, near = int(self._block.model.sizes[4]), self.state[row]
        base = held - round(float(self._held[0])) * units
        slopes = np.rint(self._held[1:] - self._held[0]).astype(np.int64)
        best, least = None, np.inf
        for radius in (2, 8, units):
            ranges = [range(max(0, int(v) - radius), min(units, int(v) + radius + 1) + 1) for v in near]
            for n in np.array(np.meshgrid(*ranges, indexing="ij")).reshape(len(near), -1).T:
                far = float(((n - near) ** 2).sum())
                if far < least and n.sum() <= units and int(slopes @ n) == base:
                    best, least = n, far
            if best is not None:
                return np.asarray(best, dtype=np.int64)
        raise RunError(f'no whole molecules of "{self._block.about.name}" hold {held} ions')

    def private(self) -> State:
        """All that going on to the bit needs, see `Bound.private`."""
        more = {"drawn.words": self._words} if self._noisy else {}
        own = {"theta": self.theta, "latent": self.latent, "means": self.means, "spread": self.spread}
        return {"state": self.state, "outside": self.outside, **own, **more}
