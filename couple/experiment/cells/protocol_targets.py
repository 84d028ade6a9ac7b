"""Which synapses the protocols of an experiment drive; and that every synapse is driven."""

from __future__ import annotations

from collections.abc import Sequence

from couple.base.errors import nearest
from couple.experiment.cells.protocol import Protocol
from couple.experiment.cells.spine import SpineBlock


def drives(protocol: Protocol, spine: SpineBlock) -> bool:
    """Whether a protocol stimulates the synapses of a block."""
    return spine.synapse is not None and (not protocol.spines or spine.name in protocol.spines)


def check_protocols(protocols: Sequence[Protocol], spines: Sequence[SpineBlock], *, neuron: bool) -> None:
    """Raise ValueError, with the key, for a protocol without synapses and for synapses that nothing drives."""
    names = [spine.name for spine in spines if spine.synapse is not None]
    for i, protocol in enumerate(protocols):
        if not neuron:
            raise ValueError(f"protocol[{i}]: it stimulates a [neuron] model, and there is none")
        if not names:
            raise ValueError(f'protocol[{i}]: no [[spine]] has a synapse; give one: [spine.synapse] AMPA = "0.5 nS"')
        for name in protocol.spines:
            if name not in names:
                raise ValueError(f'protocol[{i}].spines: no [[spine]] "{name}" with a synapse; {nearest(name, names)}')
    for i, spine in enumerate(spines):
        driven = [k for k, protocol in enumerate(protocols) if drives(protocol, spine)]
        if spine.synapse is None:
            continue
        if spine.synapse.times is None and spine.synapse.rate is None and not driven:
            raise ValueError(f'spine[{i}].synapse: give times = "20 40 ms" or rate = "5 /s", or a [[protocol]]')
        if spine.synapse.rate is not None and driven:
            raise ValueError(f"spine[{i}].synapse.rate: protocol[{driven[0]}] drives these synapses; leave it out")
