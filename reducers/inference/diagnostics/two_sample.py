"""Two sets of draws, told apart by a classifier (C2ST: Lopez-Paz & Oquab 2017; Lueckmann et al. 2021)."""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.base.errors import InputError
from reducers.inference.density.flow import new_classifier


def c2st(one: Floats, other: Floats, seed: int = 0, folds: int = 5) -> float:
    """Accuracy of telling (n, d) draws from as many others, over held-out folds: 0.5 for equal distributions, 1 for
    different ones. Both are scaled by the first. Raises InputError for sets of different shapes.
    """
    if one.shape != other.shape:
        raise InputError(f"draws of shapes {one.shape} and {other.shape}: give as many of both")
    x = (np.concatenate([one, other]) - one.mean(axis=0)) / np.maximum(one.std(axis=0), 1e-300)
    label = np.repeat([False, True], len(one))
    fold = np.random.default_rng(seed).permutation(len(x)) % folds
    right = np.zeros(len(x), dtype=bool)
    for k in range(folds):
        classifier = new_classifier(x.shape[1])
        classifier.fit(x[fold != k], label[fold != k], seed + k)
        right[fold == k] = (classifier.probability(x[fold == k]) > 0.5) == label[fold == k]
    return float(right.mean())
