"""Padding: every model that takes lengths gives for a sequence in a batch what it gives for it alone."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from strategies import seeds

from minitransformer.layers.bidirectional import bidirectional, bidirectional_backward, init_bidirectional
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import init_linear
from minitransformer.layers.lstm import init_lstm, lstm, lstm_backward, lstm_start
from minitransformer.models.bert import bert, bert_backward, init_bert
from minitransformer.models.bert_classifier import bert_classifier, bert_classifier_backward, init_bert_classifier
from minitransformer.models.bert_pretraining import (
    Guesses,
    bert_pretraining,
    bert_pretraining_backward,
    init_bert_pretraining,
)
from minitransformer.models.gpt import init_gpt
from minitransformer.models.gpt_classifier import gpt_classifier, gpt_classifier_backward, init_gpt_classifier
from minitransformer.models.rnn_encoder_decoder import (
    init_rnn_encoder_decoder,
    rnn_encoder_decoder,
    rnn_encoder_decoder_backward,
)
from minitransformer.models.rnn_reader import init_rnn_reader, rnn_reader, rnn_reader_backward
from minitransformer.models.span_reader import init_span_reader, span_reader, span_reader_backward
from minitransformer.models.transformer import init_transformer, transformer, transformer_backward
from minitransformer.tree import concatenate, leaves
from minitransformer.verify.cases.points import loud

V, L, d, h, d_ff = 7, 6, 8, 2, 12
CONFIGS = (Config(h=h), Config(h=h, norm_first=True, eps=0.1))
TARGET = np.array([[1, 5, 2]])  # what is written of each source
float64 = np.float64


class Model(NamedTuple):
    """y, cache = forward(ids, lengths, weights); `length` positions of y are the sequence's own."""

    weights: object
    forward: object
    backward: object
    positions: int | None = None  # the axis of y along which there is padding, if there is one
    at_start: bool = False  # where padding stands
    y_of: object = lambda y: y


def two_segments(ids):
    """The first two tokens are the first segment."""
    return np.broadcast_to((np.arange(ids.shape[-1]) > 1).astype(int), ids.shape)


def first_of_each(ids):
    """The first token of each sequence is masked."""
    return np.arange(len(ids)) * ids.shape[-1]


def of_bert(call, backward, weights, config, positions=None):
    return Model(weights, lambda ids, n, w: call(ids, two_segments(ids), n, w, config), backward, positions)


def bert_models(rng, config):
    body = init_bert(V, L, 2, d, h, d_ff, rng, float64, final_norm=config.norm_first)
    yield "bert", of_bert(bert, bert_backward, body, config, -2)
    yield "span reader", of_bert(span_reader, span_reader_backward, init_span_reader(body, rng), config, -1)
    classifier = init_bert_classifier(body, init_linear(d, d, rng, float64), 3, rng)
    yield "bert classifier", of_bert(bert_classifier, bert_classifier_backward, classifier, config)

    def guesses(ids, lengths, weights):
        found, cache = bert_pretraining(ids, two_segments(ids), lengths, first_of_each(ids), weights, config)
        return np.concatenate(found, axis=-1), cache

    def guesses_backward(dy, cache):
        return bert_pretraining_backward(Guesses(dy[:, :V], dy[:, V:]), cache)

    yield "bert pretraining", Model(init_bert_pretraining(body, rng), guesses, guesses_backward)


def other_models(rng, config):
    gpt = init_gpt_classifier(
        init_gpt(V, 2, d, h, d_ff, rng, tied=True, final_norm=config.norm_first, dtype=float64).body, 3, rng
    )
    yield "gpt classifier", Model(gpt, lambda ids, n, w: gpt_classifier(ids, n, w, config), gpt_classifier_backward)
    weights = init_transformer(V, V, 1, d, h, d_ff, rng, final_norms=config.norm_first, dtype=float64)
    yield (
        "transformer",
        Model(weights, lambda ids, n, w: transformer(ids, targets(ids), w, config, n), transformer_backward),
    )
    weights = init_rnn_encoder_decoder(V, V, d, d, rng, float64)
    yield (
        "rnn encoder-decoder",
        Model(
            weights,
            lambda ids, n, w: rnn_encoder_decoder(ids, targets(ids), w, n),
            rnn_encoder_decoder_backward,
            at_start=True,
        ),
    )
    weights = init_rnn_reader(V, d, d, rng, float64)
    yield (
        "rnn reader",
        Model(weights, lambda ids, n, w: rnn_reader(ids, two_segments(ids), n, w), rnn_reader_backward, -1),
    )


