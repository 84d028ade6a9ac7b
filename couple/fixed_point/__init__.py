"""Equations x = H(x) of numbers that parts of a system exchange: what to try next, and when it is enough."""
