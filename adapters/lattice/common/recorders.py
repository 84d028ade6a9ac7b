"""Output ports for pairs of neighbours and for whole configurations."""

from __future__ import annotations

import math

import numpy as np

from adapters.lattice.common.compiled import Int32, Int64, Uint8
from adapters.lattice.common.domain import Domain
from adapters.lattice.common.neighbours import count_pairs, layout_of, moment_offsets, pairs_of
from adapters.lattice.common.options import LatticeOptions
from couple.base.errors import InputError
from couple.chemistry.network import ReactionNetwork
from couple.components.component import Port

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
                where="lattice.snapshots",
            )
        columns = tuple(str(k) for k in range(cells))
        ports["snapshot"] = Port("1", (n, cells), "intensive", columns, axis="cell", stored="uint8")
    return ports


class Recorders:
    """Values of the recorder ports for one lattice, whose codes are indices of the network's species + 1."""

    def __init__(self, domain: Domain, network: ReactionNetwork) -> None:
        self._domain, self._layout = domain, layout_of(domain)
        self._offsets, self._n_near = moment_offsets(domain)
        codes = len(network.species) + 1
        self._table = np.zeros((len(self._offsets), codes, codes), dtype=np.int64)
        places = [s.on for s in network.species]
        pairs = [(a, b) for a in range(len(places)) for b in range(a, len(places))]
        self._columns = [k for k, (a, b) in enumerate(pairs) if places[a] == places[b] == "volume"]
        self._out = np.zeros((2, len(pairs)), dtype=np.int64)

    def moments(self, lattice: Uint8, sites: Int32) -> Int64:
        """(2, n_pairs) pairs of neighbours, and of sites two steps apart, of species in the volume."""
        near, far = self._out
        count_pairs(lattice, self._layout, sites, len(sites), self._offsets, self._n_near, self._table, near, far)
        return self._out[:, self._columns]

    def cells(self, lattice: Uint8) -> Uint8:
        """(n_cells of the box,) codes."""
        return self._domain.inner(lattice).ravel()  # type: ignore[return-value]
