"""What a task learns from: all that there is to learn from, each input beside its own target."""

import numpy as np
import pytest
from every_task import NAMES, bert_config, loud_run, task_named, training_of

from minitransformer.data.word_pieces import CLS, MASK, SEP
from minitransformer.models.bert_pretraining import IS_NEXT
from minitransformer.tasks.reading.renaming import names_of
from minitransformer.tasks.translation.batches import POOL

B = 300  # so many that nothing is drawn by luck alone


def drawn(name, seed=0, **changes):
    task = task_named(name)
    training = training_of(task, loud_run(task, **changes))
    return task.data, training.next_batch(0, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_has_as_many_rows_as_is_said(name):
    """Of pretraining's short pairs so many that there are as many tokens."""
    task = task_named(name)
    training = training_of(task, loud_run(task, B=7))
    for number in range(4):
        batch = training.next_batch(number, np.random.default_rng(0))
        if name.startswith("pretraining"):
            assert len(batch[0].ids) == (14 if number % 2 == 0 else 7)
        elif name == "fnn":
            assert len(batch) == 7
        else:
            rows = batch[1] if name.startswith("classification") else batch[0]
            assert len(rows) == 7


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("classification")])
def test_a_classifier_learns_every_text_beside_its_topic(name):
    """[CLS] text [SEP] for BERT, text and token for GPT, as much as fits of it."""
    data, (inputs, topics) = drawn(name, B=5 * B)
    context = task_named(name).settings.context
    V = loud_run(task_named(name)).vocabulary.size
    lengths = inputs[-1]
    seen = set()
    for ids, n, topic in zip(inputs[0], lengths, topics, strict=True):
        text = ids[1 : n - 1] if "bert" in name or "post-norm" in name else ids[: n - 1]
        assert (ids[0], ids[n - 1]) == (CLS, SEP) if len(inputs) == 3 else ids[n - 1] == V
        seen.add((tuple(text.tolist()), int(topic)))
    room = context - (2 if len(inputs) == 3 else 1)
    every = {(tuple(ids[:room].tolist()), int(topic)) for ids, topic in zip(*data.training, strict=True)}
    assert max(map(len, data.training.ids)) > room
    assert seen == every


@pytest.mark.parametrize("name", ["reading, bert", "reading, rnn"])
def test_a_reader_learns_every_question_beside_its_answer(name):
    """A window of the document that is asked, in which the answer is where it is said to be."""
    data, rows = drawn(name, B=B, renamed=0.0, misnamed=0.0, with_answer=1.0)
    by_question = {}
    for one in data.training:
        by_question.setdefault(tuple(one.question.tolist()), []).append(one)
    seen = set()
    for ids, n, (first, last) in zip(rows.ids, rows.lengths, rows.targets, strict=True):
        middle, end = np.flatnonzero(ids == SEP)[:2]
        assert ids[0] == CLS and end == n - 1
        question, window = tuple(ids[1:middle].tolist()), ids[middle + 1 : end].tolist()
        answers = set()
        for one in by_question[question]:
            document = one.document.ids.tolist()
            starts = [i for i in range(len(document)) if document[i : i + len(window)] == window]
            answers |= {(i, one.answer) for i in starts}
        given = None if first == 0 else (first - middle - 1, last - middle - 1)
        assert any(given == (answer and (answer[0] - i, answer[1] - i)) for i, answer in answers)
        seen.add(question)
    assert seen == set(by_question)


def test_a_reader_may_see_windows_without_the_answer():
    """As often as is said."""
    parts = (0.0, 0.5, 1.0)
    found = [(drawn("reading, bert", B=B, misnamed=0.0, with_answer=p)[1].targets > 0).mean() for p in parts]
    assert found[0] < found[1] < found[2]


def test_a_question_by_another_name_has_no_answer():
    """As often as is said, of the windows that hold the answer: the text stays, and a name in the question changes."""
    _, plain = drawn("reading, bert", B=B, renamed=0.0, misnamed=0.0)
    _, rows = drawn("reading, bert", B=B, renamed=0.0, misnamed=1.0)
    changed = plain.ids != rows.ids
    assert not changed[plain.segments == 1].any()
    assert not rows.targets[changed.any(axis=1)].any()
    others = ~changed.any(axis=1)
    assert np.array_equal(rows.targets[others], plain.targets[others])
    assert changed.any(axis=1).sum() > 0


