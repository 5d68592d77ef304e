"""BERT learns from masked words and from pairs of sentences at once (2.3.1, 3.3)."""

import numpy as np
import pytest
from assertions import refuses
from few_documents import SMALL, few_documents, random_documents, small_run, write_texts
from numpy.testing import assert_array_equal

from minitransformer.data.corpus import text_files
from minitransformer.data.word_pieces import MASK, N_SPECIAL
from minitransformer.equations.cross_entropy import cross_entropy
from minitransformer.models.bert_pretraining import IS_NEXT, NOT_NEXT, bert_pretraining
from minitransformer.tasks.pretraining import bert, neighbours
from minitransformer.tasks.pretraining.bert import (
    Accuracy,
    accuracy,
    baselines,
    carry_on,
    config,
    draw,
    held_out,
    loss_and_gradient,
    prepare,
    steps,
)
from minitransformer.tasks.run import load_run

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return few_documents(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def trained(text):
    return carry_on(small_run(text, 600), text)[0]


def test_it_learns_from_both_sides(trained, text):
    """More of the test's masked words than by always taking the most frequent one; the look is at the validation."""
    found = accuracy(trained, held_out(text.test, trained, 40))
    assert found.word > 1.5 * baselines(trained, text).most_frequent
    assert trained.looks[-1].validation == accuracy(trained, held_out(text.validation, trained, bert.LOOK_AT)).word
    assert trained.looks[-1].step == 600


def test_the_loss_is_the_sum_of_both(text):
    """Of the masked words, and of the pairs; it reads the masks and not the words below them."""
    run = small_run(text)
    pairs, masked = draw(text.training, run, np.random.default_rng(3))
    guesses, _ = bert_pretraining(
        masked.ids, pairs.segments, pairs.lengths, masked.places, run.weights, config(run.settings)
    )
    expected = (
        cross_entropy(guesses.token_logits, masked.targets)[0] + cross_entropy(guesses.next_logits, pairs.next)[0]
    )
    loss, gradients, _ = loss_and_gradient(run)((pairs, masked), None, None)
    assert loss == pytest.approx(expected)
    assert MASK in masked.ids and MASK not in pairs.ids
    assert gradients.token.transform.W.any() and gradients.pooler.W.any()


def test_most_batches_are_short(text, monkeypatch):
    """One in `long_every` has pairs of the full length; all have about as many tokens."""
    drawn = []

    def watched(sentences, run, rng, short=False):
        batch = draw(sentences, run, rng, short)
        drawn.append(batch[0].ids.shape)
        return batch

    monkeypatch.setattr(bert, "draw", watched)
    for _ in steps(small_run(text, 8, long_every=4), text):
        pass
    assert [B for B, _ in drawn] == [8, 8, 8, 4, 8, 8, 8, 4]
    assert all(L <= 24 for B, L in drawn if B == 8) and all(24 < L <= 48 for B, L in drawn if B == 4)


def test_a_model_for_short_texts_has_full_batches_alone(text):
    """Where the context is no longer than what counts as short."""
    run = small_run(text, 3, context=20)
    pairs, _ = draw(text.training, run, np.random.default_rng(0), short=True)
    assert pairs.ids.shape[0] == SMALL.B and pairs.ids.shape[1] <= 20
    assert len(list(steps(run, text))) == 3


def test_held_out_batches_are_the_same_each_time(text):
    """And of the full length; looking at them draws nothing from the training's numbers."""
    run = small_run(text)
    first, second = held_out(text.test, run, 3), held_out(text.test, run, 3)
    for (pairs, masked), (same, same_masks) in zip(first, second, strict=True):
        assert_array_equal(pairs.ids, same.ids)
        assert_array_equal(masked.places, same_masks.places)
        assert len(pairs.ids) == SMALL.B
    before = run.state.rng.bit_generator.state
    bert.look(run, text, 1.0)
    assert run.state.rng.bit_generator.state == before


def test_accuracy_counts_over_all_batches(text):
    """A head with nothing but a bias always says the same: then it is a matter of counting."""
    run = small_run(text)
    run.state.weights[:] = 0
    run.weights.next.b[:] = (0, 1)
    batches = held_out(text.test, run, 5)
    targets = np.concatenate([masked.targets for _, masked in batches])
    word = int(np.bincount(targets).argmax())
    run.weights.token.b[word] = 1
    nexts = np.concatenate([pairs.next for pairs, _ in batches])
    assert {*nexts} == {IS_NEXT, NOT_NEXT} == {0, 1}
    assert accuracy(run, batches) == Accuracy((targets == word).mean(), (nexts == 1).mean())


def test_baselines_are_those_of_the_test(text, monkeypatch):
    """The most frequent word of the training text, and the better of both tables, each over the same batches."""
    monkeypatch.setattr(bert, "JUDGE_AT", 10)
    run = small_run(text)
    found = baselines(run, text)
    V = run.vocabulary.size
    documents = [np.concatenate(document) for document in text.training.documents]
    ids = np.concatenate(documents)
    batches = held_out(text.test, run, 10)
    targets = np.concatenate([masked.targets for _, masked in batches])
    assert found.most_frequent == (targets == np.bincount(ids).argmax()).mean()
    tables = neighbours.count(documents, V, found.width)
    hits = [neighbours.guess(masked.ids, masked.places, tables, V) == masked.targets for _, masked in batches]
    assert found.neighbours == np.concatenate(hits).mean()
    assert found.width in neighbours.WIDTHS
    assert found.neighbours > found.most_frequent > 0


def test_the_better_table_of_neighbours_is_the_one_of_the_validation_side(monkeypatch):
    """Also where the test would have another one: it is not for choosing."""
    monkeypatch.setattr(bert, "JUDGE_AT", 5)
    better = []
    for seed in range(8):
        text = random_documents(seed)
        run = small_run(text)
        documents = [np.concatenate(document) for document in text.training.documents]

        def right(side, width, text=text, run=run, documents=documents):
            tables = neighbours.count(documents, run.vocabulary.size, width)
            hits = [
                neighbours.guess(masked.ids, masked.places, tables, run.vocabulary.size) == masked.targets
                for _, masked in held_out(getattr(text, side), run, 5)
            ]
            return np.concatenate(hits).mean()

        of_side = {side: [right(side, width) for width in neighbours.WIDTHS] for side in ("validation", "test")}
        best = {side: int(np.argmax(found)) for side, found in of_side.items()}
        found = baselines(run, text)
        assert found.width == neighbours.WIDTHS[best["validation"]]
        assert found.neighbours == of_side["test"][best["validation"]]
        better.append(best["validation"] == best["test"])
    assert not all(better)


def test_the_vocabulary_is_made_from_the_training_side(tmp_path):
    """No more pieces than were asked for; a given one is taken as it is."""
    corpus = text_files(write_texts(tmp_path))
    text = prepare(corpus, 100)
    assert text.vocabulary.size == 100
    again = prepare(corpus, text.vocabulary)
    assert again.vocabulary is text.vocabulary
    assert again.training.n_tokens == text.training.n_tokens
    assert text.source == corpus.source
    assert min(sentence.min() for document in text.training.documents for sentence in document) >= N_SPECIAL


def test_it_is_kept_where_it_is_told(text, tmp_path):
    """With where its text came from."""
    run = bert.begin(SMALL, text, 4, ("a.txt",))._replace(goal=small_run(text, 3).goal)
    assert run.about == {"paths": ["a.txt"], "n_tokens": text.training.n_tokens}
    run, stopped = carry_on(run, text, tmp_path / "x.run")
    again = load_run(tmp_path / "x.run", bert.BERT)
    assert not stopped
    assert_array_equal(again.state.weights, run.state.weights)
    assert (again.seed, again.state.step, again.about) == (4, 3, run.about)


def test_a_text_without_two_documents_is_refused(tmp_path):
    (tmp_path / "x.txt").write_text("One sentence alone", encoding="utf-8")
    with refuses(
        ValueError, "text: got 0 documents of two sentences or more on the training side, expected 2 at least"
    ):
        prepare(text_files([tmp_path / "x.txt"]), 100)
