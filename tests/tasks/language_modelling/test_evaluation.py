"""What a text costs, in units that can be compared."""

import lzma
import math
import zlib

import numpy as np
import pytest
from small_language import SMALL, sided_text, small_text

from minitransformer.data.corpus import Document, with_elsewhere
from minitransformer.tasks.language_modelling.evaluation import compressors, score, unseen_contexts
from minitransformer.tasks.language_modelling.kind import FIRST
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import costs, new_run
from minitransformer.tasks.language_modelling.text import prepare


@pytest.fixture(scope="module")
def text():
    return small_text()


def test_a_score_is_one_loss_in_several_units(text):
    """Of characters, bits a word are bits a character; the perplexity is 2 to their power."""
    run = new_run(KINDS["ngram"], SMALL["ngram"], text)
    found = score(run, text)
    assert found.per_word == pytest.approx(costs(run, text.test).mean() / math.log(2), rel=1e-12)
    assert found.per_character == pytest.approx(found.per_word, rel=1e-12)
    assert found.perplexity == pytest.approx(2**found.per_word, rel=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_a_score_is_of_the_side_that_is_asked_for(name):
    """By default the test; on others the same model scores otherwise."""
    text = sided_text()
    run = new_run(KINDS[name], SMALL[name], text)
    by_side = {side: score(run, text, side) for side in ("validation", "test")}
    assert score(run, text) == by_side["test"]
    for side, found in by_side.items():
        ids = getattr(text, side)
        assert found.per_word == pytest.approx(costs(run, ids).mean() / math.log(2), rel=1e-12)
        assert found.unknown == (ids[FIRST:] == 0).mean() > 0
    assert by_side["validation"].per_character != by_side["test"].per_character


def test_words_are_counted_by_their_characters():
    """All the text costs is spread over the characters of the words that are judged."""
    rng = np.random.default_rng(0)
    documents = [
        Document(side, "".join(rng.choice(["one ", "three ", "of\n"], 200)))
        for side in ("training", "validation", "test")
    ]
    text = prepare(with_elsewhere("", (), lambda: documents), kind="words")
    run = new_run(KINDS["ngram"], SMALL["ngram"]._replace(n=2), text)
    nats = costs(run, text.test)
    whole = text.vocabulary.decode(text.test.astype(int))
    judged = text.vocabulary.decode(text.test[FIRST:].astype(int))
    assert whole.endswith(judged) and len(judged) > 2 * len(nats)
    assert score(run, text).per_character == pytest.approx(nats.sum() / math.log(2) / len(judged), rel=1e-12)


def test_a_vocabulary_that_knows_little_is_not_rewarded():
    """An unknown word costs its spelling: fewer words known are more bits a character, not fewer."""
    rng = np.random.default_rng(0)
    documents = [
        Document(side, " ".join(rng.choice(["one", "three", "eleven", "of", "hundred"], 300)))
        for side in ("training", "validation", "test")
    ]
    corpus = with_elsewhere("", (), lambda: documents)
    scores = []
    for size in (2, 4, 100):
        text = prepare(corpus, kind="words", size=size)
        scores.append(score(new_run(KINDS["ngram"], SMALL["ngram"]._replace(n=2), text), text))
    assert scores[0].unknown > scores[1].unknown > 0.1 > 0.01 > scores[2].unknown
    assert scores[0].per_character > scores[1].per_character > scores[2].per_character


@pytest.mark.parametrize("kind", ["characters", "words"])
def test_the_first_words_have_no_part_in_a_score(kind):
    """Known or unknown, short or long: what is judged is the same, and so are its units and its unknown words."""
    rng = np.random.default_rng(0)
    letters = " ".join(rng.choice(list("abcd"), 300))
    unknown = list(map(chr, range(0x4E00, 0x4E00 + FIRST - 1)))
    known, unknown = "a" * FIRST, "".join([*unknown, "a"])
    if kind == "words":
        known, unknown = " ".join(known) + " ", " ".join(c * 40 if c != "a" else c for c in unknown) + " "
    found = []
    for first in (known, unknown):
        documents = [
            Document("training", letters),
            Document("validation", letters[5:]),
            Document("test", first + letters),
        ]
        text = prepare(with_elsewhere("", (), lambda documents=documents: documents), kind=kind)
        run = new_run(KINDS["ngram"], SMALL["ngram"]._replace(n=2), text)
        found.append(score(run, text)._replace(unseen=0.0))
    assert found[0].per_character == pytest.approx(found[1].per_character, rel=1e-12)
    assert found[0].unknown == found[1].unknown == 0


def test_unseen_contexts_are_those_that_never_occur_in_training(text):
    """Of the eight words before each word."""
    ids = text.vocabulary.encode("ababcb" * 10 + "cc" + "ababcb" * 5)
    seen = "".join(text.vocabulary.words[i] for i in text.training)
    whole = "".join(text.vocabulary.words[i] for i in ids)
    expected = [whole[i - 8 : i] not in seen for i in range(FIRST, len(whole))]
    assert any(expected) and not all(expected)
    assert unseen_contexts(text, ids).tolist() == expected
    run = new_run(KINDS["ngram"], SMALL["ngram"], text)
    assert math.isnan(score(run, text).unseen)


def test_compressors_pack_the_test_text(text):
    """Bits a character; with the training text before it, a text that is like it costs next to nothing."""
    raw = b"ababcb" * 60 + b"\n\n"
    packed = compressors(text)
    assert packed["zlib"] == 8 * len(zlib.compress(raw, 9)) / len(raw)
    assert packed["xz"] == 8 * len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)) / len(raw)
    assert packed["xz after the training text"] < packed["xz"] / 3
