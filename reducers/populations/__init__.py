"""Numbers of molecules that meet, as dynamic Boltzmann distributions under a drive; imports data, markov, training."""
