"""What well-mixed engines share: their whole state is the output `counts` and a few numbers per site."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.wellmixed.common.law_tables import with_constants
from couple.base.arrays import Counts, Floats
from couple.base.errors import InputError, RunError
from couple.chemistry.laws.tape import LawTape
from couple.components.capabilities import AdvancesSomeSites, ResizesSites
from couple.components.component import State
from couple.components.engine import SiteEngine

SiteArrays = Mapping[str, npt.NDArray[Any]]
"""Name → array with a row for each site."""
Failure = tuple[int, int, int]
"""What a kernel says: its code (0: all went well), the row of the site, and the column of the counts that broke."""


class WellMixed(SiteEngine):
    """A site engine without places. A subclass adds `advance`, and in `_private` what it keeps between windows."""

    def _private(self) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays besides the outputs that are needed to go on exactly, live: saved and restored by copying."""
        return {}

    def write_counts(self, counts: npt.ArrayLike, rng: np.random.Generator) -> None:
        """Take up (n_sites, n_species) molecules; `rng` is not used, there are no places.

        Raises InputError for a wrong shape or counts that are not whole and at least 0.
        """
        self.read("counts")[:, : len(self.network.species)] = self.checked_counts(counts)
        self.read("means")[...] = self.read("counts") @ self.network.observable_weights.T

    def save(self) -> State:
        """See Component: copies of the outputs and of what the engine keeps besides."""
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


class _Broken(Exception):
    """A row cannot go on; scratch: number of that which the kernel had."""

    def __init__(self, failure: Failure, scratch: int) -> None:
        super().__init__(failure)
        self.failure, self.scratch = failure, scratch


class BatchedWellMixed(WellMixed, AdvancesSomeSites):
    """A well-mixed engine whose kernel takes a batch of sites as rows of arrays: all sites, or some."""

    _broken = 0
    """Number of the scratch in which a kernel stopped."""

    @abstractmethod
    def _site_arrays(self) -> SiteArrays:
        """Arrays with a row for each site that `_advance_rows` takes besides the ports; always the same arrays."""

    @abstractmethod
    def _new_scratch(self) -> Any:
        """Arrays that the kernel writes what nobody needs afterwards to; each thread has its own."""

    @abstractmethod
    def _advance_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays, scratch: Any) -> Failure:
        """Advance the sites whose rows are in `ports` (inputs and outputs by name) and in `own` (`_site_arrays`).

        Called by several threads at once, for other rows and with other scratch.
        """

    def _begin_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> None:
        """What comes before these rows are advanced, in one thread."""

    def _end_rows(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> None:
        """What comes after these rows are advanced, in one thread."""

    @abstractmethod
    def _message(self, code: int, site: int, column: int) -> str:
        """What went wrong in a site, by the code of the kernel."""

    def _warn_if_invalid(self) -> None:
        """Warn of what the last window says about the validity of results."""

    @cached_property
    def _own(self) -> SiteArrays:
        return self._site_arrays()

    @cached_property
    def scratch(self) -> list[Any]:
        """Of each thread."""
        return [self._new_scratch() for _ in range(self.threads.most)]

    def _advance_batch(self, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> Failure:
        """Advance rows, on one thread or several; the failure is that of the first row that has one."""
        n = len(ports["counts"])
        self._begin_rows(ticks, ports, own)
        if n == 1 or self.threads.most == 1:
            failure = self._advance_rows(ticks, ports, own, self.scratch[0])
        else:
            failure = self._divide(n, ticks, ports, own)
        if not failure[0]:
            self._end_rows(ticks, ports, own)
        return failure

    def _divide(self, n: int, ticks: int, ports: Mapping[str, Floats], own: SiteArrays) -> Failure:
        def part(rows: slice, k: int) -> None:
            whole = rows.stop - rows.start == n
            of_ports = ports if whole else {key: view[rows] for key, view in ports.items()}
            of_own = own if whole else {key: array[rows] for key, array in own.items()}
            code, row, column = self._advance_rows(ticks, of_ports, of_own, self.scratch[k])
            if code:
                raise _Broken((code, rows.start + row, column), k)

        try:
            self.threads.rows(n, part)
        except _Broken as broken:
            self._broken = broken.scratch
            return broken.failure
        return 0, 0, 0

    def _follow_voltage(self, order: npt.NDArray[np.int64]) -> None:
        """From now on the array `rates` of `_site_arrays` follows V. order: (n_members,) reaction of each column."""
        if self.voltage_rates is not None:
            self._columns, self._factor_of = self.voltage_rates.columns(order)
            self._at_no_voltage = self._own["rates"][:, self._columns].copy()

    def _set_voltage(self) -> None:
        """Rates at the V of the coming window."""
        if self.voltage_rates is not None:
            factors = self.voltage_rates.factors(self.read("v"))
            self._own["rates"][:, self._columns] = self._at_no_voltage * factors[:, self._factor_of]

    def advance(self, ticks: int) -> None:
        """See Component: all sites. Raises RunError that names a site, and what its chemistry or inputs ask for."""
        self._set_voltage()
        code, site, column = self._advance_batch(ticks, self._views, self._own)
        if code:
            raise RunError(self._message(code, site, column))
        self._warn_if_invalid()

    def advance_sites(self, ticks: int, rows: npt.NDArray[np.int64]) -> None:
        """See AdvancesSomeSites: on copies of their rows, which cost little beside a window of chemistry."""
        if len(rows) == len(self.sites):
            self.advance(ticks)
            return
        self._set_voltage()
        ports = {key: view[rows] for key, view in self._views.items()}
        own = {key: array[rows] for key, array in self._own.items()}
        code, row, column = self._advance_batch(ticks, ports, own)
        for key in self.outputs:
            self._views[key][rows] = ports[key]
        for key, array in own.items():
            self._own[key][rows] = array
        if code:
            raise RunError(self._message(code, int(rows[row]), column))
        self._warn_if_invalid()

    def write_sites(self, rows: npt.NDArray[np.int64], counts: Counts, rng: np.random.Generator) -> None:
        """See AdvancesSomeSites."""
        held, weights = self.read("counts"), self.network.observable_weights
        held[rows, : len(self.network.species)] = counts
        self.read("means")[rows] = (held[rows, None, :] * weights).sum(axis=2)


class ResizableWellMixed(BatchedWellMixed, ResizesSites):
    """One of which sites may grow and shrink: its rates are made by `_make_rates`."""

    def _make_rates(self, order: npt.NDArray[np.int64], tape: LawTape, sign: Floats | None = None) -> Floats:
        """The array `rates` of `_site_arrays`. order, sign: (n_members,) reaction of each column, and a factor."""
        signs = np.ones(len(order)) if sign is None else sign
        self._of_rates = order, tape, signs
        return with_constants(self.rates[:, order] * signs, tape, self.setup.sites)

    def resize(self, row: int, volume: float, area: float) -> None:
        """See ResizesSites."""
        geometry = replace(self.sites[row].geometry, volume=volume, area=area)
        order, tape, sign = self._of_rates
        self.rates[row] = self.count_rates(geometry)
        site = replace(self.setup.sites[row], geometry=geometry)
        rates = self._own["rates"]
        rates[row] = with_constants((self.rates[row, order] * sign)[None], tape, [site])[0]
        if self.voltage_rates is not None:
            self._at_no_voltage[row] = rates[row, self._columns]
