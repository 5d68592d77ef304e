"""Learning the topics, telling the topic of a text, and how many are right (3.5.2)."""

import itertools

import numpy as np
import pytest
from few_topics import DOCSTRINGS, VOCABULARY
from numpy.testing import assert_allclose

from minitransformer.tasks.classification import classification, topics
from minitransformer.tasks.classification.classification import (
    accuracy,
    as_ids,
    carry_on,
    prepare,
    probabilities,
    steps,
)
from minitransformer.tasks.classification.classifiers import CLASSIFIERS
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.run import load_run, new_run, save_run
from minitransformer.training.session import Goal
from minitransformer.tree import leaves

SMALL = {"n_layers": 1, "d_model": 16, "h": 2, "d_ff": 32, "context": 24, "B": 8, "peak": 1e-2, "warmup": 10}
every_classifier = pytest.mark.parametrize("name", CLASSIFIERS)


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(topics, "library_docstrings", lambda: DOCSTRINGS)
    return prepare(VOCABULARY)


def small_run(name, n_steps=1, **changes):
    settings = CLASSIFIERS[name].kind.settings._replace(**{**SMALL, "rate": 0.0, **changes})
    return new_run(CLASSIFIERS[name].kind, settings, VOCABULARY, 1, TOPICS)._replace(goal=Goal(steps=n_steps))


@every_classifier
def test_it_learns_a_few_topics(name, data):
    """Its own texts by heart, and, as each topic has its words, those that it has not seen."""
    run, stopped = carry_on(small_run(name, 200), data)
    assert not stopped
    assert accuracy(run, data.training) == 1
    assert accuracy(run, data.test) > 0.9
    assert run.looks[-1].validation == accuracy(run, data.validation)


@every_classifier
def test_probabilities_sum_to_1(name, data, monkeypatch):
    """A row for each text, in the order in which they came, however many are read side by side."""
    run = small_run(name)
    P = probabilities(run, data.training.ids)
    assert P.shape == (len(data.training.ids), len(TOPICS))
    assert (P > 0).all()
    assert_allclose(P.sum(axis=-1), 1, rtol=1e-5)
    monkeypatch.setattr(classification, "AT_ONCE", 7)
    assert_allclose(probabilities(run, data.training.ids), P, rtol=1e-4)


def test_accuracy_counts_the_likeliest_topic(monkeypatch):
    P = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.3, 0.5]])
    monkeypatch.setattr(classification, "probabilities", lambda run, ids: P)
    assert accuracy(None, classification.Texts([], np.array([1, 2, 2]))) == pytest.approx(2 / 3)


def test_texts_are_in_the_words_of_the_model(data, monkeypatch):
    """The validation side is cut to what is looked at; labels limit what is learned from."""
    rows = topics.load_topics()
    for texts, side in zip(data, rows, strict=True):
        assert [ids.tolist() for ids in texts.ids] == [VOCABULARY.encode(row.text).tolist() for row in side]
        assert texts.topics.tolist() == [row.topic for row in side]
    monkeypatch.setattr(classification, "LOOK_AT", 3)
    assert len(prepare(VOCABULARY).validation.ids) == 3
    assert len(prepare(VOCABULARY, 0, 5).training.ids) == 5
    assert as_ids([], VOCABULARY).ids == []


@every_classifier
def test_resuming_gives_the_same_steps_bit_for_bit(name, data, tmp_path):
    """By way of a file, with dropout."""
    whole = [step[:5] for step in steps(small_run(name, 6, rate=0.3), data)]
    run = small_run(name, 6, rate=0.3)
    first = list(itertools.islice(steps(run, data), 2))
    save_run(tmp_path / "x.run", run._replace(state=first[-1].state))
    again = load_run(tmp_path / "x.run", CLASSIFIERS[name].kind)
    assert [step[:5] for step in first + list(steps(again, data))] == whole


@every_classifier
def test_a_frozen_body_stays_as_it_is(name, data):
    """The settings of fine-tuning reach the training."""
    run = small_run(name, 3, frozen=True)
    before = run.state.weights.copy()
    list(steps(run, data))
    body = getattr(run.weights, CLASSIFIERS[name].body)
    n = sum(leaf.size for leaf in leaves(body))
    changed = run.state.weights != before
    assert not changed[:n].any() and changed[n:].any()
