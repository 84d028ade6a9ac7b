"""Normalising flows and classifiers behind the port of `reducers.inference.density.flow`, from flowjax, on the CPU."""
