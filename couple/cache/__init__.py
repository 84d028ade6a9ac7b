"""Compiled code kept between runs: kernels, mechanisms, forms. Imports `base`, `parallel`."""
