"""What holds of every forward and backward, whatever they compute: one theorem a test, over all gradient cases."""

import itertools

import numpy as np
import pytest
from layouts import STRIDES, read_only
from numpy.testing import assert_array_equal

from minitransformer.equations import blockwise_attention
from minitransformer.layers import multi_head
from minitransformer.tree import leaves, named_leaves, tree_map
from minitransformer.verify.cases import CASES
from minitransformer.verify.gradient_check import H, derivative, norm, relative
from minitransformer.verify.taylor import taylor_order

ROUNDING = 1e-13  # relative to the norm of all numbers: some hundred roundings of float64

every_case = pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in CASES for seed in (0, 1)], ids=lambda value: str(value)
)

# split and merge numbers, look them up, or take those of one position: nothing is computed, or next to nothing
GATHERS = (
    *("split_heads", "merge_heads", "share_heads", "embedding", "embed_tokens", "add_positions", "learned_positions"),
    *("bert_embedding", "pooler", "cross_entropy", "dropout"),
)
WITH_HEADS = (
    *("multi_head", "post_norm_encoder_layer", "pre_norm_encoder_layer", "encoder"),
    *("post_norm_decoder_layer", "pre_norm_decoder_layer", "decoder", "transformer"),
    *("gpt", "gpt_classifier", "bert", "bert_pretraining", "bert_classifier", "span_reader"),
)
# whose gradient is dy itself, or a view of it: whoever changes the one changes the other
SHARES_MEMORY_WITH_DY = {"add_positions": ["0"], "learned_positions": ["0"], "merge_heads": ["0"], "residual": ["0"]}


def point(name, seed):
    """A case at a random point, and the generator that drew it, for more."""
    rng = np.random.default_rng(seed)
    return CASES[name](rng), rng


def random_dy(y, rng):
    return np.asarray(rng.standard_normal(np.shape(y)))


def copied(tree):
    return tree_map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, tree)


def with_leaf(tree, position, f):
    """The tree with `f` of the leaf at this position, the others as they are."""
    numbers = itertools.count()
    return tree_map(lambda leaf: f(leaf) if next(numbers) == position else leaf, tree)


def assert_same_bits(ours, theirs):
    for (path, a), (_, b) in zip(named_leaves(ours), named_leaves(theirs), strict=True):
        if isinstance(b, np.ndarray | np.generic):
            assert_array_equal(a, b, err_msg=path, strict=True)


def assert_same(ours, theirs, message=""):
    """Shapes, types, and numbers to rounding, relative to the norm of them all."""
    pairs = list(zip(leaves(ours), leaves(theirs), strict=True))
    assert [np.shape(a) for a, _ in pairs] == [np.shape(b) for _, b in pairs], message
    assert [a.dtype for a, _ in pairs] == [b.dtype for _, b in pairs], message
    assert relative(norm(*(a - b for a, b in pairs)), norm(*(b for _, b in pairs))) < ROUNDING, message


# --- how the arguments lie in memory


@every_case
def test_read_only_inputs_give_the_same(name, seed):
    """Inputs, cache and dy that cannot be written to: neither direction writes to what it is given. Bit for bit."""
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    dy = random_dy(y, rng)
    gradients = case.backward(dy, cache)
    y_again, cache_again = case.forward(*tree_map(read_only, case.inputs))
    for leaf in leaves(cache_again):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    assert_same_bits(y_again, y)
    assert_same_bits(case.backward(read_only(dy), cache_again), gradients)


@every_case
def test_strides_and_the_order_of_axes_make_no_difference(name, seed):
    """All inputs and dy laid out alike, then each in a way of its own.

    To rounding and not to the bit: BLAS has other kernels for other strides, which add up in another order.
    """
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    dy = random_dy(y, rng)
    gradients = case.backward(dy, cache)
    for name_of_layout, layout in (*STRIDES.items(), ("mixed", None)):
        laid_out = layout or (lambda x: rng.choice([np.copy, *STRIDES.values()])(x))
        y_again, cache_again = case.forward(*tree_map(laid_out, case.inputs))
        assert_same(y_again, y, name_of_layout)
        assert_same(case.backward(laid_out(dy), cache_again), gradients, name_of_layout)


@every_case
def test_a_dy_without_memory_of_its_own_gives_the_same(name, seed):
    """The gradient of a sum is one number, broadcast to y's shape: all strides are 0, and nothing can be written."""
    case, _ = point(name, seed)
    y, cache = case.forward(*case.inputs)
    assert_same(case.backward(np.broadcast_to(1.0, np.shape(y)), cache), case.backward(np.ones(np.shape(y)), cache))


