"""A training run on disk: all of it comes back, and what is none, or another one, is refused."""

import itertools

import numpy as np
import pytest
from assertions import refuses
from few_documents import few_documents, small_run
from few_questions import VOCABULARY
from numpy.testing import assert_array_equal

from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Run, load_run, new_run, save_run
from minitransformer.training.checkpoint import load_checkpoint, save_checkpoint
from minitransformer.training.session import Goal, Look, looked
from minitransformer.tree import leaves, named_leaves

FINE_TUNED = (BERT_READER.kind, RNN_READER.kind, BERT_CLASSIFIER.kind, GPT_CLASSIFIER.kind)
KINDS = (bert.BERT, *FINE_TUNED)
SIZES = {"n_layers": 1, "d_model": 8, "h": 2, "d_ff": 16, "context": 12, "d": 4, "d_h": 6}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.task}, {kind.name}")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return few_documents(tmp_path_factory.mktemp("text"))


def run_of(kind, seed=3):
    """One that has been trained a little: no number of its state is what it is at the beginning."""
    small = {name: value for name, value in SIZES.items() if name in kind.settings._fields}
    classes = TOPICS if kind.task == "classification" else ()
    run = new_run(
        kind, kind.settings._replace(**small), VOCABULARY, seed, classes, {"paths": ["a.txt"], "labels": None}
    )
    rng = run.state.rng
    for moments in run.state.optimizer[:2]:
        moments[:] = rng.random(len(moments))
    optimizer = run.state.optimizer._replace(step=7)
    state = run.state._replace(optimizer=optimizer, step=7, seconds=1.5)
    return looked(run._replace(state=state, goal=Goal(9, 2.5, 3), checksums=(3, 1, 2**32 - 1)), 0.5, 0.25)


@every_kind
def test_what_was_kept_comes_back(kind, tmp_path):
    """Weights, moments and random numbers to the last bit; settings, words, classes, origin, goal, looks."""
    run = run_of(kind)
    save_run(tmp_path / "x.run", run)
    again = load_run(tmp_path / "x.run", *KINDS)
    assert again.kind is kind
    same = ("settings", "vocabulary", "classes", "about", "seed", "goal", "looks", "checksums", "n_weights")
    for name in same:
        assert getattr(again, name) == getattr(run, name)
    assert {*same, "kind", "weights", "state"} == {*Run._fields, "n_weights"}
    for (path, ours), theirs in zip(named_leaves(again.weights), leaves(run.weights), strict=True):
        assert_array_equal(ours, theirs, path, strict=True)
        assert np.shares_memory(ours, again.state.weights)
    for ours, theirs in zip(again.state.optimizer, run.state.optimizer, strict=True):
        assert_array_equal(ours, theirs)
    assert again.state[3:] == run.state[3:]
    assert_array_equal(again.state.rng.random(5), run.state.rng.random(5))


@every_kind
def test_the_seed_decides(kind):
    """Of the first weights, and of what is drawn after them."""
    first, same, other = run_of(kind), run_of(kind), run_of(kind, 4)
    assert_array_equal(first.state.weights, same.state.weights)
    assert not np.array_equal(first.state.weights, other.state.weights)
    assert first.state.rng.random() == same.state.rng.random() != other.state.rng.random()


def test_weights_that_are_given_are_copied():
    """A run changes its own arrays in place, and not those that it began with."""
    run = run_of(bert.BERT)
    again = new_run(run.kind, run.settings, run.vocabulary, weights=run.weights)
    assert_array_equal(again.state.weights, run.state.weights)
    again.state.weights[:] = 0
    assert run.state.weights.any()


def test_looks_are_added(tmp_path):
    """With the step and the time of the state."""
    run = looked(run_of(bert.BERT), 0.125, 0.75)
    assert run.looks == (Look(7, 1.5, 0.5, 0.25), Look(7, 1.5, 0.125, 0.75))


