"""`equations/`: the text's mathematics on plain arrays."""

import numpy as np
from bad_arguments.kinds import (
    Argument,
    Bad,
    also,
    cache,
    drawn,
    drop,
    dtype,
    floats,
    fraction,
    given,
    gradient,
    ids,
    integer,
    internal,
    mask,
    number,
    optional,
    passed_on,
    rate,
    rng,
    row,
    weights,
)

from minitransformer.equations import (
    activations,
    alibi,
    attention,
    attention_one_query,
    blockwise_attention,
    chain_rule,
    compatibility,
    cross_entropy,
    dropout,
    erf,
    grouped_heads,
    positional_encoding,
    rotary,
    rows,
    softmax,
)
from minitransformer.equations.dropout import Dropout

B, L_q, L_k, d_k, d_v, V, d_a = 2, 3, 4, 5, 6, 7, 8
x = drawn(B, L_q, d_k)
even = drawn(B, L_q, 2 * d_k)
A = drawn(B, L_q, L_k)
Q, K, values = drawn(B, L_q, d_k, seed=1), drawn(B, L_k, d_k, seed=2), drawn(B, L_k, d_v, seed=3)
O = drawn(B, L_q, d_v, seed=4)
M = drawn(d_k, d_v, seed=5)
K_wide = drawn(B, L_k, d_v, seed=6)
additive = compatibility.Additive(drawn(d_a, d_k, seed=7), drawn(d_a, d_v, seed=8), drawn(d_a, seed=9))
allowed = np.tril(np.ones((L_q, L_k), bool))
added = drawn(L_q, L_k, seed=10)
generator = np.random.default_rng(0)
logits, targets = drawn(B, L_q, V, seed=11), np.array([[0, 6, 2], [3, -100, 1]])
log_p = np.log(np.full((B, L_q, V), 1 / V, np.float32))
tokens = np.array([[0, 6, 2], [3, 4, 1]])
lengths = np.array([2, 4])


def allowing_nan(argument):
    """NaN stays NaN."""
    return argument._replace(bad=tuple(bad for bad in argument.bad if bad.what != "NaN"))


PAIR = tuple(Bad(f"{wrong!r}", wrong) for wrong in ("relu", None, 3, activations.relu))


def of_numbers_too(argument):
    """NumPy's numbers are right, too, and what cannot be divided is told by Python."""
    return argument._replace(bad=tuple(bad._replace(told=bad.told and bad.what != "a list") for bad in argument.bad))


NATS = allowing_nan(number(2.0, -1e-9, -1.0))  # infinity is what the impossible costs
OF_ANY_BATCH = "of any batch, which is not kept; features and positions are compared"
UNKNOWABLE = "it goes back as it came: nothing is known of its shape here"


def queries():
    return passed_on(floats(Q, ndim=2, features=True), "K", "V")


def keys(good=K):
    """As many features, and the batch of the queries."""
    other = passed_on(floats(good, ndim=2, features=True), "Q", "V")
    batch = (
        Bad("one alone of the batch", good[:1]),
        Bad("without the batch", good[0]),
        Bad("a batch more", good[None]),
    )
    return other._replace(bad=(*other.bad, *batch, Bad("none", good[:, :0])))


def values_of_keys():
    other = floats(values, ndim=2)
    lengths = (Bad("one alone", values[:, :1]), Bad("one more", np.concatenate([values, values[:, :1]], 1)))
    batch = (Bad("one alone of the batch", values[:1]), Bad("without the batch", values[0]))
    return other._replace(bad=(*other.bad, *lengths, *batch))


def one_row(good):
    """(n,) and nothing else."""
    other = floats(good, ndim=1, features=True)
    return other._replace(bad=(*other.bad, Bad("an axis more", good[None])))


def scores(good=A):
    """At least one on the last axis."""
    other = passed_on(floats(good, ndim=1), "a")
    return other._replace(bad=(*other.bad, Bad("none", good[..., :0])))


of_attention = {
    "Q": queries(),
    "K": keys(),
    "V": values_of_keys(),
    "mask": optional(mask(allowed)),
    "drop": drop(),
}
numbers = np.where(allowed, added, np.float32(-np.inf))
attended = attention.attention(Q, K, values, added, Dropout(0.3, generator))[1]
in_blocks = blockwise_attention.blockwise_attention(Q, K, values, numbers, Dropout(0.3, generator), rows=2)[1]
block = next(blockwise_attention.blocks(in_blocks))
each = positional_encoding.add_positions(x)[1]


