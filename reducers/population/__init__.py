"""Which neurons, channels or spines are active together: models of binary patterns, and the neural master equation."""
