"""`layers/`: equations with weights."""

import numpy as np
from bad_arguments.kinds import (
    CONFIG_FIELDS,
    Argument,
    Bad,
    cache,
    config,
    drawn,
    drop,
    dtype,
    fields,
    floats,
    given,
    gradient,
    ids,
    integer,
    internal,
    mask,
    optional,
    other_shapes,
    passed_on,
    positive,
    rng,
    row,
    shaped,
    truth,
    weights,
)

from minitransformer.equations.activations import GELU, relu
from minitransformer.equations.dropout import Dropout
from minitransformer.layers import (
    add_norm,
    bert_embedding,
    bidirectional,
    decoder,
    decoder_layer,
    elman,
    embedding,
    encoder,
    encoder_layer,
    feed_forward,
    layer_norm,
    learned_positions,
    linear,
    lstm,
    mimetic_initialization,
    mlm_head,
    multi_head,
    past,
    pooler,
    rms_norm,
    stack,
    tied_output,
)
from minitransformer.tree import tree_map

B, L, L_s, d, d_out, d_ff, V, h, d_h, context = 2, 3, 5, 4, 7, 6, 8, 2, 6, 9
generator = np.random.default_rng(0)


def loud(tree, seed=0):
    """Weights of order 1, none of them 0."""
    rng = np.random.default_rng(seed)
    return tree_map(lambda leaf: rng.standard_normal(leaf.shape).astype(np.float32), tree)


x, f, memory = drawn(B, L, d), drawn(B, L, d, seed=1), drawn(B, L_s, d, seed=2)
y = drawn(B, L, d, seed=3)
token_ids, segments = np.array([[0, 7, 2], [3, 4, 1]]), np.array([[0, 0, 1], [0, 1, 1]])
lengths = np.array([2, 3])

LINEAR = loud(linear.init_linear(d, d_out, generator))
NORM = loud(layer_norm.init_layer_norm(d))
RMS_NORM = loud(rms_norm.init_rms_norm(d))
EMBEDDING = loud(embedding.init_embedding(V, d, generator))
POSITIONS = loud(learned_positions.init_learned_positions(context, d, generator))
BERT_EMBEDDING = loud(bert_embedding.init_bert_embedding(V, context, d, generator))
MULTI_HEAD = loud(multi_head.init_multi_head(d, h, generator))
FEED_FORWARD = loud(feed_forward.init_feed_forward(d, d_ff, generator))
ENCODER_LAYER = loud(encoder_layer.init_encoder_layer(d, h, d_ff, generator))
DECODER_LAYER = loud(decoder_layer.init_decoder_layer(d, h, d_ff, generator))
ENCODER = loud(encoder.init_encoder(2, d, h, d_ff, generator, final_norm=True))
DECODER = loud(decoder.init_decoder(2, d, h, d_ff, generator, final_norm=True))
ELMAN = loud(elman.init_elman(d, d_h, generator))
LSTM = loud(lstm.init_lstm(d, d_h, generator))
BOTH_WAYS = loud(bidirectional.init_bidirectional(d, d_h, generator))
TOKEN_OUTPUT = loud(mlm_head.init_mlm_head(V, d, generator))
POOLER = loud(linear.init_linear(d, d, generator))

ACTIVATION = Argument(GELU, tuple(Bad(f"{wrong!r}", wrong) for wrong in ("relu", None, 3, relu)))
allowed, of_memory = np.tril(np.ones((L, L), bool)), np.ones((B, 1, L_s), bool)
of_memory[0, 0, -1] = False
added, added_to_memory = drawn(L, L, seed=4), drawn(L, L_s, seed=5)


def start(**sizes):
    """What weights are drawn from; a layer of several leaves the sizes to its parts, which have their own names."""
    names = ("d_in", "d_out", "d", "V", "context", "d_h", "d_model", "L")
    made = {name: passed_on(integer(value), *names) for name, value in sizes.items()}
    return made | {"rng": rng(), "dtype": dtype()}


def heads(good=h):
    wrong = integer(good)
    return wrong._replace(bad=(*wrong.bad, Bad("does not divide", 3)))


