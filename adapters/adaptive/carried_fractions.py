"""Fractions of ions that an engine in whole numbers does not take, and what reservoirs held before the last switch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.chemistry.whole_counts import whole_and_rest
from couple.components.engine import EngineSetup


class CarriedFractions:
    """Of all sites of an adaptive engine.

    carried: (n_sites, n_species) molecules that are in the site but in no engine; above 0 for carriers alone, the free
             species of each conserved substance, and less than one.
    base:    (n_sites, n_states) what reservoirs held, less what the active engine says they hold.
    filled:  species that the engines take up: what links and drives fill, and carriers.
    """

    def __init__(self, network: ReactionNetwork, setup: EngineSetup, common: frozenset[str], *, mixed: bool) -> None:
        """common: species that all engines count. mixed: whether any counts in real numbers; else there are no
        fractions. Raises InputError."""
        n, self._n_species = len(setup.sites), len(network.species)
        self._network = network
        found = {s: _carrier(network, s, setup.injected) for s in network.substances}
        self.carriers = {s: k for s, k in found.items() if k is not None}
        self.contents = {s: network.contents(s).astype(float) for s in self.carriers}
        if mixed and len(found) > len(self.carriers):
            substance = next(s for s in found if s not in self.carriers)
            raise InputError(
                f'"{substance}" has no species of its own in the volume: a fraction of it cannot be carried from an '
                "engine in real numbers to one in whole ones"
            )
        new = [n for n in (network.names[c] for c in self.carriers.values()) if mixed and n in common]
        self.filled = (*setup.injected, *(s for s in dict.fromkeys(new) if s not in setup.injected))
        self._columns = np.array([network.index(s) for s in self.filled], dtype=np.int64)
        self.carried = np.zeros((n, self._n_species))
        self.base = np.zeros((n, len(network.states)))
        self._given = np.zeros((n, len(self.filled)))
        self._any = True

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is saved."""
        return {"carried": self.carried, "base": self.base}

    def restored(self) -> None:
        """The arrays were set by others."""
        self._any = True

    def take(self, influx: Floats, whole: npt.NDArray[np.bool_]) -> Floats:
        """(n_sites, n_filled) what enters the engines; whole: (n_sites,) whether the active one takes whole ions.

        influx: (n_sites, n_injected). The rest is carried.
        """
        if not self._any and not whole.any():
            self._given[:, : influx.shape[1]] = influx
            return self._given
        due = self.carried[:, self._columns]
        due[:, : influx.shape[1]] += influx
        given = np.where(whole[:, None], whole_and_rest(due)[0], due)
        self.carried[:, self._columns] = due - given
        self._any = bool(self.carried.any())
        return np.asarray(given)

    def add(self, counts: Floats, means: Floats) -> None:
        """Add what is carried, and what was in reservoirs, to what the engines put out."""
        counts += self.base
        if self._any:
            counts[:, : self._n_species] += self.carried
            weights = self._network.observable_weights[:, : self._n_species]
            means += (self.carried[:, None, :] * weights).sum(axis=2)

    def hand_over(self, site: int, out: Floats, whole: Counts, now: Floats, columns: npt.NDArray[np.int64]) -> None:
        """A site goes on in another engine.

        out: (n_states,) that the site has put out; whole: (n_species,) what the new engine took up. now: (n_columns,)
        counts of the new engine, its states being those of `columns`.
        """
        n = self._n_species
        held = np.zeros(len(out))
        held[columns] = now
        self.base[site], self.carried[site] = 0.0, 0.0
        self.base[site, n:] = out[n:] - held[n:]
        for substance, contents in self.contents.items():
            rest = float(contents[:n] @ (out[:n] - whole))
            carrier = self.carriers[substance]
            name = self._network.names[carrier]
            if name in self._network.clamped:  # whoever holds it takes this too
                self.base[site, self._network.index(f"{name}_clamp")] += rest / contents[carrier]
            else:
                self.carried[site, carrier] += rest / contents[carrier]
        self._any = True  # looked at when ions are taken


def _carrier(network: ReactionNetwork, substance: str, injected: tuple[str, ...]) -> int | None:
    """The free species of a substance: one that links fill, else the first that holds nothing else."""
    alone = [
        k for k, s in enumerate(network.species) if s.contains.get(substance, 0) and set(s.contains) == {substance}
    ]
    mobile = [k for k in alone if network.species[k].on == "volume"]
    for chosen in ([k for k in mobile if network.names[k] in injected], mobile):
        if chosen:
            return min(chosen, key=lambda k: (network.species[k].contains[substance], k))
    return None
