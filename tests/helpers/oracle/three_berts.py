"""The three BERTs that stand beside Hugging Face's, and the fixture that keeps what Hugging Face gave for one of each.

This needs neither PyTorch nor Hugging Face: `tests/models/test_bert_fixtures.py` compares with what was kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minitransformer.equations.activations import GELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.linear import init_linear
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_classifier import bert_classifier, bert_classifier_backward, init_bert_classifier
from minitransformer.models.bert_pretraining import (
    Guesses,
    bert_pretraining,
    bert_pretraining_backward,
    init_bert_pretraining,
)
from minitransformer.models.span_reader import init_span_reader, span_reader, span_reader_backward
from minitransformer.tree import named_leaves, tree_map, unflatten

FIXTURE = Path(__file__).parents[2] / "models" / "bert_fixtures.npz"
TOLERANCE = 1e-12


class Shape(NamedTuple):
    B: int
    L: int
    V: int
    context: int
    n_layers: int
    d_model: int
    h: int
    d_ff: int
    C: int  # classes
    eps: float

    @property
    def config(self) -> Config:
        return Config(h=self.h, activation=GELU, eps=self.eps)


class Batch(NamedTuple):
    ids: np.ndarray  # (B, L)
    segments: np.ndarray  # (B, L)
    lengths: np.ndarray  # (B,)
    places: np.ndarray  # (n,), where words are scored: of pretraining


class Result(NamedTuple):
    """What a model gives: its outputs, and for their random gradient that of every weight, as a tree."""

    outputs: tuple
    gradient: tuple


class Model(NamedTuple):
    init: Callable  # shape, rng -> weights
    run: Callable  # batch, weights, config, doutputs -> Result


def init_body(shape, rng):
    return init_bert(shape.V, shape.context, shape.n_layers, shape.d_model, shape.h, shape.d_ff, rng)


def init_pretraining(shape, rng):
    return init_bert_pretraining(init_body(shape, rng), rng)


def init_classifier(shape, rng):
    return init_bert_classifier(init_body(shape, rng), init_linear(shape.d_model, shape.d_model, rng), shape.C, rng)


def run_pretraining(batch, weights, config, doutputs):
    guesses, cache = bert_pretraining(*batch, weights, config)
    return Result(tuple(guesses), bert_pretraining_backward(Guesses(*doutputs), cache))


def run_reader(batch, weights, config, doutputs):
    scores, cache = span_reader(batch.ids, batch.segments, batch.lengths, weights, config)
    return Result((scores,), span_reader_backward(*doutputs, cache))


def run_classifier(batch, weights, config, doutputs):
    logits, cache = bert_classifier(batch.ids, batch.segments, batch.lengths, weights, config)
    return Result((logits,), bert_classifier_backward(*doutputs, cache))


MODELS = {
    "pretraining": Model(init_pretraining, run_pretraining),
    "reader": Model(lambda shape, rng: init_span_reader(init_body(shape, rng), rng), run_reader),
    "classifier": Model(init_classifier, run_classifier),
}


def draw(name, shape, rng):
    """Loud weights of order 0.5, gains around 1, no bias 0; words of two segments, one sequence without padding.

    -> batch, weights, doutputs
    """
    initial = MODELS[name].init(shape, rng)
    centres = iter([1.0 if path.endswith("gamma") else 0.0 for path, _ in named_leaves(initial)])
    weights = tree_map(lambda leaf: next(centres) + 0.5 * rng.standard_normal(leaf.shape), initial)
    lengths = rng.integers(1, shape.L + 1, shape.B)
    lengths[rng.integers(shape.B)] = shape.L
    ids, segments = (rng.integers(0, n, (shape.B, shape.L)) for n in (shape.V, 2))
    places = rng.permutation(shape.B * shape.L)[: rng.integers(1, shape.B * shape.L + 1)]
    batch = Batch(ids, segments, lengths, places)
    return batch, weights, tuple(rng.standard_normal(output.shape) for output in empty_outputs(name, shape, batch))


def empty_outputs(name, shape, batch):
    """Zeros in the shapes of what the model gives."""
    shapes = {
        "pretraining": ((len(batch.places), shape.V), (shape.B, 2)),
        "reader": ((shape.B, 2, shape.L),),
        "classifier": ((shape.B, shape.C),),
    }
    return tuple(map(np.zeros, shapes[name]))


def read_fixture(name):
    """-> shape, batch, weights, doutputs, and Hugging Face's result"""
    with np.load(FIXTURE) as arrays:
        *integers, eps = arrays["shape"].tolist()
        shape = Shape(*map(int, integers), eps)
        batch = Batch(*(arrays[f"{name}.{field}"] for field in Batch._fields))
        tree = MODELS[name].init(shape, np.random.default_rng(0))
        weights, gradient = (unflatten(arrays[f"{name}.{part}"], tree) for part in ("weights", "gradient"))
        empty = empty_outputs(name, shape, batch)
        doutputs, outputs = (unflatten(arrays[f"{name}.{part}"], empty) for part in ("doutputs", "outputs"))
        return shape, batch, weights, doutputs, Result(outputs, gradient)


def assert_same(ours, theirs):
    """Outputs, and the gradient of every weight by name, to 1e-12 of the norm of each.

    The gradient of a key's bias is 0, since softmax does not see what is added to all scores of a query: what either
    has there is rounding, and must be small beside the gradient of the query's bias.
    """
    for output, expected in zip(ours.outputs, theirs.outputs, strict=True):
        assert_close(output, expected, np.linalg.norm(expected), "output")
    expected = dict(named_leaves(theirs.gradient))
    gradients = dict(named_leaves(ours.gradient))
    assert gradients.keys() == expected.keys()
    for path, gradient in gradients.items():
        if path.endswith("key.b"):
            scale = np.linalg.norm(expected[path.replace("key.b", "query.b")])
            assert np.linalg.norm(gradient) < TOLERANCE * scale, path
            assert np.linalg.norm(expected[path]) < TOLERANCE * scale, path
        else:
            assert_close(gradient, expected[path], np.linalg.norm(expected[path]), path)


def assert_close(ours, theirs, scale, path):
    assert ours.shape == theirs.shape, path
    assert np.linalg.norm(ours - theirs) <= TOLERANCE * scale, f"{path}: {np.linalg.norm(ours - theirs) / scale:.1e}"
