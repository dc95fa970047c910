"""Quantiles of χ² and F, which NumPy lacks: incomplete gamma and beta functions, turned around by bisection.

Source: Abramowitz & Stegun (1964) 6.5.29, 26.5.8; the continued fractions are evaluated by Lentz's method.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

TINY = 1e-300
ROUNDS = 500


def normal_quantile(probability: float) -> float:
    """The standard normal quantile."""
    return NormalDist().inv_cdf(probability)


def chi2_quantile(probability: float, freedom: float) -> float:
    """The χ² quantile; ``freedom`` may be broken, as Box's approximation makes it.  Raises ValueError."""
    _check(probability, freedom)
    return _turned(lambda x: chi2_below(x, freedom), probability)


def f_quantile(probability: float, freedom_1: float, freedom_2: float) -> float:
    """The F quantile.  Raises ValueError."""
    _check(probability, freedom_1, freedom_2)
    return _turned(lambda x: f_below(x, freedom_1, freedom_2), probability)


def chi2_below(x: float, freedom: float) -> float:
    """P(χ² ≤ x)."""
    return gamma_below(freedom / 2, x / 2)


def f_below(x: float, freedom_1: float, freedom_2: float) -> float:
    """P(F ≤ x)."""
    return beta_below(freedom_1 / 2, freedom_2 / 2, freedom_1 * x / (freedom_1 * x + freedom_2))


def gamma_below(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function P(a, x)."""
    if x <= 0:
        return 0.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, ROUNDS * 20):
            term *= x / (a + n)
            total += term
            if term < total * 1e-16:
                break
        return min(1.0, total * front)
    b = x + 1 - a
    c, d = 1 / TINY, 1 / b
    fraction = d
    for n in range(1, ROUNDS * 20):
        step = -n * (n - a)
        b += 2
        d = 1 / _kept(step * d + b)
        c = _kept(b + step / c)
        fraction *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return max(0.0, 1 - front * fraction)


def beta_below(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, ROUNDS * 20):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _kept(1 + step * d)
            c = _kept(1 + step / c)
            fraction *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * fraction / a


def _kept(x: float) -> float:
    return x if abs(x) > TINY else TINY


def _turned(below: Callable[[float], float], probability: float) -> float:
    high = 1.0
    while below(high) < probability:
        high *= 2
    low = 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if below(middle) < probability:
            low = middle
        else:
            high = middle
        if high - low <= 1e-12 * high:
            break
    return (low + high) / 2


def _check(probability: float, *freedom: float) -> None:
    if not 0 < probability < 1 or min(freedom) <= 0:
        raise ValueError(f"no quantile for probability {probability} with {freedom} degrees of freedom")
