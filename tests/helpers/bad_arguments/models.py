"""`models/`: whole systems, from ids to logits."""

import numpy as np
from bad_arguments.kinds import (
    Argument,
    Bad,
    also,
    cache,
    config,
    drawn,
    drop,
    fields,
    given,
    gradient,
    ids,
    integer,
    internal,
    one_of,
    optional,
    passed_on,
    positive,
    rng,
    row,
    shaped,
    truth,
    weights,
)
from bad_arguments.layers import heads, loud, start

from minitransformer.equations.dropout import Dropout
from minitransformer.layers.linear import init_linear
from minitransformer.layers.lstm import State
from minitransformer.models import (
    bert,
    bert_classifier,
    bert_pretraining,
    fnn_lm,
    gpt,
    gpt_classifier,
    ngram,
    rnn_encoder_decoder,
    rnn_lm,
    rnn_reader,
    span_reader,
    transformer,
)

B, L, L_t, V, V_t, d, h, d_ff, d_h, context, C, n = 2, 3, 4, 8, 9, 4, 2, 6, 5, 7, 3, 3
generator = np.random.default_rng(0)
token_ids, segments, lengths = np.array([[0, 7, 2], [3, 4, 1]]), np.array([[0, 0, 1], [0, 1, 1]]), np.array([2, 3])
target_ids = np.array([[0, 8, 2, 1], [3, 4, 1, 5]])
y = drawn(B, L, d)
body = "another model, made by its own `init`"

BERT = loud(bert.init_bert(V, context, 1, d, h, d_ff, generator, final_norm=True))
BERT_CLASSIFIER = loud(bert_classifier.init_bert_classifier(BERT, init_linear(d, d, generator), C, generator))
PRETRAINING = loud(bert_pretraining.init_bert_pretraining(BERT, generator))
FNN = loud(fnn_lm.init_fnn_lm(V, n, d, d_h, generator))
GPT = loud(gpt.init_gpt(V, 1, d, h, d_ff, generator, context, tied=False, final_norm=True))
GPT_CLASSIFIER = loud(gpt_classifier.init_gpt_classifier(GPT.body, C, generator))
RNN_PAIR = loud(rnn_encoder_decoder.init_rnn_encoder_decoder(V, V_t, d, d_h, generator))
RNN = loud(rnn_lm.init_rnn_lm(V, d, d_h, generator, "lstm"))
READER = loud(rnn_reader.init_rnn_reader(V, d, d_h, generator))
SPAN = loud(span_reader.init_span_reader(BERT, generator))
TRANSFORMER = loud(transformer.init_transformer(V, V_t, 1, d, h, d_ff, generator, tied=False, final_norms=True))
state = State(drawn(B, d_h, seed=1), drawn(B, d_h, seed=2))
counted = ngram.count_ngrams(np.array([0, 1, 2, 0, 1, 1, 2, 0]), V, 2)
text = np.array([0, 1, 2, 0, 1, 7, 2])

CONFIG = config()
PAST = "what `empty_cache` made, or None"
CONFIG_NAMES = (
    "x",
    "X",
    "K",
    "V",
    "f",
    "y",
    "E",
    "P",
    "h",
    "ids",
    "x_q",
    "x_k",
    "segments",
    "positions",
    "start.h",
    "A",
    "histories",
    "source",
    "target",
    "memory",
)


def tokens(good=token_ids, size=V, *names):
    """(..., L), at least one position"""
    array = passed_on(ids(good, size, ndim=1), *names)
    return array._replace(bad=(*array.bad, Bad("none", good[:, :0])))


def one_each(good=lengths, most=L):
    """For each sequence a number."""
    return ids(good, most + 1, same_shape=True)


def of_all(good, *but):
    return weights(good, *but, other=CONFIG_NAMES)