def layers(rng):
    """A table of vectors in front, so that they, too, read ids."""
    table = rng.standard_normal((V, d))
    yield (
        "bidirectional",
        Model(
            init_bidirectional(d, d, rng, float64),
            lambda ids, n, w: bidirectional(table[ids], n, w),
            lambda dy, cache: bidirectional_backward(dy, cache)[1],
            -2,
        ),
    )
    for name, at_start in (("lstm, padded at the end", False), ("lstm, padded at the start", True)):

        def last_state(ids, lengths, weights, at_start=at_start):
            positions = np.arange(ids.shape[-1])[:: -1 if at_start else 1]
            _, cache = lstm(table[ids], lstm_start((len(ids),), weights), weights, positions < lengths[:, None])
            return np.concatenate(cache.last, axis=-1), cache

        def last_state_backward(dy, cache):
            dlast = type(cache.start)(*np.split(dy, 2, axis=-1))
            return lstm_backward(np.zeros_like(cache.h), cache, dlast)[2]

        yield name, Model(init_lstm(d, d, rng, float64), last_state, last_state_backward, at_start=at_start)


def targets(ids):
    return np.broadcast_to(TARGET, (len(ids), TARGET.shape[1]))


@functools.cache
def models(seed=0, config=CONFIGS[0]):
    rng = np.random.default_rng(seed)
    found = dict([*bert_models(rng, config), *other_models(rng, config), *layers(rng)])
    return {name: model._replace(weights=loud(model.weights, rng)) for name, model in found.items()}


NAMES = tuple(models())


def cut(y, axis, length):
    """The positions that are no padding."""
    return y if axis is None else np.take(y, np.arange(length), axis=axis)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("config", CONFIGS, ids=["post-norm", "pre-norm"])
@settings(max_examples=settings().max_examples // 5)  # each is as many runs of a model as it has sequences, and more
@given(seeds, st.lists(st.integers(3, L), min_size=2, max_size=3), st.sampled_from([np.int64, np.uint8, np.uint64]))
def test_a_sequence_in_a_batch_is_as_it_is_alone(name, config, seed, lengths, dtype):
    """Results, and the gradients of all weights, which add up over the sequences; whatever ids stand in the padding."""
    rng = np.random.default_rng(seed)
    model = models(seed % 3, config)[name]
    ids = rng.integers(0, V, (len(lengths), L))  # padding is drawn, too
    y, cache = model.forward(ids, np.array(lengths, dtype), model.weights)
    dy = rng.standard_normal(y.shape)
    expected_gradient = 0.0
    for b, length in enumerate(lengths):
        own = ids[b : b + 1, L - length :] if model.at_start else ids[b : b + 1, :length]
        alone, alone_cache = model.forward(own, np.array([length]), model.weights)
        assert_allclose(cut(y[b : b + 1], model.positions, length), alone, rtol=1e-9, atol=1e-11)
        expected_gradient += concatenate(model.backward(cut(dy[b : b + 1], model.positions, length), alone_cache))
        if model.positions is not None:  # nobody asks for what stands at padding: no gradient comes from there
            np.moveaxis(dy[b], model.positions, 0)[length:] = 0
    gradient = concatenate(model.backward(dy, cache))
    assert_allclose(gradient, expected_gradient, rtol=1e-8, atol=1e-9 * np.abs(expected_gradient).max())


@pytest.mark.parametrize("name", NAMES)
def test_of_no_sequences_the_gradients_are_zeros(name):
    """A sum over nothing, of each weight's shape and type."""
    model = models()[name]
    y, cache = model.forward(np.zeros((0, L), int), np.zeros(0, int), model.weights)
    assert len(y) == 0
    gradient = model.backward(y, cache)
    for dw, w in zip(leaves(gradient), leaves(model.weights), strict=True):
        assert (dw.shape, dw.dtype) == (w.shape, w.dtype)
        assert not dw.any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "lengths", [np.array([4]), np.array([[4], [5]]), np.array([4, 5, 6])], ids=["one", "a column", "three"]
)
def test_lengths_of_another_shape_are_refused(name, lengths):
    """One length for each sequence: one for all of them, or a column, would be spread over the batch without a word."""
    if name.startswith("lstm"):
        return  # it takes booleans
    model = models()[name]
    ids = np.zeros((2, L), int)
    with pytest.raises(ValueError, match=r"^lengths: got shape .*, expected \(2,\), one for each sequence$"):
        model.forward(ids, lengths, model.weights)


@pytest.mark.parametrize("name", NAMES)
def test_lengths_out_of_range_are_refused(name):
    if name.startswith("lstm"):
        return
    model = models()[name]
    ids = np.zeros((2, L), int)
    for lengths in (np.array([4, L + 1]), np.array([-1, 4])):
        with pytest.raises(ValueError, match=r"^lengths: got values from .* expected [01] to 6$"):
            model.forward(ids, lengths, model.weights)
    with pytest.raises(TypeError, match=r"^lengths: got dtype float64, expected an array of integers$"):
        model.forward(ids, np.array([3.0, 4.0]), model.weights)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_read_is_told_by_its_name(name):
    """A sequence of length 0: the message names what the caller gave."""
    if name.startswith(("lstm", "bidirectional")):
        return  # they have read nothing, and are where they started
    model = models()[name]
    with pytest.raises(ValueError, match=r"^(ids|source): got shape \(2, 0\), expected at least one position$"):
        model.forward(np.zeros((2, 0), int), np.zeros(2, int), model.weights)
