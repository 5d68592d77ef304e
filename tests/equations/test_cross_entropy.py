"""Cross-entropy from logits (2.1.1), with ignored targets and label smoothing."""

import math

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.equations.cross_entropy import IGNORE, cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import softmax
from minitransformer.verify import by_the_book as book

smoothings = st.sampled_from([0.0, 0.1, 0.4, 1.0])


def draw(s, seed, ignore=IGNORE):
    """Logits (B, L_q, V) with V = d_ff, and targets of which about a quarter are ignored, though never all."""
    rng = np.random.default_rng(seed)
    targets = np.where(rng.random((s.B, s.L_q)) < 0.25, ignore, rng.integers(0, s.d_ff, (s.B, s.L_q)))
    targets[-1, -1] = 1
    return 2 * rng.standard_normal((s.B, s.L_q, s.d_ff)), targets, rng


@given(sizes, seeds, smoothings)
def test_cross_entropy_is_the_equation(s, seed, label_smoothing):
    """The mean over the targets that count, of all sequences together."""
    logits, targets, _ = draw(s, seed)
    loss, _ = cross_entropy(logits, targets, label_smoothing)
    rows = logits.reshape(-1, s.d_ff)
    assert loss == pytest.approx(book.cross_entropy(rows, targets.reshape(-1), label_smoothing), rel=1e-12)
    assert np.ndim(loss) == 0


@given(sizes, seeds, smoothings)
def test_cross_entropy_gradient(s, seed, label_smoothing):
    logits, targets, rng = draw(s, seed)
    assert_gradients(
        lambda logits: cross_entropy(logits, targets, label_smoothing), cross_entropy_backward, (logits,), rng
    )


@given(sizes, seeds)
def test_the_gradient_is_p_minus_one_hot(s, seed):
    """(p - one_hot) / n where a target counts, 0 where it is ignored; times the gradient that comes from above."""
    logits, targets, _ = draw(s, seed)
    dlogits = cross_entropy_backward(3.0, cross_entropy(logits, targets)[1])
    p, _ = softmax(logits)
    one_hot = np.arange(s.d_ff) == targets[..., None]
    counted = (targets != IGNORE)[..., None]
    assert_allclose(dlogits, 3 * counted * (p - one_hot) / counted.sum(), atol=1e-14)


@given(sizes, seeds)
def test_the_mean_is_over_counted_targets_not_over_all(s, seed):
    """Ignored positions might as well not be there."""
    logits, targets, _ = draw(s, seed)
    counted = targets != IGNORE
    loss, _ = cross_entropy(logits, targets)
    assert loss == pytest.approx(cross_entropy(logits[counted], targets[counted])[0], rel=1e-12)


@given(st.integers(1, 30), smoothings)
def test_equal_logits_cost_ln_V(V, label_smoothing):
    """Who knows nothing pays ln V for each token, smoothed or not."""
    loss, _ = cross_entropy(np.full((4, V), 7.0), np.zeros(4, int), label_smoothing)
    assert loss == pytest.approx(math.log(V), rel=1e-13, abs=1e-14)


def test_nothing_to_count():
    """Loss 0 and gradient 0, never NaN."""
    loss, cache = cross_entropy(np.ones((2, 3)), np.full(2, IGNORE), 0.1)
    assert loss == 0
    assert not cross_entropy_backward(1.0, cache).any()


def test_a_vocabulary_of_one_token():
    """It is always right, and an ignored target is no token of it."""
    assert cross_entropy(np.array([[3.0], [5.0]]), np.array([0, IGNORE]))[0] == 0


def test_one_position_without_further_axes():
    """Logits (V,) and a target of no axes."""
    loss, cache = cross_entropy(np.array([0.0, math.log(3)]), np.array(1))
    assert loss == pytest.approx(math.log(4 / 3))
    assert_allclose(cross_entropy_backward(1.0, cache), [0.25, -0.25], rtol=1e-14)


def test_logits_not_probabilities_and_no_overflow():
    """The softmax is inside, and large logits are no trouble."""
    loss, cache = cross_entropy(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0]))
    assert loss == 500.0
    assert cross_entropy_backward(1.0, cache).tolist() == [[0.0, 0.0], [-0.5, 0.5]]


@given(st.floats(0.01, 0.9), st.integers(2, 9))
def test_smoothing_is_spread_over_all_tokens_the_target_included(e, V):
    """The best a model can do is p = q: (1 - e) + e/V on the target, e/V elsewhere; its loss is q's entropy."""
    q = np.full(V, e / V)
    q[1] += 1 - e
    loss, cache = cross_entropy(np.log(q)[None], np.array([1]), e)
    assert loss == pytest.approx(-(q * np.log(q)).sum(), rel=1e-12)
    assert_allclose(cross_entropy_backward(1.0, cache), 0, atol=1e-15)


def test_another_number_to_ignore():
    """Even one that is a token."""
    logits = np.array([[0.0, 1.0], [3.0, 0.0]])
    assert cross_entropy(logits, np.array([0, 1]), ignore=1)[0] == cross_entropy(logits[:1], np.array([0]))[0]


