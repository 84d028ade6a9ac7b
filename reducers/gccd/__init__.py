"""Graph-constrained correlation dynamics of calmodulin and CaMKII (Johnson et al. 2015, Phys Biol 12:045005)."""
