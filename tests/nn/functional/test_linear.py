"""PyTorch's linear and embedding."""

import numpy as np
import pytest
from assertions import assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer import nn

F = nn.functional

rng = np.random.default_rng(0)
x, weight, bias = rng.standard_normal((2, 3, 4)), rng.standard_normal((5, 4)), rng.standard_normal(5)
table = rng.standard_normal((6, 4))
ids = np.array([[0, 3, 3], [5, 3, 1]])


def test_the_weight_is_out_in():
    """y = x A^T + b; W of the package is A^T."""
    assert_allclose(F.linear(x, weight, bias)[0], x @ weight.T + bias, rtol=1e-13)
    assert_allclose(F.linear(x, weight)[0], x @ weight.T, rtol=1e-13)


def test_linear_gradients():
    assert_gradients(F.linear, F.linear_backward, (x, weight, bias), rng)

    def backward(dy, cache):
        dinput, dweight, dbias = F.linear_backward(dy, cache)
        assert dbias is None, "there is none"
        return dinput, dweight

    assert_gradients(F.linear, backward, (x, weight), rng)


def test_linear_refuses():
    with refuses(ValueError, "input: got shape (2, 3, 3), expected 4 features on the last axis"):
        F.linear(x[..., :3], weight)
    with refuses(ValueError, "bias: got shape (4,), expected (5,)"):
        F.linear(x, weight, bias[:4])
    with refuses(ValueError, "weight: got shape (5,), expected at least 2 axes"):
        F.linear(x, bias)
    _, cache = F.linear(x, weight)
    with refuses(ValueError, "dout: got shape (2, 3, 4), expected (2, 3, 5)"):
        F.linear_backward(x, cache)


def test_embedding_is_a_product_with_one_hot_rows():
    y, cache = F.embedding(ids, table)
    one_hot = np.eye(6)[ids]
    assert_array_equal(y, one_hot @ table)
    dy = rng.standard_normal(y.shape)
    assert_allclose(F.embedding_backward(dy, cache), np.einsum("blv,bld->vd", one_hot, dy), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("padding_idx", [3, -3])
def test_the_row_of_the_padding_is_a_constant(padding_idx):
    """It is read like any other, and gets no gradient."""
    y, cache = F.embedding(ids, table, padding_idx)
    assert_array_equal(y, table[ids])
    dy = rng.standard_normal(y.shape)
    without = F.embedding_backward(dy, F.embedding(ids, table)[1])
    assert without[3].all()
    without[3] = 0
    assert_array_equal(F.embedding_backward(dy, cache), without)


def test_embedding_refuses():
    with refuses(ValueError, "input: got values from 0 to 5, expected 0 to 4"):
        F.embedding(ids, table[:5])
    with refuses(TypeError, "input: got dtype float64, expected an array of integers"):
        F.embedding(ids.astype(float), table)
    with refuses(ValueError, "padding_idx: got 6, expected -6 to 5"):
        F.embedding(ids, table, 6)
    with refuses(ValueError, "padding_idx: got -7, expected -6 or more"):
        F.embedding(ids, table, -7)
    _, cache = F.embedding(ids, table)
    with refuses(ValueError, "dout: got shape (2, 3), expected (2, 3, 4)"):
        F.embedding_backward(ids.astype(float), cache)
