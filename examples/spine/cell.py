"""A spine on a dendrite on a soma, for the closed loop with the chemistry of the spine head.

Plain NEURON, except for two mechanisms of `adapters.neuron` that work with and without a C compiler. What happens:
five synaptic events at 20, 40, ... 100 ms, and a spike at 150 ms that is set off at the soma and comes back along the
dendrite. Calcium enters the head through NMDA receptors and voltage-gated channels; nothing here models what becomes
of it: that is what `couple` adds.
"""

from neuron import h

from adapters.neuron import NMDA, insert_cav


class SpineCell:
    """Lengths in µm, conductances in S/cm² (densities) or µS (synapses), times in ms."""

    def __init__(self):
        self.soma = self._section("soma", length=15, diameter=15)
        self.dendrite = self._section("dendrite", length=200, diameter=2, segments=11)
        self.neck = self._section("neck", length=1, diameter=0.12)
        self.head = self._section("head", length=0.5, diameter=0.5)
        self.dendrite.connect(self.soma(1))
        self.neck.connect(self.dendrite(0.25))
        self.head.connect(self.neck(1))
        self._channels()
        self._synapse()
        self._current()

    def _section(self, name, length, diameter, segments=1):
        section = h.Section(name=name)
        section.L, section.diam, section.nseg = length, diameter, segments
        section.Ra, section.cm = 150, 1
        section.insert("pas")
        for segment in section:
            segment.pas.g, segment.pas.e = 1e-4, -65
        return section

    def _channels(self):
        """Spikes in soma and dendrite; in the head, 2 calcium channels of 3.7 pS per µm²."""
        for section in (self.soma, self.dendrite):
            section.insert("hh")
            for segment in section:
                # More of both than in the squid: at 34 °C spikes are short, and would not reach the spine.
                segment.hh.gnabar, segment.hh.gkbar, segment.hh.gl = 0.4, 0.07, 3e-4
        insert_cav(self.head, gbar=2 * 3.7e-4)

    def _synapse(self):
        """One axon, AMPA and NMDA receptors."""
        self.axon = h.NetStim()
        self.axon.start, self.axon.interval, self.axon.number, self.axon.noise = 20, 20, 5, 0
        self.ampa = h.Exp2Syn(self.head(0.5))
        self.ampa.tau1, self.ampa.tau2, self.ampa.e = 0.2, 2, 0
        self.to_ampa = h.NetCon(self.axon, self.ampa)
        self.to_ampa.delay, self.to_ampa.weight[0] = 1, 1.5e-3
        self.nmda = NMDA(self.head(0.5))
        self.nmda.connect(self.axon, delay=1, weight=3e-5)

    def _current(self):
        """A short current into the soma, for one spike."""
        self.current = h.IClamp(self.soma(0.5))
        self.current.delay, self.current.dur, self.current.amp = 150, 1, 2


def build():
    return SpineCell()
