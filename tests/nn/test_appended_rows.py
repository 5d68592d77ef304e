"""add_bias_kv and add_zero_attn: rows appended to K and V, by way of the inputs and of the projections."""

import numpy as np
import pytest
from assertions import assert_gradients
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import seeds, sizes

from minitransformer.layers.linear import Linear, linear
from minitransformer.nn.appended_rows import (
    append,
    append_backward,
    append_positions,
    append_positions_backward,
)


@given(sizes, seeds, st.integers(1, 3))
def test_the_appended_positions_become_the_rows(s, seed, n):
    """[x 0; 0 I] [W; R - b] + b = [x W + b; R], in every sequence of the batch."""
    rng = np.random.default_rng(seed)
    x, rows = rng.standard_normal((s.B, s.L_k, s.d_k)), rng.standard_normal((n, s.d_v))
    weights = Linear(rng.standard_normal((s.d_k, s.d_v)), rng.standard_normal(s.d_v))
    K, _ = linear(append_positions(x, n), append(weights, rows))
    expected = np.concatenate([linear(x, weights)[0], np.broadcast_to(rows, (s.B, n, s.d_v))], axis=1)
    assert_allclose(K, expected, rtol=1e-12, atol=1e-13)


@given(sizes, seeds, st.integers(1, 3))
def test_gradients(s, seed, n):
    rng = np.random.default_rng(seed)
    x, rows = rng.standard_normal((s.B, s.L_k, s.d_k)), rng.standard_normal((n, s.d_v))
    weights = Linear(rng.standard_normal((s.d_k, s.d_v)), rng.standard_normal(s.d_v))
    assert_gradients(lambda x: (append_positions(x, n), n), append_positions_backward, (x,), rng)

    def forward(weights, rows):
        extended = append(weights, rows)
        return np.concatenate([extended.W, extended.b[None]]), n

    def backward(dy, n):
        return append_backward(Linear(dy[:-1], dy[-1]), n)

    assert_gradients(forward, backward, (weights, rows), rng)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)])
def test_no_rows_change_nothing(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    assert append_positions(x, 0) is x
    assert_array_equal(append_positions_backward(x, 0), x)
