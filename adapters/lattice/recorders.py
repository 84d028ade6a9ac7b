"""Output ports for pairs of neighbours and for whole configurations."""

from __future__ import annotations

import math

from adapters.lattice.domain import Domain
from adapters.lattice.neighbours import pairs_of
from adapters.lattice.options import LatticeOptions
from couple.component import Port
from couple.errors import InputError
from couple.network import ReactionNetwork

MOST_CELLS = 1 << 20
"""Cells of a configuration that go into one row of a record."""


def recorder_ports(options: LatticeOptions, network: ReactionNetwork, domains: list[Domain]) -> dict[str, Port]:
    """Ports `nn` and `m2` (pairs of neighbours, and of sites two steps apart) and `snapshot`, as the options ask for.

    A snapshot has the codes of all cells: 0 empty, species index + 1, 255 outside. Raises InputError if too large.
    """
    n = len(domains)
    ports: dict[str, Port] = {}
    if options.moments:
        volume = tuple(s.name for s in network.species if s.on == "volume")
        columns = tuple(f"{a} {b}" for a, b in pairs_of(volume))
        for name in ("nn", "m2"):
            ports[name] = Port("count", (n, len(columns)), "extensive", columns, axis="pair")
    if options.snapshots:
        cells = max(math.prod(d.shape) for d in domains)
        if cells * n > MOST_CELLS:
            raise InputError(
                f"{n} configurations of {cells} cells are too much for a record, {MOST_CELLS} cells are the limit: "
                "take positions() from Python instead",
                where="snapshots",
            )
        columns = tuple(str(k) for k in range(cells))
        ports["snapshot"] = Port("1", (n, cells), "intensive", columns, axis="cell", stored="uint8")
    return ports
