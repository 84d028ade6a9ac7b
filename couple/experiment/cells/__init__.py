"""[neuron], [network], [[spine]], [[protocol]]: the electrical model, what grows on it and what drives it."""
