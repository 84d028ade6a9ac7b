"""Graph-constrained correlation dynamics of CaMKII (Johnson et al. 2015, Phys Biol 12). Imports `markov`, `dbd`."""
