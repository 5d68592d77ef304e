"""PyTorch's cross_entropy: beside the text's, and what it has besides."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer import nn
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward

F = nn.functional

N, C, d_1, d_2 = 4, 5, 3, 2
rng = np.random.default_rng(0)
x = rng.standard_normal((N, C, d_1, d_2))
classes = rng.integers(0, C, (N, d_1, d_2))
some_ignored = np.where(rng.random(classes.shape) < 0.3, -100, classes)
distributions = rng.random(x.shape)
weight = rng.random(C) + 0.5


def last(x):
    return np.moveaxis(x, 1, -1)


@pytest.mark.parametrize("e", [0.0, 0.3])
@pytest.mark.parametrize("target", [classes, some_ignored], ids=["classes", "some ignored"])
def test_the_mean_over_classes_is_the_texts(target, e):
    """2.1.1, with the classes on the second axis; the gradient, too."""
    loss, cache = F.cross_entropy(x, target, label_smoothing=e)
    expected, expected_cache = cross_entropy(last(x), target, e)
    assert loss == pytest.approx(expected, rel=1e-13)
    dx, dtarget = F.cross_entropy_backward(0.7, cache)
    assert_allclose(last(dx), cross_entropy_backward(0.7, expected_cache), rtol=1e-12, atol=1e-15)
    assert dtarget is None, "classes have none"


def losses_by_the_book(target, w, e, ignore=-100):
    """-sum_c w_c q_c log p_c at each position, and the weight that a mean divides by."""
    losses, divisor = np.zeros((N, d_1, d_2)), 0.0
    for n, i, j in np.ndindex(N, d_1, d_2):
        p = [math.exp(x[n, c, i, j]) for c in range(C)]
        if target.ndim == 4:
            t = [target[n, c, i, j] for c in range(C)]
            divisor += 1
        elif target[n, i, j] == ignore:
            continue
        else:
            t = [float(c == target[n, i, j]) for c in range(C)]
            divisor += w[target[n, i, j]]
        q = [(1 - e) * t_c + e / C for t_c in t]
        losses[n, i, j] = -sum(w[c] * q[c] * math.log(p[c] / sum(p)) for c in range(C))
    return losses, divisor


targets = pytest.mark.parametrize(
    "target", [classes, some_ignored, distributions], ids=["classes", "some ignored", "distributions"]
)
both_weights = pytest.mark.parametrize("w", [None, weight], ids=["plain", "weighted"])


@targets
@both_weights
@pytest.mark.parametrize("e", [0.0, 0.3])
def test_it_is_the_equation_in_every_reduction(target, w, e):
    losses, divisor = losses_by_the_book(target, np.ones(C) if w is None else w, e)
    for reduction, expected in (("none", losses), ("sum", losses.sum()), ("mean", losses.sum() / divisor)):
        loss, _ = F.cross_entropy(x, target, w, reduction=reduction, label_smoothing=e)
        assert_allclose(loss, expected, rtol=1e-12)
    assert F.cross_entropy(x, target, w)[0] == F.cross_entropy(x, target, w, reduction="mean")[0]


@targets
@both_weights
@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_gradients(target, w, reduction):
    """Of the input, and of a target that is a distribution."""
    options = {"reduction": reduction, "label_smoothing": 0.3}
    if target is distributions:
        assert_gradients(lambda x, t: F.cross_entropy(x, t, w, **options), F.cross_entropy_backward, (x, target), rng)
    else:
        assert_gradients(
            lambda x: F.cross_entropy(x, target, w, **options),
            lambda dloss, cache: F.cross_entropy_backward(dloss, cache)[0],
            (x,),
            rng,
        )


def test_classes_alone():
    """(C,) and one class."""
    loss, cache = F.cross_entropy(x[0, :, 0, 0], np.array(classes[0, 0, 0]))
    assert loss == pytest.approx(F.cross_entropy(x, classes, reduction="none")[0][0, 0, 0], rel=1e-13)
    assert F.cross_entropy_backward(1.0, cache)[0].shape == (C,)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_what_is_ignored_has_no_influence(reduction):
    """Neither on the loss nor on a gradient, not even NaN; `ignore_index` may be a class."""
    target = np.where(rng.random(classes.shape) < 0.4, 1, classes)
    ignored = target == 1
    strange = np.where(ignored[:, None], np.nan, x)
    loss, cache = F.cross_entropy(strange, target, ignore_index=1, reduction=reduction)
    assert loss == F.cross_entropy(x, np.where(ignored, -100, target), reduction=reduction)[0]
    dx, _ = F.cross_entropy_backward(1.0, cache)
    assert not last(dx)[ignored].any()
    assert last(dx)[~ignored].all()


def test_the_mean_of_nothing_is_0():
    """PyTorch's is NaN."""
    loss, cache = F.cross_entropy(x, np.full_like(classes, -100))
    assert loss == 0
    assert not F.cross_entropy_backward(1.0, cache)[0].any()


def test_minus_infinity_rules_a_class_out():
    ruled_out = x.copy()
    ruled_out[:, 2] = -np.inf
    target = np.where(classes == 2, 3, classes)
    loss, cache = F.cross_entropy(ruled_out, target)
    assert np.isfinite(loss)
    dx, _ = F.cross_entropy_backward(1.0, cache)
    assert np.isfinite(dx).all()
    assert not dx[:, 2].any()


@targets
def test_float32_stays_float32(target):
    x_32, w = x.astype(np.float32), weight.astype(np.float32)
    t = target.astype(np.float32) if target is distributions else target
    for reduction in ("none", "sum", "mean"):
        loss, cache = F.cross_entropy(x_32, t, w, reduction=reduction, label_smoothing=0.1)
        dloss = np.ones_like(loss)
        assert_float32(loss, *(d for d in F.cross_entropy_backward(dloss, cache) if d is not None))


def test_bad_input_is_refused():
    with refuses(ValueError, "reduction: got 'max', expected one of 'mean', 'sum', 'none'"):
        F.cross_entropy(x, classes, reduction="max")
    with refuses(ValueError, "weight: got shape (4,), expected (5,)"):
        F.cross_entropy(x, classes, weight[:4])
    with refuses(ValueError, "target: got shape (4, 3), expected (4, 3, 2), one class for each distribution"):
        F.cross_entropy(x, classes[..., 0])
    with refuses(ValueError, "target: got values from 0 to 5, expected 0 to 4"):
        F.cross_entropy(x, np.where(classes == 4, 5, classes))
    with refuses(ValueError, "target: got shape (4, 5, 3), expected (4, 5, 3, 2)"):
        F.cross_entropy(x, distributions[..., 0])
    with refuses(ValueError, "ignore_index: got 1, expected none, for target has distributions, no classes"):
        F.cross_entropy(x, distributions, ignore_index=1)
    with refuses(ValueError, "label_smoothing: got 1.5, expected a number in [0, 1]"):
        F.cross_entropy(x, classes, label_smoothing=1.5)
    _, cache = F.cross_entropy(x, classes, reduction="none")
    with refuses(ValueError, "dloss: got shape (), expected (4, 3, 2)"):
        F.cross_entropy_backward(1.0, cache)


def test_the_arguments_do_not_change():
    before = [array.copy() for array in (x, classes, weight, distributions)]
    for target in (classes, distributions):
        F.cross_entropy_backward(1.0, F.cross_entropy(x, target, weight)[1])
    for array, copy in zip((x, classes, weight, distributions), before, strict=True):
        assert_array_equal(array, copy)
