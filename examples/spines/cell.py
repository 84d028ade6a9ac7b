"""A small neuron: a soma, and a dendrite that forks into two branches. Spines are grown by the experiment."""

from neuron import h


class Neuron:
    """Lengths in µm, conductances in S/cm²."""

    def __init__(self):
        self.soma = self._section("soma", length=15, diameter=15)
        self.trunk = self._section("trunk", length=60, diameter=2.5, segments=5)
        self.left = self._section("left", length=120, diameter=1.2, segments=15)
        self.right = self._section("right", length=120, diameter=1.2, segments=15)
        self.trunk.connect(self.soma(1))
        for branch in (self.left, self.right):
            branch.connect(self.trunk(1))

    def _section(self, name, length, diameter, segments=1):
        """Passive, with the channels that make spikes."""
        section = h.Section(name=name)
        section.L, section.diam, section.nseg = length, diameter, segments
        section.Ra, section.cm = 150, 1
        for mechanism in ("pas", "hh"):
            section.insert(mechanism)
        for segment in section:
            segment.pas.g, segment.pas.e = 1e-4, -65
            # More of both than in the squid: at 34 °C spikes are short.
            segment.hh.gnabar, segment.hh.gkbar, segment.hh.gl = 0.4, 0.07, 3e-4
        return section


def build():
    return Neuron()
