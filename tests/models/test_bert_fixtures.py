"""BERT beside Hugging Face's without either PyTorch or Hugging Face: what it gave for three small models is kept."""

import dataclasses

import numpy as np
import pytest
from oracle.three_berts import FIXTURE, MODELS, assert_same, read_fixture

from minitransformer.tree import leaves

every_model = pytest.mark.parametrize("name", MODELS)


@every_model
def test_values_and_gradients_are_hugging_faces(name):
    """To 1e-12 of the norm of each: the outputs, and the gradient of every weight."""
    shape, batch, weights, doutputs, theirs = read_fixture(name)
    assert_same(MODELS[name].run(batch, weights, shape.config, doutputs), theirs)


@every_model
def test_the_fixture_is_a_good_point(name):
    """Padding, both segments, all in float64; no weight is 0, and a gradient is 0 only where nothing was read."""
    shape, batch, weights, doutputs, theirs = read_fixture(name)
    assert batch.lengths.min() < batch.lengths.max() == shape.L < shape.context
    assert set(batch.segments.ravel().tolist()) == {0, 1}
    assert all(leaf.all() and leaf.dtype == np.float64 for leaf in leaves((weights, doutputs, theirs.outputs)))
    assert all(leaf.any() for leaf in leaves(theirs.gradient))
    assert FIXTURE.stat().st_size < 60_000


@every_model
def test_the_comparison_sees_a_small_change(name):
    """A billionth on one weight, another eps, another segment: none passes."""
    shape, batch, weights, doutputs, theirs = read_fixture(name)
    run = MODELS[name].run
    norm = weights.bert.embedding.norm
    moved = weights.bert.embedding._replace(norm=norm._replace(beta=norm.beta + 1e-9))
    for changed in (
        run(batch, weights._replace(bert=weights.bert._replace(embedding=moved)), shape.config, doutputs),
        run(batch, weights, dataclasses.replace(shape.config, eps=1e-9), doutputs),
        run(batch._replace(segments=1 - batch.segments), weights, shape.config, doutputs),
        run(batch._replace(lengths=np.full(shape.B, shape.L)), weights, shape.config, doutputs),
    ):
        with pytest.raises(AssertionError):
            assert_same(changed, theirs)