def of_one_batch(argument):
    """With as many sequences as another argument."""
    good = argument.good
    more = [Bad("one alone of the batch", good[:1]), Bad("without the batch", good[0]), Bad("a batch more", good[None])]
    return argument._replace(bad=(*argument.bad, *more))


def layer_start():
    """Of a layer with heads and a feed-forward network."""
    sizes = start(d_model=d, h=h, d_ff=d_ff)
    return sizes | {"h": heads()}


def vectors(good=x, ndim=1, *names):
    """(..., d); attention knows them as queries, keys and values."""
    return passed_on(floats(good, ndim=ndim, features=True), *names)


DROPOUT = {"drop": drop()}
MASKED = {"mask": optional(mask(allowed))}
NO_PAST = {"past": given(None, "what `empty_past` made, or None")}
MASKS = {
    "masks": passed_on(
        fields(
            decoder_layer.Masks,
            target=passed_on(optional(mask(allowed)), "mask"),
            memory=passed_on(optional(mask(of_memory)), "mask"),
        ),
        "mask",
    )
}


def state(kind, **shapes):
    """Of a recurrent layer."""
    return fields(
        kind, **{name: passed_on(shaped(good), f"start.{name}", f"dlast.{name}") for name, good in shapes.items()}
    )


reads = np.array([[False, True, True], [True, True, True]])
STATE = state(lstm.State, h=drawn(B, d_h, seed=6), c=drawn(B, d_h, seed=7))
SHAPE = Argument((2, 3), tuple(Bad(f"{wrong!r}", wrong, told=False) for wrong in ((2.0,), (-1,), "ab", None)))
POST, PRE = config().good, config(norm_first=True).good
decoded_post, decoded_pre = (
    decoder_layer.decoder_layer(x, memory, DECODER_LAYER, c, MASKS["masks"].good, generator)[1] for c in (POST, PRE)
)
encoded_post, encoded_pre = (
    encoder_layer.encoder_layer(x, ENCODER_LAYER, c, allowed, generator)[1] for c in (POST, PRE)
)
a_past = past.empty_past((B,), 5, h, MULTI_HEAD.key, MULTI_HEAD.value)
both_ways = bidirectional.bidirectional(x, lengths, BOTH_WAYS)[1]

