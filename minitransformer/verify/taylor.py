"""Is that really the gradient? Taylor's theorem answers with real numbers alone, and its verdict is a slope.

For a loss l and a direction v, the remainder R(h) = l(x + h v) - l(x) - h <g, v> is of order h^2 if g is the gradient:
half the step, a quarter of the remainder. Any other g leaves a term of order h, and half the step leaves half of it.
So the slope of log R over log h is 2 or 1, whatever the sizes of the numbers are, and no tolerance has to be chosen
(Farrell et al. 2013).

The complex step (`gradient_check.py`) is sharper. This one is for what complex numbers cannot pass, such as a library's
erf, and is a second witness for everything else: it runs the forward that is used, at numbers of the type that is used.
"""

import numpy as np

from minitransformer.tree import leaves, tree_map
from minitransformer.verify.gradient_check import Case, check_shapes

# So small that third derivatives, and kinks such as ReLU's nearby, hardly matter; so large that the remainder, about
# h^2 = 10^-12, stands well above the rounding of the numbers that it is made of.
STEPS = 2.0 ** -np.arange(16, 21)


def taylor_order(case: Case, rng: np.random.Generator) -> float:
    """The power of h with which the remainder of a random loss falls along a random direction: 2 for a right backward.

    The loss is |f(x) - t|^2 / 2, whose dy is f(x) - t. It is curved even where f is linear, so that there is always a
    remainder to look at; and f(x) - t is drawn at random, as t is. With dy = f(x) - t and D = f(x + h v) - f(x), the
    loss grows by <dy, D> + |D|^2 / 2.
    """
    y, cache = case.forward(*case.inputs)
    dy = np.asarray(rng.standard_normal(np.shape(y)))
    gradients = case.backward(dy, cache)
    check_shapes(gradients, case.inputs)
    v = tree_map(lambda x: rng.standard_normal(x.shape), case.inputs)
    slope = sum((g * v_i).sum() for g, v_i in zip(leaves(gradients), leaves(v), strict=True))
    remainders = []
    for h in STEPS:
        moved, _ = case.forward(*tree_map(lambda x, v_i, h=h: x + h * v_i, case.inputs, v))
        D = moved - y
        remainders.append(abs((dy * D).sum() + (D * D).sum() / 2 - h * slope))
    order, _ = np.polyfit(np.log(STEPS), np.log(remainders), deg=1)
    return float(order)
