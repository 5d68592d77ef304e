"""The notation of formulas: one text that is evaluated, and shown."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from strategies import seeds, sizes

from minitransformer.learn.trace.notation import error, extent, latex, names, parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "alpha[j] = exps[j] / sum(k, exps[k])",
            r"{\alpha}_{j} = \frac{{\mathrm{exps}}_{j}}{\sum_{k} {\mathrm{exps}}_{k}}",
        ),
        (
            "dQ[i, c] = sum(j, dA[i, j] * cache.K[j, c])",
            r"{\mathrm{d}Q}_{ic} = \sum_{j} {\mathrm{d}A}_{ij} \, {K}_{jc}",
        ),
        ("a[i] = b[i] * (c[i] - d)", r"{a}_{i} = {b}_{i} \, \left( {c}_{i} - d \right)"),
        ("a[i] = b[i] - (c[i] + d)", r"{a}_{i} = {b}_{i} - \left( {c}_{i} + d \right)"),
        ("y[i] = max(0, x[i])", r"{y}_{i} = \max( 0, {x}_{i} )"),
        ("y[i] = x[i] ** 2", r"{y}_{i} = {{x}_{i}}^{2}"),
        ("s = sqrt(v + eps)", r"s = \sqrt{v + \epsilon}"),
        ("y[i] = -x[i] * 2", r"{y}_{i} = \left( -{x}_{i} \right) \cdot 2"),
        ("y[i] = (x[i] > 0) * z", r"{y}_{i} = [{x}_{i} > 0] \, z"),
        ("A[i, j] = B[i // h, j % h]", r"{A}_{ij} = {B}_{\lfloor i / h \rfloor, j \bmod h}"),
        ("P[l, 2 * j] = sin(w[j])", r"{P}_{l, 2 \cdot j} = \sin( {w}_{j} )"),
        ("u = LayerNorm(x + a)", r"u = \operatorname{LayerNorm}( x + a )"),
        (
            "q = log(exp(-x)) if m else -inf",
            r"q = \begin{cases} \log( e^{-x} ) & \text{if } m \\ -\infty & \text{else} \end{cases}",
        ),
        ("S = rows(x_hat)[n, i] / dim(K)", r"S = \frac{{\hat{x}}_{ni}}{d_{K}}"),
    ],
)
def test_latex(text, shown):
    """Subscripts, fractions, sums; parentheses where a part would fall apart."""
    assert latex(parse(text)) == shown


@given(sizes, seeds)
def test_a_right_formula_has_no_error_and_a_wrong_one_has(s, seed):
    """With batch axes that the formula does not mention, and an index that is summed over."""
    rng = np.random.default_rng(seed)
    x, W, b = map(rng.standard_normal, ((s.B, s.L_q, s.d_k), (s.d_k, s.d_v), s.d_v))
    values = {"x": x, "W": W, "b": b}
    right = parse("y[l, j] = sum(i, x[l, i] * W[i, j]) + b[j]")
    assert names(right) == {"x", "W", "b"}
    assert error(right, x @ W + b, values, rng) < 1e-12
    assert error(right, (x @ W + b)[::-1], values, rng) > 1e-6
    assert error(parse("y[l, j] = sum(i, x[l, i] * W[i, j])"), x @ W + b, values, rng) > 1e-6


def test_a_row_statistic_serves_its_whole_row():
    """An array with a last axis of length 1 needs no index."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 3, 4))
    top = a.max(axis=-1, keepdims=True)
    assert error(parse("top = max_over(k, a[k])"), top, {"a": a}, rng) == 0
    assert error(parse("s[j] = a[j] - top"), a - top, {"a": a, "top": top}, rng) < 1e-15
    assert error(parse("m = mean(k, a[k])"), a.mean(axis=-1, keepdims=True), {"a": a}, rng) < 1e-15


def test_infinities_compare():
    """-inf equals -inf, and nothing else."""
    rng = np.random.default_rng(0)
    mask, a = np.array([True, False]), np.array([1.0, 2.0])
    formula = parse("m[j] = a[j] if mask[j] else -inf")
    assert error(formula, np.array([1.0, -np.inf]), {"mask": mask, "a": a}, rng) == 0
    assert error(formula, np.array([1.0, 2.0]), {"mask": mask, "a": a}, rng) > 1


def test_what_is_no_formula_is_refused():
    for text in ("alpha", "a == b", "1 = 2", "a = b = c", "f(x) +"):
        with refuses(ValueError, f"formula: got {text!r}, expected `name[indices] = expression`"):
            parse(text)
    rng = np.random.default_rng(0)
    with refuses(ValueError, "formula: nothing in 'y[i] = x' says how far 'k' runs"):
        extent("k", parse("y[i] = x"), {"x": np.ones(3)})
    with refuses(ValueError, "formula: got [1, 2], expected index notation"):
        error(parse("y[i] = [1, 2]"), np.ones(3), {}, rng)
    with pytest.raises(KeyError, match="x"):
        error(parse("y[i] = x[i]"), np.ones(3), {}, rng)
