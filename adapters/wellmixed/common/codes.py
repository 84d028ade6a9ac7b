"""What the kernels of well-mixed engines share: the codes that they return, and how they are compiled."""

OK, COLLAPSED, NEGATIVE, BAD_PROPENSITY, BAD_INFLUX, TOO_FEW, BAD_CLAMP = range(7)
"""Codes below 8, so that a site's number fits beside one: code + 8 × site."""

JIT = {"cache": True, "nogil": True, "_nrt": False}
"""Without counts of references, which are atomic: each view of a table would cost two. Kernels cannot make arrays."""

INLINE = {**JIT, "forceinline": True}
"""For what takes a NamedTuple of arrays in a loop: handing it over costs more than most of these functions do."""
