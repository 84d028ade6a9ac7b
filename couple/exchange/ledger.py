"""What every link sent and every site holds, as numbers that a person can check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from couple.base.html.ledger import books_html
from couple.exchange import diffusion, drift, kernels
from couple.exchange.exchange import Exchange
from couple.exchange.link import IonLink


@dataclass(frozen=True)
class LinkEntry:
    """One link into one site, in molecules: sent = received + carried - owed.

    in_flight: what has left the model in the last window of the parallel scheme and is sent with the next.

    charge_fC: the charge that crossed, where the link is one of charge.
    """

    link: str
    site: str
    function: str
    sent: float
    received: float
    carried: float
    owed: float
    in_flight: float
    charge_fC: float | None


@dataclass(frozen=True)
class SiteEntry:
    """One conserved substance in one site: held_at_start + received = free + bound + extruded."""

    site: str
    substance: str
    held_at_start: float
    received: float
    free: float
    bound: float
    extruded: float
    imbalance: float


@dataclass(frozen=True)
class DiffusionEntry:
    """One link between two sites, in molecules: `second` gained forth - back, `first` lost as much.

    owed_*: what a continuous side still owes of that, below one ion. conductance: µm³/ms.
    """

    link: str
    species: str
    first: str
    second: str
    conductance_um3_per_ms: float
    forth: float
    back: float
    owed_by_first: float
    owed_by_second: float


@dataclass(frozen=True)
class DriftEntry:
    """One species that crossed a neck with its charge: molecules and fC, net, from `first` to `second`."""

    link: str
    species: str
    first: str
    second: str
    charge_number: int
    crossed: float
    charge_fC: float


@dataclass(frozen=True)
class AxialEntry:
    """One neck that carries charge: fC from `first` to `second` in all, as the electrical model had it, and by
    untracked ions; µS that the model has without drift, the tracked ions have at the start, and the untracked.
    """

    neck: str
    first: str
    second: str
    charge_fC: float
    untracked_fC: float
    given_uS: float
    tracked_uS: float
    untracked_uS: float


@dataclass(frozen=True)
class Ledger:
    """The books of a run. max_imbalance: the largest |imbalance| of any site at any exchange, in molecules."""

    links: tuple[LinkEntry, ...]
    sites: tuple[SiteEntry, ...]
    max_imbalance: float
    floored: dict[str, int]
    """How often the concentration that a link hands over was raised to its floor."""
    diffusion: tuple[DiffusionEntry, ...] = ()
    drift: tuple[DriftEntry, ...] = ()
    axial: tuple[AxialEntry, ...] = ()

    @classmethod
    def of(cls, exchange: Exchange, *, in_flight: bool = False) -> Ledger:
        """The books as they stand now. in_flight: whether the charge of the last window is still to be sent."""
        links = tuple(
            _link_entry(link, account.tolist(), exchange.memory, in_flight)
            for link, account in zip(exchange.ions, exchange.accounts, strict=True)
        )
        sites = []
        kept: dict[tuple[int, tuple[int, ...], tuple[int, ...]], list[int]] = {}  # sites of an engine share these
        for holding, balance in zip(exchange.holdings, exchange.balance, strict=True):
            total = exchange.held(holding)
            # Summed, not what is left of the total: that is not quite 0 where nothing is bound.
            loose = len(holding.contents), holding.free, holding.outside
            others = kept.get(loose)
            if others is None:
                apart = {*holding.free, *holding.outside}
                others = kept[loose] = [c for c in range(len(holding.contents)) if c not in apart]
            free, outside = exchange.held(holding, holding.free), exchange.held(holding, holding.outside)
            sites.append(
                SiteEntry(
                    holding.site,
                    holding.substance,
                    held_at_start=float(balance[kernels.HELD_AT_START]),
                    received=float(balance[kernels.TAKEN_UP]),
                    free=free,
                    bound=exchange.held(holding, others),
                    extruded=outside,
                    imbalance=float(total - balance[kernels.HELD_AT_START] - balance[kernels.TAKEN_UP]),
                )
            )
        worst = float(exchange.balance[:, kernels.IMBALANCE].max(initial=0.0))
        floored = {v.name: int(n) for v, n in zip(exchange.after, exchange.raised, strict=True) if n}
        return cls(links, tuple(sites), worst, floored, _between_sites(exchange), *_with_charge(exchange))

    def _repr_html_(self) -> str:
        return books_html(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """For summary.json: `links` and `sites` as lists of records, `max_imbalance_ions`."""
        return {
            "max_imbalance_ions": self.max_imbalance,
            "links": [dict(vars(e)) for e in self.links],
            "sites": [dict(vars(e)) for e in self.sites],
            "floored": self.floored,
            "diffusion": [asdict(e) for e in self.diffusion],
            **(
                {"drift": [asdict(e) for e in self.drift], "axial": [asdict(e) for e in self.axial]}
                if self.axial
                else {}
            ),
        }


def _link_entry(link: IonLink, account: list[float], memory: npt.NDArray[np.float64], in_flight: bool) -> LinkEntry:
    pending = sum(weight * float(memory[at]) for at, weight in link.sources)
    return LinkEntry(
        link.name,
        link.site,
        link.function,
        sent=account[kernels.SENT],
        received=account[kernels.RECEIVED],
        carried=account[kernels.CARRIED],
        owed=account[kernels.OWED],
        in_flight=pending if in_flight and link.per_charge else 0.0,
        charge_fC=account[kernels.SENT] / link.per_charge if link.per_charge else None,
    )


def _between_sites(exchange: Exchange) -> tuple[DiffusionEntry, ...]:
    if exchange.diffusion is None:
        return ()
    return tuple(
        DiffusionEntry(
            link.name,
            link.species,
            link.first.site,
            link.second.site,
            link.conductance,
            forth=account[diffusion.FORTH],
            back=account[diffusion.BACK],
            owed_by_first=account[diffusion.OWED_BY_FIRST],
            owed_by_second=account[diffusion.OWED_BY_SECOND],
        )
        for link, account in zip(exchange.diffusion.links, exchange.diffusion.accounts.tolist(), strict=True)
    )


def _with_charge(exchange: Exchange) -> tuple[tuple[DriftEntry, ...], tuple[AxialEntry, ...]]:
    """Necks that carry charge: by species, and in all."""
    if exchange.drift is None:
        return (), ()
    ions, necks, k = [], [], 0
    for neck, rest in zip(exchange.drift.necks, exchange.drift.rest.tolist(), strict=True):
        for ion in neck.ions:
            crossed = float(exchange.drift.ions[k, drift.CROSSED])
            charge = ion.charge * drift.CHARGE * crossed
            ions.append(DriftEntry(ion.name, ion.species, *neck.sites, ion.charge, crossed, charge))
            k += 1
        charges = rest[drift.CHARGE_TOTAL], rest[drift.CHARGE_UNTRACKED]
        sizes = rest[drift.GIVEN], rest[drift.AT_START], rest[drift.UNTRACKED]
        necks.append(AxialEntry(neck.name, *neck.segments, *charges, *sizes))
    return tuple(ions), tuple(necks)
