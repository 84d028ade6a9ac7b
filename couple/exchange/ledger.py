"""What every link sent and every site holds, as numbers that a person can check."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from couple.exchange import kernels
from couple.exchange.exchange import Exchange


@dataclass(frozen=True)
class LinkEntry:
    """One link into one site, in molecules: sent = received + carried - owed.

    charge_fC: the charge that crossed, where the link is one of charge.
    """

    link: str
    site: str
    function: str
    sent: float
    received: float
    carried: float
    owed: float
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
class Ledger:
    """The books of a run. max_imbalance: the largest |imbalance| of any site at any exchange, in molecules."""

    links: tuple[LinkEntry, ...]
    sites: tuple[SiteEntry, ...]
    max_imbalance: float
    floored: dict[str, int]
    """How often the concentration that a link hands over was raised to its floor."""

    @classmethod
    def of(cls, exchange: Exchange) -> Ledger:
        """The books as they stand now."""
        links = tuple(
            LinkEntry(
                link.name,
                link.site,
                link.function,
                sent=float(account[kernels.SENT]),
                received=float(account[kernels.RECEIVED]),
                carried=float(account[kernels.CARRIED]),
                owed=float(account[kernels.OWED]),
                charge_fC=float(account[kernels.SENT]) / link.per_charge if link.per_charge else None,
            )
            for link, account in zip(exchange.ions, exchange.accounts, strict=True)
        )
        sites = []
        for holding, balance in zip(exchange.holdings, exchange.balance, strict=True):
            total = exchange.held(holding)
            free, outside = exchange.held(holding, holding.free), exchange.held(holding, holding.outside)
            sites.append(
                SiteEntry(
                    holding.site,
                    holding.substance,
                    held_at_start=float(balance[kernels.HELD_AT_START]),
                    received=float(balance[kernels.TAKEN_UP]),
                    free=free,
                    bound=total - free - outside,
                    extruded=outside,
                    imbalance=float(total - balance[kernels.HELD_AT_START] - balance[kernels.TAKEN_UP]),
                )
            )
        worst = float(exchange.balance[:, kernels.IMBALANCE].max(initial=0.0))
        floored = {v.name: int(n) for v, n in zip(exchange.after, exchange.hits, strict=True) if n}
        return cls(links, tuple(sites), worst, floored)

    def as_dict(self) -> dict[str, Any]:
        """For summary.json: `links` and `sites` as lists of records, `max_imbalance_ions`."""
        return {
            "max_imbalance_ions": self.max_imbalance,
            "links": [asdict(e) for e in self.links],
            "sites": [asdict(e) for e in self.sites],
            "floored": self.floored,
        }
