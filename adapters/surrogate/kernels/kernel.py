"""Kernel of the surrogate: all sites over one window in one call."""

from __future__ import annotations

from adapters.surrogate.kernels.batched_step import Batch, advance_batch
from adapters.surrogate.kernels.lanes import Lanes
from adapters.surrogate.kernels.layout import JIT, OK, PoolModel, Scratch, Sites
from adapters.surrogate.kernels.program import Nodes, Program
from adapters.surrogate.kernels.window import take_inputs, window
from adapters.surrogate.pools.tables import unpack
from couple.cache.kernels import njit


@njit(**JIT)
def advance(
    model: PoolModel,
    program: Program,
    nodes: Nodes,
    sites: Sites,
    scratch: Scratch,
    lanes: Lanes,
    span: float,
    steps: int,
) -> tuple[int, int]:
    """All sites over one window of `span` ms, in `steps` steps or shorter ones. Returns (code, site); the code is
    OFF_GRID for a drive that begins above the end of the tables or rises there.

    Side by side where one step will do, one by one where not.
    """
    tables = unpack(model.packed)
    batch = Batch(model, tables, program, nodes, sites, scratch, lanes)
    size = len(lanes.income)
    for first in range(0, len(sites.counts), size):
        n = min(size, len(sites.counts) - first)
        for lane in range(n):
            code, lanes.income[lane], born = take_inputs(tables, sites, first + lane)
            if code != OK:
                return code, first + lane
            lanes.alone[lane] = born or steps != 1 or program.usable[0] == 0
        advance_batch(batch, first, n, span)
        for lane in range(n):
            if lanes.alone[lane] != 0:
                code = window(model, tables, sites, scratch, first + lane, lanes.income[lane], span, steps)
                if code != OK:
                    return code, first + lane
    return OK, 0
