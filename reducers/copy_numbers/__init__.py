"""Copy numbers of molecules that meet: driven dynamic Boltzmann distributions. Imports data, markov, training."""
