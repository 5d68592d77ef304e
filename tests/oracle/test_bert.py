"""BERT beside Hugging Face's, in float64: outputs and every gradient, for pretraining, span and classification."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.beside_hugging_face import TIED, build, our_path, run
from oracle.three_berts import MODELS, Shape, assert_same, draw, read_fixture
from strategies import seeds, sizes

from minitransformer.tree import named_leaves

every_model = pytest.mark.parametrize("name", MODELS)
epsilons = st.sampled_from([1e-12, 1e-5, 0.01])


def shape_of(s, eps, n_layers=2):
    """V = d_v words, C = L_k classes."""
    return Shape(s.B, s.L_q, s.d_v, s.L_q + 1, n_layers, s.d_model, s.h, s.d_ff, s.L_k, eps)


@every_model
@given(s=sizes, seed=seeds, eps=epsilons)
def test_values_and_gradients_are_the_same(name, s, seed, eps):
    """With padding and two segments. Words are scored at some places, at padding too, where both give the same."""
    shape = shape_of(s, eps)
    batch, weights, doutputs = draw(name, shape, np.random.default_rng(seed))
    ours = MODELS[name].run(batch, weights, shape.config, doutputs)
    assert_same(ours, run(name, shape, batch, weights, doutputs))


@given(s=sizes, seed=seeds)
def test_all_places_are_scored_alike(s, seed):
    """Every place of the batch, in its order: the whole of Hugging Face's `prediction_logits`."""
    shape = shape_of(s, 1e-12)
    rng = np.random.default_rng(seed)
    batch, weights, (_, dnext) = draw("pretraining", shape, rng)
    everywhere = batch._replace(places=np.arange(shape.B * shape.L))
    doutputs = rng.standard_normal((shape.B * shape.L, shape.V)), dnext
    ours = MODELS["pretraining"].run(everywhere, weights, shape.config, doutputs)
    assert_same(ours, run("pretraining", shape, everywhere, weights, doutputs))


@every_model
def test_each_parameter_has_one_name_here(name):
    """All of theirs and all of ours, one to one, but for the two that are tied and have two names there."""
    shape = Shape(2, 3, 7, 5, 2, 12, 4, 10, 8, 1e-12)
    weights = MODELS[name].init(shape, np.random.default_rng(0))
    theirs = build(name, shape, weights)
    paths = [our_path(key) for key, _ in theirs.named_parameters()]
    assert sorted(paths) == sorted(path for path, _ in named_leaves(weights))
    tied = theirs.state_dict().keys() - {key for key, _ in theirs.named_parameters()}
    assert tied == (TIED.keys() if name == "pretraining" else set())
    for key in tied:
        assert theirs.get_parameter(key) is theirs.get_parameter(TIED[key])


@every_model
def test_the_fixture_is_what_hugging_face_gives(name):
    """tests/models/bert_fixtures.npz, which the default tests read; make_bert_fixtures.py writes it."""
    shape, batch, weights, doutputs, kept = read_fixture(name)
    assert_same(run(name, shape, batch, weights, doutputs), kept)
