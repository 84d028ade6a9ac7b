"""E-Cell 4 behind our port (extra `ecell4`): its mesoscopic next-subvolume method and Spatiocyte's lattice.

Neither knows the shape of a site or its membrane: a site is a periodic box of its volume in which membrane molecules
lie like others, with the propensities that the chemistry has. It may import couple.
"""

from adapters.ecell4.meso import Mesoscopic, MesoscopicOptions
from adapters.ecell4.spatiocyte import Spatiocyte, SpatiocyteOptions

__all__ = ["Mesoscopic", "MesoscopicOptions", "Spatiocyte", "SpatiocyteOptions"]
