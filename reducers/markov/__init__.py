"""Blocks driven by a concentration, and generators as such (engine `surrogate`). Imports `dbd.fit`, `dbd.laws`."""
