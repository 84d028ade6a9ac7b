"""What crosses between NEURON and sites: charge, concentrations, conductances, and who owns them."""
