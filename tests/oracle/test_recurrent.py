"""The recurrent layers beside PyTorch's nn.RNN and nn.LSTM, in float64: values, last states and every gradient."""

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_allclose
from strategies import seeds, sizes

from minitransformer.layers.elman import elman, elman_backward, init_elman
from minitransformer.layers.lstm import State, init_lstm, lstm, lstm_backward
from minitransformer.verify.cases.points import loud

torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")


def close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert np.linalg.norm(ours - theirs) < 1e-12 * np.linalg.norm(theirs)


def load(theirs, weights):
    """PyTorch has (out, in) and two biases, of which the second stays 0."""
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(weights.W_x.T))
        theirs.weight_hh_l0.copy_(torch.tensor(weights.W_h.T))
        theirs.bias_ih_l0.copy_(torch.tensor(weights.b))
        theirs.bias_hh_l0.zero_()


def compare_weights(dweights, theirs):
    close(dweights.W_x, theirs.weight_ih_l0.grad.T)
    close(dweights.W_h, theirs.weight_hh_l0.grad.T)
    close(dweights.b, theirs.bias_ih_l0.grad)


@given(sizes, seeds)
def test_elman(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_elman(s.d_k, s.d_v, rng), rng)
    theirs = torch.nn.RNN(s.d_k, s.d_v, batch_first=True).double()
    load(theirs, weights)
    x, h_0, dh = (rng.standard_normal(n) for n in ((s.B, s.L_q, s.d_k), (s.B, s.d_v), (s.B, s.L_q, s.d_v)))
    x_t, h_t = torch.tensor(x, requires_grad=True), torch.tensor(h_0[None], requires_grad=True)
    out, last = theirs(x_t, h_t)
    out.backward(torch.tensor(dh))
    h, cache = elman(x, h_0, weights)
    dx, dh_0, dweights = elman_backward(dh, cache)
    close(h, out)
    close(cache.last, last[0])
    close(dx, x_t.grad)
    close(dh_0, h_t.grad[0])
    compare_weights(dweights, theirs)


@given(sizes, seeds)
def test_lstm(s, seed):
    rng = np.random.default_rng(seed)
    weights = loud(init_lstm(s.d_k, s.d_v, rng), rng)
    theirs = torch.nn.LSTM(s.d_k, s.d_v, batch_first=True).double()
    load(theirs, weights)
    x, dh = rng.standard_normal((s.B, s.L_q, s.d_k)), rng.standard_normal((s.B, s.L_q, s.d_v))
    start = State(*rng.standard_normal((2, s.B, s.d_v)))
    x_t = torch.tensor(x, requires_grad=True)
    h_t, c_t = (torch.tensor(part[None], requires_grad=True) for part in start)
    out, (_, last_c) = theirs(x_t, (h_t, c_t))
    out.backward(torch.tensor(dh))
    h, cache = lstm(x, start, weights)
    dx, dstart, dweights = lstm_backward(dh, cache)
    close(h, out)
    assert_allclose(cache.last.c, last_c[0].detach().numpy(), rtol=1e-11, atol=1e-13)
    close(dx, x_t.grad)
    close(dstart.h, h_t.grad[0])
    close(dstart.c, c_t.grad[0])
    compare_weights(dweights, theirs)
