"""What both well-mixed engines share: their whole state is the output `counts` and a few numbers per site."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from couple.base.arrays import Counts
from couple.base.errors import InputError
from couple.components.capabilities import AdvancesSomeSites
from couple.components.component import State
from couple.components.engine import SiteEngine


class WellMixed(SiteEngine, AdvancesSomeSites):
    """A site engine without places.

    A subclass names in `_private()` the arrays that it needs besides the ports to go on exactly: attributes of the same
    names. Of them and of all in `_rows`, each site has a row.
    """

    _rows: ClassVar[tuple[str, ...]] = ("_rates",)

    def _private(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays of the engine's own, live: saved and restored by copying."""
        return {}

    def _by_site(self) -> tuple[str, ...]:
        """Names of attributes that are arrays with a row for each site."""
        return (*self._rows, *self._private())

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """Take up (n_sites, n_species) molecules; `rng` is not used, there are no places."""
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T

    def write_sites(self, rows: npt.NDArray[np.int64], counts: Counts, rng: np.random.Generator) -> None:
        """See AdvancesSomeSites."""
        held, weights = self.read("counts"), self.network.observable_weights
        held[rows, : len(self.network.species)] = counts
        self.read("means")[rows] = (held[rows, None, :] * weights).sum(axis=2)

    def advance_sites(self, ticks: int, rows: npt.NDArray[np.int64]) -> None:
        """See AdvancesSomeSites: on copies of their rows, which cost little beside a window of chemistry."""
        if len(rows) == len(self.sites):
            self.advance(ticks)
            return
        views, sites = self._views, self.sites
        whole: dict[str, npt.NDArray[Any]] = {key: getattr(self, key) for key in self._by_site()}
        self._views, self.sites = {key: view[rows] for key, view in views.items()}, tuple(sites[r] for r in rows)
        for key, array in whole.items():
            setattr(self, key, array[rows])
        try:
            self.advance(ticks)
        finally:
            for key in self.outputs:
                views[key][rows] = self._views[key]
            for key, array in whole.items():
                array[rows] = getattr(self, key)
                setattr(self, key, array)
            self._views, self.sites = views, sites

    def save(self) -> State:
        outputs = {key: self.read(key).copy() for key in self.outputs}
        return {**outputs, **{key: array.copy() for key, array in self._private().items()}}

    def restore(self, state: State) -> None:
        """Raises InputError if the state is of a component with other sites or another network."""
        targets = {**{key: self.read(key) for key in self.outputs}, **self._private()}
        for key, array in targets.items():
            saved = np.asarray(state.get(key))
            if saved.shape != array.shape:
                raise InputError(
                    f'the saved state does not fit "{self.name}": "{key}" has shape {saved.shape}, not {array.shape}'
                )
        for key, array in targets.items():
            array[...] = np.asarray(state[key])

    def _input_message(self, site: int, *, clamp: bool = False, too_few: bool = False) -> str:
        """What is wrong with the inputs of a site."""
        port = "clamp" if clamp else "influx"
        given = dict(zip(self.inputs[port].columns, self.read(port)[site].tolist(), strict=True))
        if clamp:
            return f"{self._where(site)}: the clamp {given} is not a finite count of at least 0"
        if too_few:
            return f"{self._where(site)}: more molecules leave ({given}) than there are"
        kind = "in whole molecules" if self.integer else "finite"
        return f"{self._where(site)}: the influx {given} is not {kind}"

    def _where(self, site: int) -> str:
        return f'site "{self.sites[site].name}" of "{self.name}"'