READS = {"ids": tokens(token_ids, V, "segments", "lengths"), "segments": ids(segments, 2, same_shape=True)}
EVALUATES = {"config": CONFIG, "rng": rng(required=False)}
SIZES = start(V=V, context=context, n_layers=1, d_model=d, h=h, d_ff=d_ff)
LAYERS = {"n_layers": integer(1, 0), "d_model": SIZES["d_model"], "h": heads(), "d_ff": SIZES["d_ff"]}


def made(*names, **more):
    """What weights are drawn from, in the order of the function."""
    known = SIZES | LAYERS | {"rng": rng()} | more
    return {name: known[name] for name in names}


def of_layer(size):
    return start(d=size)["d"]


histories, next_tokens = np.array([[0, 1], [2, 7]]), np.array([1, 3])
TEXT = also(also(ids(text, V, ndim=1), "two texts", np.stack([text, text])), "none", text[:0])
model = given(counted, "what `count_ngrams` made")

ROWS = (
    row(
        bert.init_bert,
        **made("V", "context", "n_layers", "d_model", "h", "d_ff", "rng", "dtype"),
        final_norm=truth(True),
        looking=truth(False),
    ),
    row(bert.bert, **READS, lengths=optional(one_each()), weights=of_all(BERT), **EVALUATES),
    row(
        bert.bert_backward,
        dy=gradient(y),
        cache=cache(bert.bert(token_ids, segments, lengths, BERT, CONFIG.good, generator)[1]),
    ),
    row(
        bert_classifier.init_bert_classifier,
        body=given(BERT, body),
        pooling=given(init_linear(d, d, generator), body),
        C=of_layer(C),
        rng=rng(),
    ),
    row(
        bert_classifier.bert_classifier,
        **READS,
        lengths=optional(one_each()),
        weights=of_all(BERT_CLASSIFIER),
        **EVALUATES,
    ),
    row(
        bert_classifier.bert_classifier_backward,
        dlogits=gradient(drawn(B, C)),
        cache=cache(bert_classifier.bert_classifier(token_ids, segments, lengths, BERT_CLASSIFIER, CONFIG.good)[1]),
    ),
    row(bert_pretraining.init_bert_pretraining, body=given(BERT, body), rng=rng()),
    row(
        bert_pretraining.bert_pretraining,
        **READS,
        lengths=optional(one_each()),
        positions=also(ids(np.array([0, 3, 5]), B * L), "one twice", np.array([0, 3, 0])),
        weights=of_all(PRETRAINING),
        **EVALUATES,
    ),
    row(
        bert_pretraining.bert_pretraining_backward,
        dguesses=fields(
            bert_pretraining.Guesses, token_logits=gradient(drawn(3, V)), next_logits=gradient(drawn(B, 2))
        ),
        cache=cache(
            bert_pretraining.bert_pretraining(
                token_ids, segments, lengths, np.array([0, 3, 5]), PRETRAINING, CONFIG.good
            )[1]
        ),
    ),
    row(fnn_lm.init_fnn_lm, **({"V": SIZES["V"], "n": integer(n, 2)} | start(d=d, d_hidden=d_h))),
    row(
        fnn_lm.fnn_lm,
        histories=also(ids(histories, V, ndim=1), "a token more", np.array([[0, 1, 2]])),
        weights=of_all(FNN),
    ),
    row(fnn_lm.fnn_lm_backward, dlogits=gradient(drawn(B, V)), cache=cache(fnn_lm.fnn_lm(histories, FNN)[1])),
    row(
        gpt.init_gpt,
        **made("V", "n_layers", "d_model", "h", "d_ff", "rng"),
        context=optional(SIZES["context"]),
        tied=truth(True),
        final_norm=truth(True),
        dtype=SIZES["dtype"],
        h_kv=optional(heads(1)),
    ),
    row(gpt.gpt_body, ids=tokens(), weights=of_all(GPT.body), **EVALUATES, past=given(None, PAST)),
    row(
        gpt.gpt_body_backward,
        dy=gradient(y),
        cache=cache(gpt.gpt_body(token_ids, GPT.body, CONFIG.good, generator)[1]),
    ),
    row(gpt.gpt, ids=tokens(), weights=of_all(GPT), **EVALUATES, past=given(None, PAST)),
    row(
        gpt.gpt_backward,
        dlogits=gradient(drawn(B, L, V)),
        cache=cache(gpt.gpt(token_ids, GPT, CONFIG.good, generator)[1]),
    ),
    row(gpt_classifier.init_gpt_classifier, body=given(GPT.body, body), C=of_layer(C), rng=rng()),
    row(
        gpt_classifier.gpt_classifier,
        ids=tokens(token_ids, V, "lengths"),
        lengths=also(one_each(), "0", np.array([0, 3])),
        weights=of_all(GPT_CLASSIFIER),
        **EVALUATES,
    ),
    row(
        gpt_classifier.gpt_classifier_backward,
        dlogits=gradient(drawn(B, C)),
        cache=cache(gpt_classifier.gpt_classifier(token_ids, lengths, GPT_CLASSIFIER, CONFIG.good)[1]),
    ),
    row(
        ngram.count_ngrams,
        ids=TEXT,
        V=passed_on(integer(V), "ids"),
        n=passed_on(integer(2), "ids"),
        smoothing=one_of("add-k"),
        k=positive(0.5),
    ),
    row(ngram.ngram_arrays, model=model),
    row(
        ngram.ngram_from,
        arrays=given(ngram.ngram_arrays(counted), "of a file, checked as it is read: `test_ngram.py`"),
        n=integer(2),
        V=passed_on(integer(V), "grams", "n"),
        smoothing=one_of("add-k"),
        k=positive(0.5),
    ),
    internal(ngram.check_smoothing, smoothing="add-k", k=0.5, V=V),
    internal(ngram.of_all_orders, ids=text, V=V, n=2, smoothing="add-k", k=0.1),
    internal(ngram.count_runs, ids=text, V=V, n=2),
    internal(ngram.pieces, ids=text, n=2),
    internal(ngram.windows, ids=text, n=2),
    internal(ngram.codes, tokens=histories, V=V),
    internal(ngram.order_counts, grams=np.array([1, 9]), times=np.array([2, 1]), V=V),
    internal(ngram.discount, counts=counted.orders[0]),
    internal(ngram.look_up, keys=np.array([1, 9]), values=np.array([2, 1]), wanted=np.array([9, 2])),
    row(
        ngram.ngram_probability,
        model=model,
        histories=also(ids(histories[:, :1], V, ndim=1), "a token more", histories),
        tokens=ids(next_tokens, V),
    ),
    internal(ngram.kneser_ney, model=counted, histories=histories[:, :1], tokens=next_tokens),
    row(
        ngram.ngram_distribution,
        model=model,
        histories=also(ids(histories[:, :1], V, ndim=1), "a token more", histories),
    ),
    *(
        row(
            function,
            ids=also(TEXT, "one", text[:1]),
            model=model,
        )
        for function in (ngram.ngram_costs, ngram.ngram_loss)
    ),
    row(rnn_encoder_decoder.init_rnn_encoder_decoder, **start(V_s=V, V_t=V_t, d=d, d_h=d_h)),
    row(
        rnn_encoder_decoder.read_source,
        source=tokens(token_ids, V, "lengths"),
        weights=given(RNN_PAIR, "checked as a whole in `rnn_encoder_decoder`"),
        lengths=optional(one_each()),
    ),
    internal(rnn_encoder_decoder.padded_at_start, source=token_ids, lengths=lengths),
    row(
        rnn_encoder_decoder.write_target,
        target=tokens(target_ids, V_t),
        state=fields(
            State,
            h=passed_on(shaped(state.h), "start.h"),
            c=passed_on(shaped(state.c), "start.c"),
        ),
        weights=given(RNN_PAIR, "checked as a whole in `rnn_encoder_decoder`"),
    ),
    row(
        rnn_encoder_decoder.rnn_encoder_decoder,
        source=tokens(token_ids, V, "lengths"),
        target=tokens(target_ids, V_t),
        weights=of_all(RNN_PAIR),
        lengths=optional(one_each()),
    ),
    row(
        rnn_encoder_decoder.rnn_encoder_decoder_backward,
        dlogits=gradient(drawn(B, L_t, V_t)),
        cache=cache(rnn_encoder_decoder.rnn_encoder_decoder(token_ids, target_ids, RNN_PAIR, lengths)[1]),
    ),
    row(
        rnn_lm.init_rnn_lm,
        **({name: a for name, a in start(V=V, d=d, d_h=d_h).items() if name != "dtype"}),
        cell=one_of("lstm"),
        dtype=SIZES["dtype"],
    ),
    row(
        rnn_lm.rnn_lm_start,
        shape=Argument((2, 3), tuple(Bad(f"{wrong!r}", wrong, told=False) for wrong in ((2.0,), (-1,), "ab", None))),
        weights=given(RNN, "only the number of its biases is read"),
    ),
    internal(rnn_lm.op_of, weights=RNN.recurrent),
    row(
        rnn_lm.rnn_lm,
        ids=tokens(),
        state=fields(State, h=passed_on(shaped(state.h), "start.h"), c=passed_on(shaped(state.c), "start.c")),
        weights=of_all(RNN),
    ),
    row(
        rnn_lm.rnn_lm_backward,
        dlogits=gradient(drawn(B, L, V)),
        cache=cache(rnn_lm.rnn_lm(token_ids, state, RNN)[1]),
    ),
    row(rnn_reader.init_rnn_reader, **start(V=V, d=d, d_h=d_h)),
    row(rnn_reader.rnn_reader, **READS, lengths=one_each(), weights=of_all(READER)),
    row(
        rnn_reader.rnn_reader_backward,
        dscores=gradient(drawn(B, 2, L)),
        cache=cache(rnn_reader.rnn_reader(token_ids, segments, lengths, READER)[1]),
    ),
    row(span_reader.init_span_reader, body=given(BERT, body), rng=rng()),
    row(span_reader.span_reader, **READS, lengths=optional(one_each()), weights=of_all(SPAN), **EVALUATES),
    row(
        span_reader.span_reader_backward,
        dscores=gradient(drawn(B, 2, L)),
        cache=cache(span_reader.span_reader(token_ids, segments, lengths, SPAN, CONFIG.good)[1]),
    ),
    row(
        transformer.init_transformer,
        V_s=start(V=V)["V"],
        V_t=optional(start(V=V_t)["V"]),
        **made("n_layers", "d_model", "h", "d_ff", "rng"),
        tied=truth(True),
        final_norms=passed_on(truth(True), "final_norm"),
        dtype=SIZES["dtype"],
    ),
    internal(transformer.target_table, weights=TRANSFORMER),
    row(
        transformer.embed_tokens,
        ids=ids(token_ids, V, ndim=1),
        weights=weights(TRANSFORMER.source, "E", other=("ids",)),
        drop=drop(),
        start=integer(2, 0),
    ),
    row(
        transformer.embed_tokens_backward,
        dx=gradient(y),
        cache=cache(transformer.embed_tokens(token_ids, TRANSFORMER.source, Dropout(0.3, generator))[1]),
    ),
    row(transformer.source_mask, source=given(token_ids, "only its shape is read"), lengths=optional(one_each())),
    row(
        transformer.transformer,
        source=tokens(token_ids, V, "lengths"),
        target=tokens(target_ids, V_t, "memory", "x_k", "K"),
        weights=of_all(TRANSFORMER),
        config=CONFIG,
        lengths=optional(one_each()),
        rng=rng(required=False),
    ),
    row(
        transformer.transformer_backward,
        dlogits=gradient(drawn(B, L_t, V_t)),
        cache=cache(transformer.transformer(token_ids, target_ids, TRANSFORMER, CONFIG.good, lengths, generator)[1]),
    ),
)
