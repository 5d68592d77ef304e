"""What is asked of a trained model: the same answer each time, without dropout, and right where the model is right."""

import numpy as np
import pytest
from every_task import NAMES, bert_config, lively_run, loud_run, same, task_named
from numpy.testing import assert_allclose

from minitransformer.models.bert_classifier import bert_classifier
from minitransformer.models.bert_pretraining import bert_pretraining
from minitransformer.tasks.classification import classification
from minitransformer.tasks.classification.classifiers import CLASSIFIERS
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import costs, new_run
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.reading import reading
from minitransformer.tasks.translation.evaluation import exact_matches, translate

every_task = pytest.mark.parametrize("name", NAMES)
WITH_DROPOUT = [name for name in NAMES if "rate" in task_named(name).settings._fields]


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_nothing_is_dropped_when_a_model_is_used(name):
    """Whatever the rate that it is trained with."""
    task = task_named(name)
    often, never = (task.evaluate(lively_run(task, rate=rate), task.data) for rate in (0.5, 0.0))
    assert same(often, never)


@every_task
def test_a_model_says_the_same_each_time(name):
    """And neither its weights nor the random numbers of its training are touched."""
    task = task_named(name)
    run = lively_run(task)
    weights, numbers = run.state.weights.copy(), run.state.rng.bit_generator.state
    first = task.evaluate(run, task.data)
    task.look(run, task.data, 1.0)
    assert same(task.evaluate(run, task.data), first)
    assert same(run.state.weights, weights) and run.state.rng.bit_generator.state == numbers


@every_task
def test_other_weights_say_something_else(name):
    """So that the two theorems above are about something."""
    task = task_named(name)
    ours, theirs = (task.evaluate(lively_run(task, seed), task.data) for seed in (0, 1))
    assert not same(ours, theirs)


def test_an_ngram_model_says_the_same_each_time():
    text = task_named("gpt").data
    run = new_run(KINDS["ngram"], KINDS["ngram"].settings._replace(n=3), text)
    assert same(costs(run, text.test), costs(run, text.test))


def guesses_of(run, batch):
    pairs, masked = batch
    guesses, _ = bert_pretraining(
        masked.ids, pairs.segments, pairs.lengths, masked.places, run.weights, bert_config(run.settings)
    )
    return [logits.argmax(axis=-1) for logits in guesses]


@pytest.mark.parametrize("name", ["pretraining, bert", "pretraining, post-norm"])
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_pretraining_is_judged_by_what_the_model_says(name, rate):
    """Of its own guesses all are right; of others as many as are its own, of words and pairs apart."""
    task = task_named(name)
    run = loud_run(task, rate=rate)
    own, wrong_words, wrong_pairs = [], [], []
    for pairs, masked in bert.held_out(task.data.test, run, 6):
        words, nexts = guesses_of(run, (pairs, masked))
        right = pairs._replace(next=nexts), masked._replace(targets=words)
        own.append(right)
        wrong_words.append((right[0], masked._replace(targets=words + 1)))
        wrong_pairs.append((pairs._replace(next=1 - nexts), right[1]))
    assert bert.accuracy(run, own) == (1, 1)
    assert bert.accuracy(run, wrong_words) == (0, 1)
    assert bert.accuracy(run, wrong_pairs) == (1, 0)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("classification")])
def test_probabilities_are_those_of_the_model(name, monkeypatch):
    """softmax of its scores, text by text; and the accuracy is how often the likeliest topic is the one."""
    task = task_named(name)
    run, texts = lively_run(task, 10, rate=0.5), task.data.test
    classifier = CLASSIFIERS[run.kind.name]
    expected = []
    for ids in texts.ids:
        inputs = classifier.pack([ids], run.vocabulary.size, run.settings.context)
        if run.kind.name == "bert":
            logits, _ = bert_classifier(*inputs, run.weights, bert_config(run.settings))
        else:
            logits, _ = classifier.forward(inputs, run.weights, run.settings, None)
        expected.append(np.exp(logits[0]) / np.exp(logits[0]).sum())
    for at_once in (3, 64):
        monkeypatch.setattr(classification, "AT_ONCE", at_once)
        assert_allclose(classification.probabilities(run, texts.ids), expected, rtol=1e-10)
    own = np.argmax(expected, axis=-1)
    assert classification.accuracy(run, texts._replace(topics=own)) == 1
    assert classification.accuracy(run, texts._replace(topics=np.where(own == own[0], own, own + 1))) == np.mean(
        own == own[0]
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("reading")])
def test_answers_are_right_where_they_are_those_of_the_model(name):
    """All of its own, and none of others."""
    task = task_named(name)
    run, asked = lively_run(task, 10), task.data.test
    found = [(one.first, one.last) if one.score > 0 else None for one in reading.best_answers(run, asked)]
    own = [one._replace(answer=answer) for one, answer in zip(asked, found, strict=True)]
    assert reading.score(run, own) == (1, 1)
    other = [one._replace(answer=(0, 0) if one.answer != (0, 0) else None) for one in own]
    assert reading.score(run, other).exact == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("translation")])
def test_translations_are_right_where_they_are_those_of_the_model(name):
    """Character for character, at the width that is asked for."""
    task = task_named(name)
    run = lively_run(task)
    sources = [source for source, _ in task.data.test]
    by_width = {width: translate(run, sources, width) for width in (1, 4)}
    assert by_width[1] != by_width[4]
    for width, targets in by_width.items():
        own = list(zip(sources, targets, strict=True))
        assert exact_matches(run, own, width) == 1
        other = [(source, target + "A") for source, target in own]
        assert exact_matches(run, [*own, *other[:2]], width) == len(own) / (len(own) + 2)
