"""Closure analysis: which interactions drive an observable.

Any moment of a dynamic Boltzmann distribution obeys d⟨X⟩/dt = Σ_ζ sign · F_ζ Cov(X, X_ζ) (arXiv:1905.12122, eq. 14):
every learned rate contributes, weighted by how much X varies with the observable that ζ multiplies.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats


def closure_terms(rates: Floats, observable: Floats, features: Floats, weights: Floats | None = None) -> Floats:
    """(n,) contribution of each interaction to d⟨X⟩/dt (for the plus convention).

    rates: (n,) F. observable: (n_states,) X of listed or sampled states, features: (n_states, n) X_ζ,
    weights: (n_states,) probabilities; None for samples (unbiased covariance).
    """
    return np.asarray(rates * covariances(observable, features, weights))


def covariances(observable: Floats, features: Floats, weights: Floats | None = None) -> Floats:
    """(n,) Cov(X, X_ζ)."""
    if weights is None:
        spread = observable - observable.mean()
        return np.asarray(spread @ (features - features.mean(axis=0)) / (len(observable) - 1))
    spread = weights * (observable - weights @ observable)
    return np.asarray(spread @ (features - weights @ features))
