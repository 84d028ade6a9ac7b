"""Which values the runs of an ensemble have: ranges of keys, and designs over them. May import base."""

from couple.ensemble.design.design import METHODS, Design, Point
from couple.ensemble.design.ranges import Range, read_range

__all__ = ["METHODS", "Design", "Point", "Range", "read_range"]