def elementwise(name):
    """A function of each number alone, and its backward."""
    forward, backward = getattr(activations, name), getattr(activations, f"{name}_backward")
    kept = forward(x)[1]
    return (
        row(forward, x=floats(x)),
        row(backward, dy=gradient(x), **{"cache" if isinstance(kept, tuple) else "y": cache(kept)}),
    )


def per_length(good, L):
    """Of any shape, from 0 to L."""
    return ids(good, size=L + 1)


ROWS = (
    *(one for name in ("relu", "tanh", "sigmoid", "gelu", "gelu_tanh") for one in elementwise(name)),
    row(
        alibi.alibi_mask,
        h=integer(3),
        L_q=integer(3, 0, most=4),
        L_k=passed_on(integer(4, 3), "L_q"),
        dtype=also(dtype(), "complex numbers", np.complex64),
    ),
    row(alibi.alibi_slopes, h=integer(3)),
    row(
        attention_one_query.attention_one_query,
        q=passed_on(one_row(Q[0, 0]), "K"),
        k=passed_on(floats(K[0], ndim=2, features=True), "K", "V", "v"),
        v=floats(values[0], ndim=2),
        f=Argument(compatibility.SCALED_DOT_PRODUCT, PAIR),
        f_weights=given((), "those of f, which checks them"),
    ),
    row(
        attention_one_query.attention_one_query_backward,
        do=gradient(O[0, 0]),
        cache=cache(attention_one_query.attention_one_query(Q[0, 0], K[0], values[0])[1]),
    ),
    row(
        attention.attend,
        A=passed_on(floats(A, ndim=2, features=True), "V"),
        V=values_of_keys(),
        mask=optional(mask(allowed)),
        drop=drop(),
    ),
    row(attention.attend_backward, dO=gradient(O), cache=cache(attended.attend)),
    row(attention.attention, **of_attention),
    row(attention.attention_backward, dO=gradient(O), cache=cache(attended)),
    row(blockwise_attention.blockwise_attention, **of_attention, rows=integer(2)),
    row(blockwise_attention.blockwise_attention_backward, dO=gradient(O), cache=cache(in_blocks)),
    internal(blockwise_attention.block_scores, cache=in_blocks, block=block),
    internal(blockwise_attention.blocks, cache=in_blocks),
    internal(blockwise_attention.keys_that_matter, allowed=allowed, queries=slice(0, 2), batch=(B,), L_q=L_q, L_k=L_k),
    row(blockwise_attention.attention_weights, cache=cache(in_blocks)),
    row(
        chain_rule.sequence_log_probability,
        log_p=passed_on(floats(log_p, ndim=2), "ids"),
        ids=ids(tokens, V, ndim=1, same_shape=True),
    ),
    row(chain_rule.perplexity, nats=NATS),
    row(chain_rule.check_nats, nats=NATS),
    row(chain_rule.bits, nats=NATS),
    row(chain_rule.bits_per_character, nats=NATS, n_tokens=integer(3, 0), n_characters=integer(17)),
    *(row(function, Q=queries(), K=keys()) for function in (compatibility.dot_product, attention.scaled_dot_product)),
    *(
        row(function, dA=gradient(A), cache=cache(compatibility.dot_product(Q, K)[1]))
        for function in (compatibility.dot_product_backward, attention.scaled_dot_product_backward)
    ),
    row(
        compatibility.bilinear,
        Q=passed_on(floats(Q, ndim=2, features=True), "K"),
        K=keys(K_wide),
        M=passed_on(floats(M, ndim=2, features=True), "K", "Q"),
    ),
    row(compatibility.bilinear_backward, dA=gradient(A), cache=cache(compatibility.bilinear(Q, K_wide, M)[1])),
    row(
        compatibility.additive,
        Q=passed_on(floats(Q, ndim=2, features=True), "K"),
        K=keys(K_wide),
        weights=weights(additive, other=("Q", "K")),
    ),
    row(compatibility.additive_backward, dA=gradient(A), cache=cache(compatibility.additive(Q, K_wide, additive)[1])),
    row(
        cross_entropy.cross_entropy,
        logits=passed_on(floats(logits, ndim=1), "targets"),
        targets=ids(targets, V, same_shape=True)._replace(equal=(targets.astype(np.int32), targets.astype(np.int16))),
        label_smoothing=fraction(0.1),
        ignore=integer(-100, -(2**63)),
        n=optional(integer(3, 0)),
    ),
    row(
        cross_entropy.cross_entropy_backward,
        dloss=Argument(
            0.5,
            (Bad("None", None), Bad("text", "1"), Bad("an array", np.ones(3)), Bad("spread", np.ones((1, 1, V)))),
            equal=(np.float64(0.5), np.float32(0.5)),
        ),
        cache=cache(cross_entropy.cross_entropy(logits, targets)[1]),
    ),
    internal(cross_entropy.which_count, targets=targets, logits=logits, ignore=-100),
    internal(cross_entropy.target_distribution, tokens=tokens[..., None], e=0.1, logits=logits),
    row(dropout.Dropout, rate=rate(), rng=rng(required=False)),
    internal(dropout.dropping, rate=0.3, rng=generator),
    row(dropout.dropout, x=floats(x), drop=drop()),
    row(dropout.dropout_backward, dy=gradient(x), m=cache(dropout.dropout(x, Dropout(0.3, generator))[1])),
    internal(dropout.dropout_mask, shape=(2, 3), rate=0.3, rng=generator, dtype=np.dtype(np.float32)),
    row(erf.erfc, z=of_numbers_too(floats(x))),
    row(erf.normal_cdf, x=of_numbers_too(floats(x))),
    row(erf.normal_density, x=of_numbers_too(floats(x))),
    row(
        grouped_heads.share_heads,
        X=floats(drawn(B, 2, L_k, d_k), ndim=3),
        h=also(integer(4), "not a multiple of the two heads", 5),
    ),
    row(
        grouped_heads.share_heads_backward,
        dheads=passed_on(floats(drawn(B, 4, L_k, d_k), ndim=3), "h_kv"),
        h_kv=passed_on(also(integer(2), "does not divide the four heads", 3), "dheads"),
    ),
    row(attention.split_heads, X=floats(drawn(B, L_q, 4), ndim=2), h=integer(2)),
    row(attention.merge_heads, heads=floats(drawn(B, 2, L_q, d_k), ndim=3)),
    row(attention.causal_mask, L=integer(3, 0)),
    row(attention.padding_mask, lengths=per_length(lengths, 4), L=passed_on(integer(4, 0), "lengths")),
    row(attention.causal_padding_mask, lengths=per_length(lengths, 4), L=passed_on(integer(4, 0), "lengths")),
    internal(attention.in_sight, mask=allowed, Q=Q),
    internal(rows.rows_where, counts=np.array([True, True, False]), X=x),
    row(positional_encoding.positional_encoding, L=integer(3, 0), d=integer(5), dtype=dtype(), start=integer(2, 0)),
    internal(positional_encoding.position_angles, L=3, d=5, start=2),
    row(positional_encoding.add_positions, E=floats(x, ndim=2), start=integer(2, 0)),
    row(positional_encoding.add_positions_backward, dx=given(x, UNKNOWABLE), cache=cache(None)),
    row(rotary.rotary, X=also(floats(even, ndim=2), "an odd number of features", even[..., 1:]), start=integer(2, 0)),
    row(
        rotary.rotary_backward,
        dY=given(even, "of any batch, which is not kept; features and positions are compared"),
        cache=cache(rotary.rotary(even)[1]),
    ),
    internal(rotary.turn_both, Q=even, K=even, start=2),
    internal(rotary.turn_both_back, dQ=even, dK=even, caches=rotary.turn_both(even, even, 0)[2]),
    internal(rotary.quarter_turn, X=even),
    internal(rotary.prepare_rotation, L=3, d_k=4, start=2, dtype=np.dtype(np.float32)),
    internal(rows.row_sum, x=x),
    internal(rows.row_mean, x=x),
    internal(rows.row_max, x=x),
    internal(rows.row_products, x=x, w=drawn(d_k)),
    internal(rows.column_sum, x=x),
    internal(rows.constant, value=1, n=3, dtype=np.dtype(np.float32)),
    row(softmax.softmax, a=scores()),
    row(softmax.softmax_backward, dalpha=gradient(A), alpha=cache(softmax.softmax(A)[1])),
    row(softmax.masked_softmax, a=scores(), mask=mask(allowed)),
    internal(softmax.masked_scores, a=A, mask=allowed),
    row(softmax.log_softmax, a=scores()),
    row(softmax.log_softmax_backward, dlog_alpha=gradient(A), cache=cache(softmax.log_softmax(A)[1])),
)
