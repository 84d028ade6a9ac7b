"""Products of transfer matrices along an open row of sites, with two directions of derivative, in O(sites).

p(s) = exp(Σ_b w_b(s_b, s_{b+1})) / Z with bonds b = 0 … B - 1 and weights of their own each. Messages from the left and
the right, normalised site by site, give the probabilities of neighbours; carried as a + a_u ε + a_v η + a_uv εη with
ε² = η² = 0 they give the derivatives along u and v as well, to round-off: Cov(U, 1[s_b, s_{b+1}]) and the third
cumulant of U, V and 1[s_b, s_{b+1}], with U = Σ_b u_b.
"""

from __future__ import annotations

import numpy as np

from couple.base.arrays import Floats
from couple.cache.kernels import njit


@njit(cache=True)
def _normalise(message: Floats) -> float:
    """Divide a message (4, S) by its sum, whose constant part is returned."""
    total = np.zeros(4)
    for k in range(4):
        for s in range(message.shape[1]):
            total[k] += message[k, s]
    inverse = 1.0 / total[0]
    u, v, uv = total[1] * inverse, total[2] * inverse, total[3] * inverse
    for s in range(message.shape[1]):
        a, au, av, auv = (
            message[0, s] * inverse,
            message[1, s] * inverse,
            message[2, s] * inverse,
            message[3, s] * inverse,
        )
        message[0, s] = a
        message[1, s] = au - a * u
        message[2, s] = av - a * v
        message[3, s] = auv - au * v - av * u - a * uv + 2.0 * a * u * v
    return float(total[0])


@njit(cache=True)
def pair_probabilities(weights: Floats, u: Floats, v: Floats) -> tuple[float, Floats]:
    """ln Z and (4, B, S, S): probabilities of neighbours, their derivatives along u, along v, and along both.

    weights, u, v: (B, S, S).
    """
    bonds, size = weights.shape[0], weights.shape[1]
    factors = np.empty((bonds, size, size))
    log_z = np.log(float(size))
    for b in range(bonds):
        top = weights[b].max()
        log_z += top
        for s in range(size):
            for t in range(size):
                factors[b, s, t] = np.exp(weights[b, s, t] - top)
    left, right = np.zeros((bonds + 1, 4, size)), np.zeros((bonds + 1, 4, size))
    left[0, 0], right[bonds, 0] = 1.0 / size, 1.0 / size
    for b in range(bonds):
        here, there = left[b], left[b + 1]
        for t in range(size):
            for s in range(size):
                m, mu, mv = factors[b, s, t], u[b, s, t], v[b, s, t]
                a, au, av, auv = here[0, s] * m, here[1, s] * m, here[2, s] * m, here[3, s] * m
                there[0, t] += a
                there[1, t] += au + a * mu
                there[2, t] += av + a * mv
                there[3, t] += auv + au * mv + av * mu + a * mu * mv
        log_z += np.log(_normalise(there))
        c = bonds - 1 - b
        here, there = right[c + 1], right[c]
        for s in range(size):
            for t in range(size):
                m, mu, mv = factors[c, s, t], u[c, s, t], v[c, s, t]
                a, au, av, auv = here[0, t] * m, here[1, t] * m, here[2, t] * m, here[3, t] * m
                there[0, s] += a
                there[1, s] += au + a * mu
                there[2, s] += av + a * mv
                there[3, s] += auv + au * mv + av * mu + a * mu * mv
        _normalise(there)
    out, joint = np.empty((4, bonds, size, size)), np.empty((4, size * size))
    for b in range(bonds):
        f, g = left[b], right[b + 1]
        for s in range(size):
            for t in range(size):
                m, mu, mv = factors[b, s, t], u[b, s, t], v[b, s, t]
                a, au, av, auv = f[0, s] * m, f[1, s] * m, f[2, s] * m, f[3, s] * m
                auv += au * mv + av * mu + a * mu * mv
                au += a * mu
                av += a * mv
                k = s * size + t
                joint[0, k] = a * g[0, t]
                joint[1, k] = au * g[0, t] + a * g[1, t]
                joint[2, k] = av * g[0, t] + a * g[2, t]
                joint[3, k] = auv * g[0, t] + au * g[2, t] + av * g[1, t] + a * g[3, t]
        _normalise(joint)
        for k in range(4):
            for s in range(size):
                for t in range(size):
                    out[k, b, s, t] = joint[k, s * size + t]
    return log_z, out


@njit(cache=True)
def pair_covariances(weights: Floats, directions: Floats) -> Floats:
    """(n, B, S, S) derivatives of the probabilities of neighbours along each of the directions (n, B, S, S)."""
    out = np.empty_like(directions)
    for k in range(0, len(directions), 2):
        other = min(k + 1, len(directions) - 1)
        found = pair_probabilities(weights, directions[k], directions[other])[1]
        out[k] = found[1]
        out[other] = found[2] if other > k else found[1]
    return out