# --- what is left as it was


@every_case
def test_inputs_stay_as_they_are(name, seed):
    """After the forward, and after the backward; and so does dy."""
    case, rng = point(name, seed)
    before = copied(case.inputs)
    y, cache = case.forward(*case.inputs)
    assert_same_bits(case.inputs, before)
    dy = random_dy(y, rng)
    dy_before = dy.copy()
    case.backward(dy, cache)
    assert_same_bits(case.inputs, before)
    assert_same_bits(dy, dy_before)


@every_case
def test_a_backward_twice_from_one_cache_is_the_same(name, seed):
    """Bit for bit: it uses nothing up, and leaves the cache as it was."""
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    before = copied(cache)
    dy = random_dy(y, rng)
    first = copied(case.backward(dy, cache))
    assert_same_bits(cache, before)
    assert_same_bits(case.backward(dy, cache), first)


@every_case
def test_a_cache_belongs_to_its_call(name, seed):
    """A layer that is called twice, at other inputs, goes back from each call by itself. Bit for bit."""
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    dy = random_dy(y, rng)
    expected = copied(case.backward(dy, cache))
    others = tree_map(lambda x: rng.standard_normal(x.shape), case.inputs)
    y_again, cache_again = case.forward(*case.inputs)
    _, other_cache = case.forward(*others)
    case.backward(random_dy(y, rng), other_cache)
    assert_same_bits(y_again, y)
    assert_same_bits(case.backward(dy, cache_again), expected)


@pytest.mark.parametrize("name", CASES)
def test_which_gradients_share_memory_with_dy(name):
    """Those that say so, and no others; and no gradient is memory of an input, of the cache, or of another gradient."""
    case, rng = point(name, 0)
    y, cache = case.forward(*case.inputs)
    dy = random_dy(y, rng)
    gradients = list(named_leaves(case.backward(dy, cache)))
    assert [path for path, g in gradients if np.shares_memory(g, dy)] == SHARES_MEMORY_WITH_DY.get(name, [])
    kept = [leaf for leaf in leaves((cache, case.inputs)) if isinstance(leaf, np.ndarray)]
    assert not [path for path, g in gradients for array in kept if np.shares_memory(g, array)]
    assert not [pair for pair in itertools.combinations(gradients, 2) if np.shares_memory(pair[0][1], pair[1][1])]


# --- a backward is linear


@every_case
def test_the_backward_of_0_is_0(name, seed):
    """Exactly, and nowhere NaN."""
    case, _ = point(name, seed)
    y, cache = case.forward(*case.inputs)
    for path, gradient in named_leaves(case.backward(np.zeros(np.shape(y)), cache)):
        assert not gradient.any(), path


@every_case
def test_a_backward_is_linear_in_dy(name, seed):
    """B(a dy_1 + b dy_2) = a B(dy_1) + b B(dy_2) to rounding; and for powers of 2, which are exact, bit for bit."""
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    dy_1, dy_2 = random_dy(y, rng), random_dy(y, rng)
    g_1, g_2 = case.backward(dy_1, cache), case.backward(dy_2, cache)
    a, b = rng.standard_normal(2)
    assert_same(case.backward(a * dy_1 + b * dy_2, cache), tree_map(lambda u, v: a * u + b * v, g_1, g_2))
    for power in (-1.0, 2.0**-20, 2.0**20):
        assert_same_bits(case.backward(power * dy_1, cache), tree_map(lambda u, p=power: p * u, g_1))


# --- the forward of complex numbers, by which gradients are checked, is the one of real numbers


@every_case
def test_the_real_part_of_the_complex_forward_is_the_real_forward(name, seed):
    """At x + 0i, where the imaginary part stays exactly 0, and at the x + ihv of the complex step."""
    case, rng = point(name, seed)
    y, _ = case.forward(*case.inputs)
    at_x, _ = case.forward(*tree_map(lambda x: x + 0j, case.inputs))
    assert_same(np.real(at_x), y)
    assert not np.imag(at_x).any()
    nearby, _ = case.forward(*tree_map(lambda x: x + 1j * H * rng.standard_normal(x.shape), case.inputs))
    assert_same(np.real(nearby), y)


CHANGES = {
    "one feature more": lambda x: np.append(x, x[..., :1], axis=-1),
    "one feature": lambda x: x[..., :1],
    "one row less": lambda x: x[1:],
    "one axis more": lambda x: x[None],
    "one axis less": lambda x: np.array(x[0]),
    "integers": lambda x: x.real.astype(int),
    "half precision": lambda x: x.real.astype(np.float16),
}


