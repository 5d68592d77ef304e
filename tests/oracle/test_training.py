"""The optimizer and the loss beside PyTorch's, in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.training.adam import adam, clip_by_global_norm, init_adam

torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")


@given(seeds, st.integers(1, 10), st.floats(0.1, 3))
def test_adam_with_clipping(seed, steps, limit):
    """torch.optim.Adam after clip_grad_norm_, step by step."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(7)
    theirs = torch.nn.Parameter(torch.tensor(weights))
    optimizer = torch.optim.Adam([theirs], lr=0.01)
    state = init_adam(weights)
    for gradient in rng.standard_normal((steps, 7)):
        clipped, _ = clip_by_global_norm(gradient, limit)
        state = adam(weights, clipped, state, 0.01)
        theirs.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_([theirs], limit)
        optimizer.step()
    assert_allclose(weights, theirs.detach().numpy(), rtol=1e-5)  # PyTorch divides by norm + 1e-6


@given(seeds, st.integers(1, 10), st.floats(0, 1))
def test_adamw(seed, steps, decay):
    """torch.optim.AdamW, step by step."""
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(7)
    theirs = torch.nn.Parameter(torch.tensor(weights))
    optimizer = torch.optim.AdamW([theirs], lr=0.01, weight_decay=decay)
    state = init_adam(weights)
    for gradient in rng.standard_normal((steps, 7)):
        state = adam(weights, gradient, state, 0.01, decay=decay)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
    assert_allclose(weights, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)


@given(sizes, seeds, st.sampled_from([0.0, 0.1, 0.5]))
def test_cross_entropy(s, seed, label_smoothing):
    """Value and gradient, with ignored targets and label smoothing."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((s.L_q, s.d_ff))
    targets = np.where(rng.random(s.L_q) < 0.3, -100, rng.integers(0, s.d_ff, s.L_q))
    targets[0] = 1
    theirs = torch.tensor(logits, requires_grad=True)
    loss_t = torch.nn.functional.cross_entropy(theirs, torch.tensor(targets), label_smoothing=label_smoothing)
    loss_t.backward()
    loss, cache = cross_entropy(logits, targets, label_smoothing)
    assert loss == pytest.approx(loss_t.item(), rel=1e-12)
    assert_allclose(cross_entropy_backward(1.0, cache), theirs.grad.numpy(), rtol=1e-11, atol=1e-14)
