"""Small models with the traits of published ones, and what runs them: alone in NEURON, and under couple."""
