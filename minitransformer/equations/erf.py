"""The Gaussian's distribution function Phi, for the exact GELU: NumPy has no error function.

Phi(x) = erfc(-x / sqrt 2) / 2 with erfc(z) = 1 - erf(z). For z >= 0, (1 + 2z) exp(z^2) erfc(z) stays between 1 and
1.29, and as a function of t = (z - 3)/(z + 3) in [-1, 1] it is so smooth that 25 coefficients give it to the last bits
of float64. They come from the Chebyshev series, computed on 120 nodes with 60 digits and rewritten in powers of t. The
idea is Shepherd and Laframboise's (1981), the coefficients are this project's.
"""

import math

import numpy as np

from minitransformer.shapes import check

Array = np.ndarray

COEFFICIENTS = (
    1.2530080582697296,
    -0.13562110612458117,
    -0.0475622943534492,
    0.1296451587027594,
    -0.11927366341538638,
    0.0683080273440099,
    -0.02377051491717134,
    0.0025293918156939696,
    0.0018886903449991728,
    -0.000779832269654332,
    -0.00010515971958448676,
    0.00012509934245837838,
    4.949196649991173e-06,
    -2.0100542268540168e-05,
    -7.308281469341509e-07,
    3.4723709450023983e-06,
    3.557608669313788e-07,
    -6.166011460682299e-07,
    -1.4047654325102515e-07,
    1.018362060583332e-07,
    4.1064013733223784e-08,
    -1.3312919668961775e-08,
    -8.217595083930198e-09,
    9.862533523985754e-10,
    8.39373490116878e-10,
)


def erfc(z: Array) -> Array:
    """erfc(z) = (2/sqrt(pi)) integral from z to infinity of exp(-s^2) ds, in z's dtype: relative error about 1e-15."""
    check("z: ...", np.asarray(z))
    negative = z.real < 0
    size = np.where(negative, -z, z)  # |z|, written so that it stays differentiable for complex z
    t = 1 - 6 / (size + 3)  # which is (size - 3) / (size + 3), but 1 at infinity instead of NaN
    polynomial = np.full_like(t, COEFFICIENTS[-1])
    for coefficient in COEFFICIENTS[-2::-1]:  # Horner's scheme, from the highest power of t
        polynomial = polynomial * t + coefficient
    tail = polynomial * np.exp(-size * size) / (1 + 2 * size)  # erfc(|z|)
    return np.where(negative, 2 - tail, tail)  # erfc(-z) = 2 - erfc(z)


def normal_cdf(x: Array) -> Array:
    """Phi(x), the probability that a standard normal variable is below x. Accurate in both tails."""
    check("x: ...", np.asarray(x))
    return erfc(x / -math.sqrt(2)) / 2


def normal_density(x: Array) -> Array:
    """phi(x) = exp(-x^2 / 2) / sqrt(2 pi) = Phi'(x)."""
    check("x: ...", np.asarray(x))
    return np.exp(x * x / -2) / math.sqrt(2 * math.pi)
