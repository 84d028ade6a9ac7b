"""A dendrite with spines, for questions about synapses: fixed or random events, of their own or in common."""

from neuron import h

from adapters.neuron import NMDA, insert_cav


class Spine:
    """Sections `neck` and `head`, AMPA and NMDA receptors; µm, S/cm², µS, ms."""

    def __init__(self, name, branch):
        self._name = name
        self.neck = passive("neck", length=1, diameter=0.08, cell=self)
        self.head = passive("head", length=0.5, diameter=0.5, cell=self)
        self.neck.connect(branch)
        self.head.connect(self.neck(1))
        insert_cav(self.head, gbar=2 * 3.7e-4)  # 2 channels of 3.7 pS per µm²
        self.ampa = h.Exp2Syn(self.head(0.5))
        self.ampa.tau1, self.ampa.tau2, self.ampa.e = 0.2, 2, 0
        self.nmda = NMDA(self.head(0.5))
        self.connections = []

    def __repr__(self):
        return self._name

    def listen(self, axon):
        """Get the events of an axon."""
        to_ampa = h.NetCon(axon, self.ampa)
        to_ampa.delay, to_ampa.weight[0] = 0, 3e-4
        self.connections += [to_ampa, self.nmda.connect(axon, delay=0, weight=2e-5)]


class Branch:
    """A soma, a passive dendrite of 200 µm, and spines s0, s1, ... at `positions` (µm along it).

    times: of events that all spines get, in every run the same.
    rate: of random events (/ms), from 20 ms on; `common` is the share of them that all spines get at the same time.
    """

    def __init__(self, positions=(100,), times=(), rate=0.0, common=0.0):
        self.soma = passive("soma", length=15, diameter=15)
        self.dendrite = passive("dendrite", length=200, diameter=0.8, segments=41)
        self.dendrite.connect(self.soma(1))
        self.spines = [Spine(f"s{i}", self.dendrite(x / 200)) for i, x in enumerate(positions)]
        self.axons = []
        for time in times:
            self._axon(self.spines, start=time, number=1, interval=1, noise=0)
        self._random(self.spines, rate * common)
        for spine in self.spines:
            self._random([spine], rate * (1 - common))

    def _random(self, spines, rate):
        """A Poisson train; NEURON's own streams follow the seed of the experiment."""
        if rate > 0:
            axon = self._axon(spines, start=20, number=1e9, interval=1 / rate, noise=1)
            axon.noiseFromRandom123(len(self.axons), 0, 0)

    def _axon(self, spines, start, number, interval, noise):
        axon = h.NetStim()
        axon.start, axon.number, axon.interval, axon.noise = start, number, interval, noise
        for spine in spines:
            spine.listen(axon)
        self.axons.append(axon)
        return axon


def passive(name, length, diameter, segments=1, cell=None):
    section = h.Section(name=name, cell=cell)
    section.L, section.diam, section.nseg = length, diameter, segments
    section.Ra, section.cm = 150, 1
    section.insert("pas")
    for segment in section:
        segment.pas.g, segment.pas.e = 1e-4, -65
    return section
