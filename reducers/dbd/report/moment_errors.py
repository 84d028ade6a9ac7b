"""What a free-running Boltzmann machine looks like: configurations and moments along a path θ(t)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from couple.base.arrays import Floats, Ints
from reducers.data.moments import Estimate, data_moments, lattice_moments, nrmse
from reducers.data.trajectories import Snapshots, Trajectories
from reducers.dbd.chains.inhomogeneous import InhomogeneousChain
from reducers.dbd.energy.dbm import DeepBoltzmann
from reducers.dbd.energy.mixture import AnyDeep, Mixture, components
from reducers.dbd.energy.sufficient_statistics import EnergyModel, exact_moments, profiles
from reducers.dbd.model.model import ReducedModel
from reducers.dbd.sampling.gibbs import Chains, Conditionals
from reducers.training.verdict import Verdict, judge

ADVICE = (
    "Give more steps ([fit] steps), more runs, another law, or for Boltzmann machines a table [follow]: "
    "see examples/sir"
)


def sampled_chains(
    machine: DeepBoltzmann,
    theta: Floats,
    *,
    chains: int = 50,
    sweeps: int = 50,
    seed: int = 1,
    purpose: str = "sample",
    start: str = "random",
) -> Chains:
    """Chains of every θ (T, n) after `sweeps` from a start (`Chains.begin`), chain c of time k at k * chains + c."""
    made = Chains(machine, len(theta) * chains, seed, purpose)
    made.begin([start], seed, purpose)
    made.sweep(Conditionals(machine, theta), np.repeat(np.arange(len(theta)), chains), sweeps)
    return made


def model_moments(
    model: AnyDeep,
    theta: Floats,
    *,
    chains: int = 50,
    sweeps: int = 50,
    seed: int = 1,
    periodic: bool = True,
    distances: Sequence[int] = (1,),
    block: int = 32,
    start: str = "random",
) -> dict[str, Floats]:
    """name → (chains, T) moments of the visible layer along θ (T, n); `block` times are sampled at once.

    Of a mixture each row is the mean of one chain in every class, weighted by π.
    """
    machine, weights, thetas = components(model, theta)
    out: dict[str, Floats] = {}
    for k in range(weights.shape[1]):
        parts = []
        for first in range(0, len(theta), block):
            piece, purpose = thetas[first : first + block, k], f"sample {first}" + (f" class {k}" if k else "")
            made = sampled_chains(machine, piece, chains=chains, sweeps=sweeps, seed=seed, purpose=purpose, start=start)
            states: Snapshots = made.states(0).T.reshape(len(piece), chains, -1)
            visible = machine.visible
            parts.append(lattice_moments(states, visible.species, visible.shape, periodic, distances))
        for name in parts[0]:
            found = weights[:, k] * np.concatenate([part[name] for part in parts]).T
            out[name] = out[name] + found if name in out else found
    return out


def reference_moments(
    model: EnergyModel, runs: Trajectories, periodic: bool, every: int, distances: Sequence[int] = (1,)
) -> dict[str, Floats]:
    """ "NAME mean", "NAME deviation", "NAME error" (T,) of the first initial condition, for every n-th time.

    Of a chain with nodes (T, K), one for each node.
    """
    chosen = np.flatnonzero(runs.conditions == runs.conditions[0])
    first = runs.select(chosen).thinned(np.arange(0, len(runs.time), every))
    if isinstance(model, DeepBoltzmann | Mixture):
        moments = data_moments(first, periodic, distances)
    else:
        exact = exact_moments(model, first, periodic)
        moments = _named(model, exact)
    out = {"time mean": first.time}
    for name, values in moments.items():
        found = Estimate.of(values)
        out |= {f"{name} mean": found.mean, f"{name} deviation": found.deviation, f"{name} error": found.error}
    return out


def reported_times(model: ReducedModel) -> Ints:
    """Indices of the recorded times that reports show: those of the reference."""
    times = len(model.reference["time mean"])
    return np.arange(0, model.points, max(1, -(-model.points // times)))


def free_moments(
    model: ReducedModel, *, sweeps: int | None = None, start: str = "random", every: int = 1
) -> dict[str, Floats]:
    """name → (samples, T) moments of the free-running model of the first initial condition at the reported times."""
    block, theta = model.file.report, model.trajectory()[reported_times(model)[::every], 0]
    if isinstance(model.model, DeepBoltzmann | Mixture):
        return model_moments(
            model.model,
            theta,
            chains=block.chains,
            sweeps=sweeps or block.sweeps,
            seed=model.file.train.seed,
            periodic=model.file.data.periodic,
            distances=block.distances,
            start=start,
        )
    return _named(model.model, np.stack([model.model.moments(t) for t in theta])[None])


def _named(model: EnergyModel, moments: Floats) -> dict[str, Floats]:
    """name → (R, T) of moments (R, T, n); of a chain with nodes (R, T, K), a profile each."""
    if isinstance(model, InhomogeneousChain):
        return {f"<{name}>": values for name, values in profiles(model, moments).items()}
    return {f"<{name}>": moments[:, :, k] for k, name in enumerate(model.parameters)}


def held_out_errors(model: ReducedModel) -> dict[str, float]:
    """name → NRMSE of the free-running model's moments against the mean of its reference runs."""
    return _errors(model, free_moments(model))


def checked_errors(model: ReducedModel) -> dict[str, float]:
    """ "sweeps, start" → mean NRMSE over densities and neighbours, wherever the chains begin and however long they run.

    At some 25 times. A machine that mixes shows the same everywhere. All starts get the same random numbers: errors
    that agree to the last digit mean that chains from opposite starts have met in one configuration.
    """
    if not isinstance(model.model, DeepBoltzmann | Mixture):
        return {}
    out = {}
    every = max(1, len(model.reference["time mean"]) // 25)
    for start in ("random", "empty", *model.species):
        for sweeps in model.file.report.checked:
            found = _errors(model, free_moments(model, sweeps=sweeps, start=start, every=every), every)
            place = start if start in ("random", "empty") else f"full of {start}"
            out[f"{sweeps} sweeps, {place}"] = mean_error(found)
    return out


def judged(model: ReducedModel) -> Verdict:
    """The model's errors beside those of moments that stay as the data have them at the start."""
    errors = {name: error for name, error in model.held_out.items() if " m" not in name}
    held, chance = {}, {}
    for name in errors:
        data, spread = model.reference[f"{name} mean"], model.reference[f"{name} error"]
        held[name] = nrmse(np.full_like(data, data[0]), data)
        chance[name] = nrmse(data + np.nan_to_num(spread), data)
    on = "held-out runs" if model.file.train.held_out else "training runs"
    return judge(errors, held, "moments held at their start", on, ADVICE, model.file.train.allowed, chance)


def mean_error(errors: Mapping[str, float]) -> float:
    """Mean NRMSE over densities and nearest neighbours; errors: name → NRMSE, as `held_out_errors` gives them."""
    return float(np.mean([error for name, error in errors.items() if " " not in name or name.endswith(" nn")]))


def _errors(model: ReducedModel, found: dict[str, Floats], every: int = 1) -> dict[str, float]:
    return {
        name: nrmse(values.mean(axis=0), model.reference[f"{name} mean"][::every]) for name, values in found.items()
    }
