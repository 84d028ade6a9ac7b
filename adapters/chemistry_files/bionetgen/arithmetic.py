"""Arithmetic in parameters of foreign files: numbers, names, + - * / ^, a few functions, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping

from couple.base.errors import InputError
from couple.chemistry.laws.expression import parse, value


def evaluate(text: str, names: Mapping[str, float]) -> float:
    """The value of an expression. Raises InputError for anything but arithmetic on known names."""
    tree = parse(text)
    try:
        found = value(tree, names)
    except KeyError as error:
        raise InputError(f'unknown name "{error.args[0]}" in "{text}"') from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise InputError(f'"{text}" cannot be worked out: {error}') from None
    if not math.isfinite(found):
        raise InputError(f'"{text}" is not finite')
    return found
