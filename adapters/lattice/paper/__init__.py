"""The lattice of Ernst et al. (arXiv 1905.12122): one hop a step, a probability per encounter.

Time counts in steps. In each, first the reactions of order 0 and 1 that are due (Gillespie's direct method), then one
sweep: every particle, in random order, tries one hop to a neighbouring site; onto an occupied one it reacts with the
probability of the pair or stays where it is. Nothing is calibrated here, unlike in the physical mode.

    from adapters.lattice.paper import ensemble, lotka_volterra
    runs = ensemble(lotka_volterra(), (40, 40), steps=500, runs=100, seed=1, initial={"H": 100, "P": 100})
"""

from adapters.lattice.paper.run import PaperEnsemble, PaperRun, ensemble, run
from adapters.lattice.paper.systems import annihilation, lotka_volterra, roessler

__all__ = ["PaperEnsemble", "PaperRun", "annihilation", "ensemble", "lotka_volterra", "roessler", "run"]
