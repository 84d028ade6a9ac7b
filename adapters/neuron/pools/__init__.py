"""Calcium pools of published models, read as chemistry. Imports `mechanisms`, `coupling`, `hoc` and `models`."""