def test_a_run_of_another_task_is_refused(tmp_path):
    """With what it is, and what was wanted; the same model's name does not make it the same task."""
    path = tmp_path / "x.run"
    reader, rnn, classifier, gpt = FINE_TUNED
    save_run(path, run_of(classifier))
    message = f"checkpoint: {str(path)!r} is no run to use here (it holds classification (bert), expected "
    with refuses(ValueError, message + "pretraining (bert))"):
        load_run(path, bert.BERT)
    with refuses(ValueError, message + "reading comprehension (bert) or reading comprehension (rnn))"):
        load_run(path, reader, rnn)
    with refuses(ValueError, message + "classification (gpt))"):
        load_run(path, gpt)
    save_checkpoint(path, {"kind": "gpt"}, {})
    message = f"checkpoint: {str(path)!r} is no run to use here (it holds language modelling (gpt), expected "
    with refuses(ValueError, message + "pretraining (bert))"):
        load_run(path, bert.BERT)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "x.run"
    save_run(path, run_of(bert.BERT))
    path.write_bytes(path.read_bytes()[:-50])
    message = f"checkpoint: {str(path)!r} is damaged, or another kind of file, expected a checkpoint of minitransformer"
    with refuses(ValueError, message):
        load_run(path, bert.BERT)


def test_a_file_with_a_part_missing_or_changed_is_refused(tmp_path):
    """Each by its name; other settings do not fit the weights."""
    path = tmp_path / "x.run"
    save_run(path, run_of(bert.BERT))
    description, arrays = load_checkpoint(path)
    beginning = f"checkpoint: {str(path)!r} is no run to use here ("

    def refused(description, arrays):
        save_checkpoint(path, description, arrays)
        with pytest.raises(ValueError) as caught:
            load_run(path, bert.BERT)
        assert str(caught.value).startswith(beginning)
        return str(caught.value).removeprefix(beginning)

    for part in description.keys() - {"checksums"}:
        refused({k: v for k, v in description.items() if k != part}, arrays)
    for part in arrays:
        found = refused(description, {k: v for k, v in arrays.items() if k != part})
        assert found.startswith(f"checkpoint: got nothing for {part}, expected (")
    for changes, message in (
        ({"d_model": 16}, "checkpoint: got ("),
        ({"n_layers": 2}, "checkpoint: got nothing for weights.bert.layers.layers.1."),
        ({"rate": 1.5}, "rate: got 1.5, expected a probability in [0, 1))"),
        ({"h": 3}, "h: got 3 heads, expected a number that divides the 8 features of d_model)"),
        ({"size": 3}, "BertSettings.__new__() got an unexpected keyword argument 'size')"),
    ):
        found = refused(description | {"settings": description["settings"] | changes}, arrays)
        assert found.startswith(message)
    for wrong in (None, [], "text"):
        refused(description | {"settings": wrong}, arrays)
        refused(description | {"state": wrong}, arrays)
    for wrong in (None, "text", ["1"], [1.5]):
        refused(description | {"checksums": wrong}, arrays)


def test_a_file_without_checksums_is_that_of_any_data(tmp_path):
    """As those are that were kept before there were any."""
    path = tmp_path / "x.run"
    save_run(path, run_of(bert.BERT))
    description, arrays = load_checkpoint(path)
    del description["checksums"]
    save_checkpoint(path, description, arrays)
    assert load_run(path, bert.BERT).checksums == ()


def test_new_settings_are_checked():
    with refuses(ValueError, "rate: got 1.5, expected a probability in [0, 1)"):
        new_run(bert.BERT, bert.BERT.settings._replace(rate=1.5), VOCABULARY)


@pytest.mark.parametrize("stop", [1, 5])
def test_a_pretraining_that_was_interrupted_is_the_same_bit_for_bit(text, tmp_path, stop):
    """Losses, norms, rates and, at the end, weights: short and long batches, masks and dropout included."""
    changes = {"rate": 0.2, "long_every": 3}
    whole = small_run(text, 9, **changes)
    expected = [step[:5] for step in bert.steps(whole, text)]
    run = small_run(text, 9, **changes)
    first = list(itertools.islice(bert.steps(run, text), stop))
    save_run(tmp_path / "x.run", run._replace(state=first[-1].state))
    again = load_run(tmp_path / "x.run", bert.BERT)
    assert [step[:5] for step in first + list(bert.steps(again, text))] == expected
    assert_array_equal(again.state.weights, whole.state.weights)
