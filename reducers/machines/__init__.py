"""Deep Boltzmann machines of molecules on a grid that a concentration drives. Imports couple, dbd, markov and data."""