@pytest.mark.parametrize("name", CASES)
def test_complex_numbers_are_refused_where_real_ones_are(name):
    """And in the same words: each input in turn with another shape or type."""
    case, _ = point(name, 0)
    complex_inputs = tree_map(lambda x: x + 0j, case.inputs)

    def outcome(inputs):
        try:
            return np.shape(case.forward(*inputs)[0])
        except (TypeError, ValueError) as error:
            return str(error)

    for position, (path, _) in enumerate(named_leaves(case.inputs)):
        for what, change in CHANGES.items():
            of_real = outcome(with_leaf(case.inputs, position, change))
            assert outcome(with_leaf(complex_inputs, position, change)) == of_real, (path, what)


# --- other witnesses for the gradient than one random dy


@every_case
def test_each_output_alone_agrees_with_the_complex_step(name, seed):
    """<e_i, J v> = <J^T e_i, v> for unit vectors e_i: what a sum over all outputs hides, a single one shows.

    Of many outputs some that are drawn, at most 16.
    """
    case, rng = point(name, seed)
    y, cache = case.forward(*case.inputs)
    v = tree_map(lambda x: rng.standard_normal(x.shape), case.inputs)
    Jv = np.atleast_1d(derivative(case.forward, case.inputs, v)).ravel()
    for i in rng.permutation(np.size(y))[:16]:
        gradients = case.backward(unit_vector(i, y), cache)
        terms = [g * v_leaf for g, v_leaf in zip(leaves(gradients), leaves(v), strict=True)]
        error = abs(Jv[i] - sum(term.sum() for term in terms))
        assert error <= ROUNDING * max(norm(*terms) * norm(*leaves(v)), abs(Jv[i])), i


def unit_vector(i, y):
    """1 at the output number i of all outputs, 0 at the others."""
    e = np.zeros(np.size(y))
    e[i] = 1
    return e.reshape(np.shape(y))


@pytest.mark.parametrize("name", GATHERS)
def test_what_gathers_scatters_back(name):
    """The whole Jacobian, rows by unit vectors of dy, columns by the complex step along unit vectors of the inputs.

    Where an output does not depend on an input, the gradient is exactly 0 there.
    """
    case, _ = point(name, 0)
    y, cache = case.forward(*case.inputs)
    rows = [
        np.concatenate([g.ravel() for g in leaves(case.backward(unit_vector(i, y), cache))]) for i in range(np.size(y))
    ]
    columns = []
    nothing = tree_map(np.zeros_like, case.inputs)
    for position, leaf in enumerate(leaves(case.inputs)):
        for i in range(leaf.size):
            along = with_leaf(nothing, position, lambda x, i=i: unit_vector(i, x))
            columns.append(np.ravel(derivative(case.forward, case.inputs, along)))
    J, expected = np.array(rows), np.stack(columns, axis=1)
    assert_same(J, expected)
    assert_array_equal(J == 0, expected == 0)


@every_case
def test_the_remainder_of_taylor_falls_at_order_2(name, seed):
    """A witness that knows of no complex numbers: half the step leaves a quarter of the remainder.

    Between the order 1 of a wrong gradient and the order 3 of a loss that happens not to be curved; of 2,000 points
    that were drawn none was farther from 2 than 0.03.
    """
    case, rng = point(name, seed)
    assert 1.9 < taylor_order(case, rng) < 2.1


@pytest.mark.parametrize("name", WITH_HEADS)
def test_so_does_attention_in_blocks_agree_with_the_complex_step(name, monkeypatch):
    """With the border between the two forms at a single score: the sizes of the cases, 2 to 12, are beyond it."""
    for module in (blockwise_attention, multi_head):
        monkeypatch.setattr(module, "LONG", 1, raising=False)
    case, rng = point(name, 0)
    y, cache = case.forward(*case.inputs)
    assert any(isinstance(node, blockwise_attention.BlockwiseCache) for node in nodes(cache))
    dy = random_dy(y, rng)
    gradients = case.backward(dy, cache)
    v = tree_map(lambda x: rng.standard_normal(x.shape), case.inputs)
    Jv = derivative(case.forward, case.inputs, v)
    through_backward = sum((g * v_leaf).sum() for g, v_leaf in zip(leaves(gradients), leaves(v), strict=True))
    assert abs((dy * Jv).sum() - through_backward) < ROUNDING * norm(*leaves(gradients)) * norm(*leaves(v))


def nodes(tree):
    """All tuples of a tree, itself included."""
    if isinstance(tree, tuple):
        yield tree
        for branch in tree:
            yield from nodes(branch)
