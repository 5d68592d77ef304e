"""Language modelling on characters (3.4.1): a small model learns a small language."""

import math

import numpy as np
import pytest
from assertions import refuses
from numpy.testing import assert_array_equal

from minitransformer.data.corpus import Corpus
from minitransformer.equations.cross_entropy import cross_entropy
from minitransformer.models.gpt import gpt
from minitransformer.tasks.language_modelling import (
    Settings,
    baselines,
    new_model,
    prepare,
    train_language_model,
    validation_loss,
    write,
)
from minitransformer.tree import leaves

# In "ababcb" repeated, after a comes b, and after b either a or c: which of them, the four before it tell.
TEXT = "ababcb" * 300
CORPUS = Corpus("a language of three letters", TEXT, TEXT[:600])
SMALL = Settings(n_layers=1, d_model=16, h=2, d_ff=32, context=12, B=8, steps=150, warmup=20, peak_rate=1e-2)


@pytest.fixture(scope="module")
def trained():
    data = prepare(CORPUS, SMALL)
    rng = np.random.default_rng(0)
    model = new_model(data, SMALL, rng)
    steps = list(train_language_model(data, model, SMALL, rng))
    return data, model, steps


def test_it_learns_what_no_bigram_can(trained):
    """Below the bigram model, which is below ln V; on text that it has not seen."""
    data, model, steps = trained
    costs = baselines(data)
    loss = validation_loss(data, model, SMALL)
    assert len(steps) == SMALL.steps
    assert costs["ln V"] == pytest.approx(math.log(4))  # three letters and the unknown character
    after_b = 2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(3)
    assert costs["bigram"] == pytest.approx(after_b / 2, abs=0.01)
    assert loss < 0.5 * costs["bigram"]


def test_it_writes_the_language(trained):
    """After "abab" come "cb", again and again; characters come one at a time."""
    data, model, _ = trained
    characters = list(write(data, model, SMALL, "babcbabab", 24, np.random.default_rng(0)))
    assert all(len(character) == 1 for character in characters)
    assert "".join(characters) == ("cbabab" * 4)


def test_the_validation_loss_is_the_mean_over_all_characters(trained):
    """Also where the last batch is smaller."""
    data, model, _ = trained
    n_windows = (len(data.validation) - 1) // SMALL.context
    windows = data.validation[: n_windows * SMALL.context].reshape(n_windows, -1)
    targets = data.validation[1 : n_windows * SMALL.context + 1].reshape(n_windows, -1)
    loss, _ = cross_entropy(gpt(windows, model.weights, model.config)[0], targets)
    assert validation_loss(data, model, SMALL) == pytest.approx(float(loss), rel=1e-5)


def test_the_seed_decides():
    """The same seed trains the same weights, to the last bit."""
    data = prepare(CORPUS, SMALL)

    def losses(seed):
        rng = np.random.default_rng(seed)
        settings = SMALL._replace(steps=5)
        return [step.loss for step in train_language_model(data, new_model(data, settings, rng), settings, rng)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_the_rate_warms_up_to_its_peak(trained):
    """The schedule of the settings."""
    _, _, steps = trained
    assert steps[0].rate == pytest.approx(SMALL.peak_rate / SMALL.warmup)
    assert max(step.rate for step in steps) == pytest.approx(SMALL.peak_rate)


def test_a_new_model_follows_the_settings():
    """Its weights are views of one flat array."""
    data = prepare(CORPUS, SMALL)
    settings = SMALL._replace(rate=0.2, norm_first=True)
    model = new_model(data, settings, np.random.default_rng(0))
    assert (model.config.h, model.config.rate, model.config.norm_first) == (2, 0.2, True)
    assert model.weights.embedding.E.shape == (4, 16)
    assert all(np.shares_memory(leaf, model.flat_weights) for leaf in leaves(model.weights))


def test_prepare_gives_ids_of_the_training_vocabulary():
    """A character that only the validation text has is unknown."""
    data = prepare(Corpus("", "ab" * 20, "abz" * 20), SMALL)
    assert data.vocabulary.words[1:] == ("a", "b")
    assert_array_equal(data.validation[:3], [1, 2, 0])


@pytest.mark.parametrize(("training", "validation"), [("x" * 12, "y" * 40), ("x" * 40, "y" * 12)])
def test_a_text_that_is_too_short_is_refused(training, validation):
    with refuses(ValueError, "text: got a part of 12 characters, expected more than 12 for one window"):
        prepare(Corpus("", training, validation), SMALL)