def test_float32_stays_float32():
    logits, targets = np.ones((2, 3, 4), np.float32), np.array([[0, IGNORE, 2], [3, 1, 0]])
    loss, cache = cross_entropy(logits, targets, 0.1)
    assert_float32(loss, cache, cross_entropy_backward(loss, cache), cross_entropy_backward(1.0, cache))


def test_bad_input_is_refused():
    logits, targets = np.ones((2, 3)), np.array([0, 1])
    with refuses(TypeError, "logits: got list, expected a NumPy array of floating-point numbers"):
        cross_entropy([[1.0, 2.0]], targets)
    with refuses(ValueError, "logits: got shape (), expected (..., V)"):
        cross_entropy(np.array(1.0), np.array(0))
    with refuses(ValueError, "logits: got shape (2, 0), expected (..., V) with V of 1 or more"):
        cross_entropy(np.ones((2, 0)), np.full(2, IGNORE))
    with refuses(TypeError, "targets: got dtype float64, expected an array of integers"):
        cross_entropy(logits, np.array([0.0, 1.0]))
    with refuses(ValueError, "targets: got shape (3,), expected (2,), the logits' shape without the last axis"):
        cross_entropy(logits, np.array([0, 1, 2]))
    with refuses(ValueError, "targets: got shape (2,), expected (2, 3), the logits' shape without the last axis"):
        cross_entropy(np.ones((2, 3, 4)), targets)
    with refuses(ValueError, "targets: got values from 0 to 3, expected 0 to 2"):
        cross_entropy(logits, np.array([0, 3]))
    with refuses(ValueError, "targets: got values from -1 to 1, expected 0 to 2"):
        cross_entropy(logits, np.array([1, -1]))
    with refuses(ValueError, f"n: got 0, expected at least 1, since {targets.size} targets count"):
        cross_entropy(logits, targets, n=0)
    for label_smoothing in (-0.1, 1.1, "0.1", None):
        error = ValueError if isinstance(label_smoothing, float) else TypeError
        with refuses(error, f"label_smoothing: got {label_smoothing!r}, expected a number in [0, 1]"):
            cross_entropy(logits, targets, label_smoothing)


@given(sizes, seeds, smoothings)
def test_parts_of_a_batch_add_up_to_the_whole(s, seed, label_smoothing):
    """Each divided by the targets of all: the sum of the losses is the whole's loss, and so are the gradients."""
    logits, targets, _ = draw(s, seed)
    n = int((targets != IGNORE).sum())
    whole, whole_cache = cross_entropy(logits, targets, label_smoothing)
    parts = [cross_entropy(logits[b], targets[b], label_smoothing, n=n) for b in range(s.B)]
    assert sum(loss for loss, _ in parts) == pytest.approx(whole, rel=1e-12)
    gradients = np.stack([cross_entropy_backward(2.0, cache) for _, cache in parts])
    assert_allclose(gradients, cross_entropy_backward(2.0, whole_cache), atol=1e-15)


@given(sizes, seeds, smoothings, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_what_stands_at_ignored_positions_has_no_influence(s, seed, label_smoothing, garbage):
    """Neither on the loss nor on a gradient, whatever number it is or is not."""
    logits, targets, _ = draw(s, seed)
    spoilt = np.where((targets == IGNORE)[..., None], garbage, logits)
    loss, cache = cross_entropy(logits, targets, label_smoothing)
    spoilt_loss, spoilt_cache = cross_entropy(spoilt, targets, label_smoothing)
    assert spoilt_loss == loss
    gradient = cross_entropy_backward(1.0, spoilt_cache)
    assert_allclose(gradient, cross_entropy_backward(1.0, cache), atol=1e-15)
    assert not gradient[targets == IGNORE].any()


@given(sizes, seeds)
def test_a_token_that_is_ruled_out_might_as_well_not_be_there(s, seed):
    """A logit of -infinity: loss and gradients of the other tokens are those of a vocabulary without it."""
    logits, targets, _ = draw(s, seed)
    out = np.broadcast_to(-np.inf, (s.B, s.L_q, 1))
    loss, cache = cross_entropy(logits, targets)
    loss_with_it, cache_with_it = cross_entropy(np.concatenate([logits, out], axis=-1), targets)
    assert loss_with_it == pytest.approx(loss, rel=1e-14)
    gradient = cross_entropy_backward(1.0, cache_with_it)
    assert_allclose(gradient[..., :-1], cross_entropy_backward(1.0, cache), atol=1e-15)
    assert not gradient[..., -1].any()


def test_a_target_that_is_ruled_out_costs_infinitely_much():
    """And its gradient is still p - one_hot."""
    loss, cache = cross_entropy(np.array([[0.0, 0.0, -np.inf]]), np.array([2]))
    assert loss == np.inf
    assert cross_entropy_backward(1.0, cache).tolist() == [[0.5, 0.5, -1.0]]


def test_any_64_bit_integer_can_mean_ignored():
    least = -(2**63)
    logits, targets = np.ones((2, 3)), np.array([1, least])
    assert cross_entropy(logits, targets, ignore=least)[0] == cross_entropy(logits[:1], targets[:1])[0]
    with refuses(ValueError, f"ignore: got {least - 1}, expected {least} or more"):
        cross_entropy(logits, targets, ignore=least - 1)