@pytest.mark.parametrize("name", ["reading, bert", "reading, rnn"])
def test_it_is_the_name_of_its_own_question_that_is_another(name):
    """In the rows of a batch, and only there; where nothing is renamed, the same windows are as they are."""
    data, plain = drawn(name, B=B, renamed=0.0, misnamed=0.0)
    _, renamed = drawn(name, B=B, renamed=1.0, misnamed=0.0)
    vocabulary = loud_run(task_named(name)).vocabulary
    names = dict(
        zip((tuple(one.question.tolist()) for one in data.training), names_of(data.training, vocabulary), strict=True)
    )
    changed = plain.ids != renamed.ids
    for ids, of_row in zip(plain.ids, changed, strict=True):
        question = ids[1 : np.flatnonzero(ids == SEP)[0]]
        name_of = names[tuple(question.tolist())]
        assert np.isin(ids[of_row], name_of).all()
    assert changed.any(axis=1).mean() > 0.5
    assert np.array_equal(plain.targets, renamed.targets)


def test_pretraining_reads_masks_and_is_asked_for_the_words_below_them():
    """Of all documents of the training side; pairs are told apart half the time, as they are."""
    data, (pairs, masked) = drawn("pretraining, bert", B=B)
    words = pairs.ids.reshape(-1)[masked.places]
    assert np.array_equal(masked.targets, words)
    others = np.delete(masked.ids.reshape(-1), masked.places)
    assert np.array_equal(others, np.delete(pairs.ids.reshape(-1), masked.places))
    assert 0.7 < (masked.ids.reshape(-1)[masked.places] == MASK).mean() < 0.9
    assert 0.4 < (pairs.next == IS_NEXT).mean() < 0.6
    starts = {tuple(sentence[:2].tolist()) for document in data.training.documents for sentence in document[:-1]}
    assert {tuple(ids[1:3].tolist()) for ids in pairs.ids} == starts


@pytest.mark.parametrize("short", [10, 24, 40])
def test_short_pairs_are_as_short_as_is_said(short):
    """And no shorter than the long ones where those are short already."""
    task = task_named("pretraining, bert")
    training = training_of(task, loud_run(task, short=short, B=20))
    longest = [
        max(training.next_batch(number + 2 * k, np.random.default_rng(k))[0].lengths.max() for k in range(5))
        for number in (0, 1)
    ]
    assert longest == [min(short, 24), 24]


def test_the_sides_of_pretraining_have_their_own_documents():
    """With cats, dogs, and fish, a word whose letters no document to learn from has."""
    text = task_named("pretraining, bert").data
    for sentences, thing, n in ((text.training, "cat", 12), (text.validation, "dog", 5), (text.test, "[UNK]", 4)):
        decoded = [text.vocabulary.decode(np.concatenate(document)) for document in sentences.documents]
        assert len(decoded) == n and all(f"the {thing} " in one for one in decoded)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("translation")])
def test_a_translator_learns_every_sentence_beside_its_translation(name):
    """In a pool of batches: the inputs are the translation from the start word on, the targets up to the end word."""
    task = task_named(name)
    run = loud_run(task, B=4)
    training = training_of(task, run)
    source, target = run.source, run.target
    seen, lengths = set(), []
    for number in range(POOL):
        batch = training.next_batch(number, None)
        for of_source, n, inputs, targets in zip(*batch, strict=True):
            words = of_source[-n:] if run.kind.pads_at_start else of_source[:n]
            m = int((targets >= 0).sum())
            assert (words[-1], inputs[0], targets[m - 1]) == (source.end, target.start, target.end)
            assert np.array_equal(inputs[1:m], targets[: m - 1])
            seen.add((source.decode(words[:-1]), target.decode(targets[: m - 1])))
            lengths.append(m)
    rng = np.random.default_rng((run.seed, 0))
    assert seen == set(task.data.draw(POOL * 4, rng))
    assert len(set(lengths)) > 3


def test_berts_norms_have_their_own_eps():
    """What is expected of BERT's losses above is with 1e-12."""
    assert bert_config(task_named("reading, bert").settings).eps == 1e-12
