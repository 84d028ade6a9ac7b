"""Molecules that vanish one by one: the smallest experiment of which an ensemble is made."""

DECAY = """
[experiment]
name = "decay"
duration = "5 ms"
exchange = "1 ms"
[chemistry]
species.A = {}
observables.a = ["A"]
reactions = [{ equation = "A -> 0", forward = "100 /s" }]
initial.A = { count = 50 }
[[site]]
name = "well"
engine = "ssa"
geometry.sphere = { diameter = "1 um" }
"""