ROWS = (
    row(add_norm.residual, x=passed_on(floats(x), "f"), f=shaped(f), **DROPOUT),
    row(add_norm.residual_backward, dy=gradient(y), m=cache(add_norm.residual(x, f, Dropout(0.3, generator))[1])),
    row(
        add_norm.add_norm,
        x=passed_on(floats(x, ndim=1, features=True), "f"),
        f=shaped(f),
        norm=weights(NORM, name="weights", other=("x",)),
        eps=positive(0.01),
        **DROPOUT,
    ),
    row(
        add_norm.add_norm_backward,
        dy=gradient(y),
        cache=cache(add_norm.add_norm(x, f, NORM, drop=Dropout(0.3, generator))[1]),
    ),
    row(bert_embedding.init_bert_embedding, **start(V=V, context=context, d_model=d)),
    row(
        bert_embedding.bert_embedding,
        ids=passed_on(ids(token_ids, V, ndim=1), "segments"),
        segments=ids(segments, 2, same_shape=True),
        weights=weights(BERT_EMBEDDING, other=("x", "E", "P", "ids", "segments")),
        eps=positive(0.01),
        **DROPOUT,
    ),
    row(
        bert_embedding.bert_embedding_backward,
        dx=gradient(x),
        cache=cache(
            bert_embedding.bert_embedding(token_ids, segments, BERT_EMBEDDING, 0.01, Dropout(0.3, generator))[1]
        ),
    ),
    internal(bert_embedding.check_segments, segments=segments, ids=token_ids),
    row(bidirectional.init_bidirectional, **start(d_in=d, d_h=d_h)),
    row(
        bidirectional.bidirectional,
        x=vectors(x, 2, "lengths"),
        lengths=ids(lengths, L + 1, same_shape=True),
        weights=weights(BOTH_WAYS, other=("x", "start.h", "start.c")),
    ),
    row(bidirectional.bidirectional_backward, dy=gradient(drawn(B, L, 2 * d_h)), cache=cache(both_ways)),
    internal(bidirectional.turned_order, lengths=lengths, L=L),
    internal(bidirectional.in_order, x=x, order=both_ways.order),
    row(
        decoder.init_decoder,
        n_layers=integer(2, 0),
        **layer_start(),
        final_norm=truth(True),
    ),
    row(
        decoder.decoder,
        x=vectors(x, 2, "K", "X", "x_q", "x_k", "memory"),
        memory=of_one_batch(vectors(memory, 2, "x_k")),
        weights=weights(DECODER, other=("x", "X", "K", "V", "f", "memory", "h")),
        config=config(),
        **MASKS,
        rng=rng(required=False),
        **NO_PAST,
    ),
    row(
        decoder.decoder_backward,
        dy=gradient(x),
        cache=cache(decoder.decoder(x, memory, DECODER, POST, rng=generator)[1]),
    ),
    row(decoder_layer.init_decoder_layer, **layer_start()),
    *(
        row(
            function,
            x=vectors(x, 2, "K", "X", "x_q", "x_k"),
            memory=of_one_batch(vectors(memory, 2, "x_k")),
            weights=weights(DECODER_LAYER, other=("x", "X", "K", "V", "f", "memory", "h")),
            config=configuration,
            **MASKS,
            rng=rng(required=False),
            past=given(decoder_layer.NO_PAST, "what `prefill` made, or nothing"),
        )
        for function, configuration in (
            (decoder_layer.decoder_layer, config()),
            (decoder_layer.post_norm_decoder_layer, config()),
            (decoder_layer.pre_norm_decoder_layer, config(norm_first=True)),
        )
    ),
    row(decoder_layer.decoder_layer_backward, dy=gradient(x), cache=cache(decoded_pre)),
    row(decoder_layer.post_norm_decoder_layer_backward, dy=gradient(x), cache=cache(decoded_post)),
    row(decoder_layer.pre_norm_decoder_layer_backward, dy=gradient(x), cache=cache(decoded_pre)),
    row(elman.init_elman, **start(d_in=d, d_h=d_h)),
    row(elman.elman_start, shape=SHAPE, weights=given(ELMAN, "only the number of its biases is read")),
    row(elman.elman, x=vectors(x, 2, "h_0"), h_0=shaped(drawn(B, d_h)), weights=weights(ELMAN, other=("x", "h_0"))),
    row(elman.elman_backward, dh=gradient(drawn(B, L, d_h)), cache=cache(elman.elman(x, drawn(B, d_h), ELMAN)[1])),
    row(embedding.init_embedding, **start(V=V, d=d)),
    row(embedding.embedding, ids=ids(token_ids, V), weights=weights(EMBEDDING, "E", other=("ids",))),
    row(embedding.embedding_backward, dx=gradient(x), cache=cache(embedding.embedding(token_ids, EMBEDDING)[1])),
    row(
        encoder.init_encoder,
        n_layers=integer(2, 0),
        **layer_start(),
        final_norm=truth(True),
        h_kv=optional(heads(1)),
    ),
    row(
        encoder.encoder,
        x=vectors(x, 2, "X", "x_q"),
        weights=weights(ENCODER, other=("x", "X", "K", "V", "f", "h")),
        config=config(),
        **MASKED,
        rng=rng(required=False),
        **NO_PAST,
    ),
    row(encoder.encoder_backward, dy=gradient(x), cache=cache(encoder.encoder(x, ENCODER, POST, rng=generator)[1])),
    row(encoder_layer.init_encoder_layer, **layer_start(), h_kv=optional(heads(1))),
    *(
        row(
            function,
            x=vectors(x, 2, "X", "x_q"),
            weights=weights(ENCODER_LAYER, other=("x", "X", "K", "V", "f", "h")),
            config=configuration,
            **MASKED,
            rng=rng(required=False),
            **NO_PAST,
        )
        for function, configuration in (
            (encoder_layer.encoder_layer, config()),
            (encoder_layer.post_norm_encoder_layer, config()),
            (encoder_layer.pre_norm_encoder_layer, config(norm_first=True)),
        )
    ),
    row(encoder_layer.encoder_layer_backward, dy=gradient(x), cache=cache(encoded_pre)),
    row(encoder_layer.post_norm_encoder_layer_backward, dy=gradient(x), cache=cache(encoded_post)),
    row(encoder_layer.pre_norm_encoder_layer_backward, dy=gradient(x), cache=cache(encoded_pre)),
    row(feed_forward.init_feed_forward, **start(d_model=d, d_ff=d_ff)),
    row(
        feed_forward.feed_forward,
        x=vectors(),
        weights=weights(FEED_FORWARD, other=("x",)),
        activation=ACTIVATION,
        **DROPOUT,
    ),
    row(
        feed_forward.feed_forward_backward,
        dy=gradient(x),
        cache=cache(feed_forward.feed_forward(x, FEED_FORWARD, GELU, Dropout(0.3, generator))[1]),
    ),
    row(layer_norm.init_layer_norm, d=integer(d), dtype=dtype()),
    row(layer_norm.layer_norm, x=vectors(), weights=weights(NORM, other=("x",)), eps=positive(0.01)),
    row(layer_norm.layer_norm_backward, dy=gradient(x), cache=cache(layer_norm.layer_norm(x, NORM)[1])),
    row(rms_norm.init_rms_norm, d=integer(d), dtype=dtype()),
    row(rms_norm.rms_norm, x=vectors(), weights=weights(RMS_NORM, other=("x",)), eps=positive(0.01)),
    row(rms_norm.rms_norm_backward, dy=gradient(x), cache=cache(rms_norm.rms_norm(x, RMS_NORM)[1])),
    row(learned_positions.init_learned_positions, **start(context=context, d=d)),
    row(
        learned_positions.learned_positions,
        E=vectors(x, 2),
        weights=weights(POSITIONS, other=("E",)),
        start=integer(2, 0),
    ),
    row(
        learned_positions.learned_positions_backward,
        dx=gradient(x),
        cache=cache(learned_positions.learned_positions(x, POSITIONS)[1]),
    ),
    row(linear.init_linear, **start(d_in=d, d_out=d_out)),
    row(linear.linear, x=vectors(), weights=weights(LINEAR, other=("x",))),
    row(linear.linear_backward, dy=gradient(drawn(B, L, d_out)), cache=cache(linear.linear(x, LINEAR)[1])),
    row(lstm.init_lstm, **start(d_in=d, d_h=d_h)),
    row(lstm.lstm_start, shape=SHAPE, weights=given(LSTM, "only the number of its biases is read")),
    row(
        lstm.lstm,
        x=vectors(x, 2, "start.h"),
        start=STATE,
        weights=weights(LSTM, other=("x", "start.h", "start.c")),
        reads=Argument(
            reads,
            (
                *(Bad(f"dtype {dtype}", reads.astype(dtype)) for dtype in ("int64", "float32", "object")),
                Bad("a list", reads.tolist()),
                *other_shapes(reads),
            ),
        ),
    ),
    internal(lstm.check_reads, reads=reads, x=x),
    internal(lstm.where_read, reads_t=reads[:, 0], new=(y[:, 0],), old=(x[:, 0],)),
    row(
        lstm.lstm_backward,
        dh=gradient(drawn(B, L, d_h)),
        cache=cache(lstm.lstm(x, STATE.good, LSTM)[1]),
        dlast=optional(STATE),
    ),
    row(mlm_head.init_mlm_head, **start(V=V, d_model=d)),
    row(
        mlm_head.mlm_head,
        y=passed_on(vectors(), "x"),
        weights=weights(TOKEN_OUTPUT, other=("x", "y")),
        embedding=weights(EMBEDDING, name="embedding", other=("y", "weights.b")),
        activation=ACTIVATION,
        eps=positive(0.01),
    ),
    row(
        mlm_head.mlm_head_backward,
        dlogits=gradient(drawn(B, L, V)),
        cache=cache(mlm_head.mlm_head(x, TOKEN_OUTPUT, EMBEDDING, GELU)[1]),
    ),
    row(multi_head.init_multi_head, **(start(d_model=d, h=h) | {"h": heads()}), h_kv=optional(heads(1))),
    row(
        multi_head.multi_head,
        x_q=vectors(x, 2, "x", "X", "K"),
        x_k=of_one_batch(vectors(memory, 2, "x", "x_v")),
        x_v=of_one_batch(vectors(memory, 2, "x")),
        weights=weights(MULTI_HEAD, other=("x", "X", "K", "V", "h")),
        h=heads(),
        mask=optional(mask(of_memory)),
        **DROPOUT,
        **NO_PAST,
        rotary=given(False, "of `Config`, which checks it"),
    ),
    row(
        multi_head.multi_head_backward,
        dy=gradient(x),
        cache=cache(multi_head.multi_head(x, memory, memory, MULTI_HEAD, h, drop=Dropout(0.3, generator))[1]),
    ),
    row(
        past.empty_past,
        batch=Argument((B,), tuple(Bad(f"{wrong!r}", wrong, told=False) for wrong in ((2.0,), (-1,), None, "ab"))),
        context=integer(5),
        h=heads(),
        key=given(MULTI_HEAD.key, "of a model, which `multi_head` checks"),
        value=given(MULTI_HEAD.value, "of a model, which `multi_head` checks"),
    ),
    row(
        past.past_of,
        memory=vectors(memory, 2, "x"),
        h=passed_on(heads(), "X"),
        key=given(MULTI_HEAD.key, "of a model, which `multi_head` checks"),
        value=given(MULTI_HEAD.value, "of a model, which `multi_head` checks"),
    ),
    internal(past.with_past, past=a_past, K=drawn(B, h, 2, d // h), V=drawn(B, h, 2, d // h)),
    internal(past.further, past=a_past, L=2),
    internal(stack.init_stack, init_layer=tuple, n_layers=2, d_model=d, dtype=np.float32, final_norm=True),
    internal(stack.last_norm, x=x, weights=NORM, config=POST),
    internal(stack.last_norm_backward, dy=x, cache=stack.last_norm(x, NORM, POST)[1]),
    row(encoder_layer.Config, **CONFIG_FIELDS),
    internal(multi_head.heads_of_keys, weights=MULTI_HEAD, h=h),
    internal(multi_head.over_heads, mask=of_memory, x_ndim=3),
    row(pooler.pooler, y=vectors(x, 2), weights=weights(POOLER, other=("x", "y"))),
    row(pooler.pooler_backward, dp=gradient(drawn(B, d)), cache=cache(pooler.pooler(x, POOLER)[1])),
    row(
        mimetic_initialization.mimetic_encoder,
        encoder=given(ENCODER, "made by `init_encoder`: only the shapes of its queries are read"),
        h=passed_on(heads(), "heads"),
        rng=rng(),
        positions=given(None, "what a pretrained embedding adds"),
    ),
    row(
        mimetic_initialization.mimetic_heads,
        weights=given(MULTI_HEAD, "made by `init_multi_head`: only the shape of its query is read"),
        heads=Argument(
            [0, -1],
            tuple(Bad(f"{wrong!r}", wrong) for wrong in (None, [], [0.5, 1], ["a", "b"], [True, False], [0, 1, 2], 3)),
        ),
        rng=rng(),
        directions=given(None, "made by `steady_directions`"),
    ),
    internal(encoder_layer.check_no_alibi, config=encoder_layer.Config(h=h)),
    internal(mimetic_initialization.positions_away, d_model=d, d_k=2, offset=-1),
    internal(mimetic_initialization.same_token, d_model=d, d_k=2, rng=generator, directions=None),
    internal(mimetic_initialization.steady_directions, positions=drawn(6, d)),
    row(tied_output.tied_output, y=vectors(), weights=weights(EMBEDDING, other=("y",))),
    row(
        tied_output.tied_output_backward,
        dlogits=gradient(drawn(B, L, V)),
        cache=cache(tied_output.tied_output(x, EMBEDDING)[1]),
    ),
)
