"""The law of calmodulin and CaMKII: molecule, graphs, terms, a step and its adjoint. Imports `dbd.energy`."""
