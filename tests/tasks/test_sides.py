"""Each side of the data is used for what it is for: one to learn from, one to look at meanwhile, one for the end."""

import numpy as np
import pytest
from every_task import NAMES, loud_run, same, task_named, training_of

from minitransformer.tasks.classification import classification
from minitransformer.tasks.language_modelling import run as language_modelling
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.reading import reading
from minitransformer.tasks.translation import run as translation
from minitransformer.tasks.translation.evaluation import translate

every_task = pytest.mark.parametrize("name", NAMES)


def first_batches(task, run):
    training = training_of(task, run)
    return [training.next_batch(number, np.random.default_rng(number)) for number in range(4)]


def without(task, side):
    """The task with another side in place of one of them."""
    data = task.data
    if side != "training":
        other = {"validation": data.test, "test": data.validation}[side]
    elif "draw" in data._fields:
        side, other = "draw", lambda size, rng: [data.test[i] for i in rng.integers(0, len(data.test), size)]
    else:
        other = data.test
    return task._replace(data=data._replace(**{side: other}))


@every_task
def test_what_is_learned_from_is_the_training_side(name):
    """And no other: the batches are the same whatever the other sides hold."""
    task = task_named(name)
    run = loud_run(task)
    expected = first_batches(task, run)
    for side in ("validation", "test"):
        assert same(first_batches(without(task, side), run), expected)
    assert not same(first_batches(without(task, "training"), run), expected)


def telling(name):
    """-> the task, and a run, such that what it is judged by differs from side to side."""
    task = task_named(name)
    run = loud_run(task)
    data = task.data
    if name.startswith("translation"):
        sources = [source for source, _ in data.validation]
        data = data._replace(validation=list(zip(sources, translate(run, sources), strict=True)))
    elif name.startswith("pretraining"):  # it always says the same word
        word = int(np.bincount(words_of(data.validation, run)).argmax())
        run.state.weights[:] = 0
        run.weights.token.b[word] = 1
    elif name.startswith("reading"):
        found = reading.best_answers(run, data.validation)
        answers = [(one.first, one.last) if one.score > 0 else None for one in found]
        answers[0] = (
            found[0].first,
            found[0].last + 1,
        )  # overlaps with what is found: a part of a point, not a right one
        validation = [one._replace(answer=answer) for one, answer in zip(data.validation, answers, strict=True)]
        data = data._replace(validation=validation)
    elif name.startswith("classification"):
        topics = classification.probabilities(run, data.validation.ids).argmax(axis=-1)
        data = data._replace(validation=data.validation._replace(topics=topics))
    return task._replace(data=data), run


def words_of(sentences, run):
    return np.concatenate([masked.targets for _, masked in bert.held_out(sentences, run, bert.LOOK_AT)])


@every_task
def test_a_look_is_at_the_validation_side(name):
    """What is noted, beside the training loss, is what this side comes to; no other is looked at while training."""
    task, run = telling(name)
    found = task.judge(run, task.data.validation)
    assert found != task.judge(run, task.data.test)
    if len(getattr(task.data, "training", ())):
        assert found != task.judge(run, task.data.training)
    (entry,) = task.look(run, task.data, 0.125).looks
    assert entry == (run.state.step, run.state.seconds, 0.125, found)
    for side in ("training", "test"):
        other = without(task, side).data
        assert task.look(run, other, 0.125).looks == (entry,)


@pytest.mark.parametrize(
    ("name", "module", "n"), [("gpt", language_modelling, 60), ("translation, rnn", translation, 3)]
)
def test_a_look_is_at_the_first_of_a_long_validation_side(name, module, n, monkeypatch):
    """So that it takes no longer than it must."""
    task, run = telling(name)
    validation = task.data.validation
    if name.startswith("translation"):
        validation = [*validation[:n], *((source, target + "A") for source, target in validation[n:])]
    monkeypatch.setattr(module, "LOOK_AT", n)
    data = task.data._replace(validation=validation)
    (entry,) = task.look(run, data, 1.0).looks
    assert entry.validation == task.judge(run, validation[:n]) != task.judge(run, validation[: n + 1])
