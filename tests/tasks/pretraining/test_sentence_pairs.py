"""Pairs of segments (3.3.2): half of them follow one another, the others are from different documents."""

import math

import numpy as np
from assertions import refuses
from hypothesis import given
from strategies import seeds

from minitransformer.data.word_pieces import CLS, MASK, N_SPECIAL, PAD, SEP, word_piece_vocabulary
from minitransformer.models.bert_pretraining import IS_NEXT, NOT_NEXT
from minitransformer.tasks.pretraining.sentence_pairs import draw_pairs, packed, split

# Every sentence has words of its own, so that one can tell where each segment comes from.
DOCUMENTS = [" ".join(f"{chr(97 + d)}{s} {chr(97 + d)}{s}{s}." for s in range(9)) for d in range(8)]
VOCABULARY = word_piece_vocabulary(DOCUMENTS, 400)
SENTENCES = split(DOCUMENTS, VOCABULARY)


def segments_of(pairs, row):
    ids = pairs.ids[row, : pairs.lengths[row]]
    first_end = int(np.flatnonzero(ids == SEP)[0])
    return ids[1:first_end], ids[first_end + 1 : -1]


def follows(first, second):
    """Whether one document has the second segment right after the first one."""
    both = np.concatenate([first, second]).tolist()
    for document in SENTENCES.documents:
        whole = np.concatenate(document).tolist()
        if any(whole[i : i + len(both)] == both for i in range(len(whole))):
            return True
    return False


def document_of(segment):
    """The letter with which its words begin."""
    return VOCABULARY.decode(segment).split()[0][0]


def test_half_of_the_pairs_are_true():
    """Over 10^5 draws within five standard errors of one half."""
    rng = np.random.default_rng(0)
    n = 100_000
    labels = np.concatenate([draw_pairs(SENTENCES, 12, 1000, rng).next for _ in range(n // 1000)])
    assert abs((labels == IS_NEXT).sum() - n / 2) < 5 * math.sqrt(n / 4)


@given(seeds)
def test_a_true_pair_follows_and_another_is_from_another_document(seed):
    pairs = draw_pairs(SENTENCES, 40, 6, np.random.default_rng(seed))
    for row in range(6):
        first, second = segments_of(pairs, row)
        assert len(first) and len(second)
        if pairs.next[row] == IS_NEXT:
            assert follows(first, second)
        else:
            assert pairs.next[row] == NOT_NEXT
            assert document_of(first) != document_of(second)


@given(seeds)
def test_layout(seed):
    """[CLS] first [SEP] second [SEP] padding, at most `context` tokens; segment 1 begins after the first [SEP]."""
    pairs = draw_pairs(SENTENCES, 30, 5, np.random.default_rng(seed))
    assert pairs.ids.shape == pairs.segments.shape
    assert pairs.ids.shape[1] == pairs.lengths.max() <= 30
    for ids, segments, n in zip(pairs.ids, pairs.segments, pairs.lengths, strict=True):
        assert (ids[0], ids[n - 1]) == (CLS, SEP)
        assert (ids[n:] == PAD).all()
        assert (ids == SEP).sum() == 2
        first_end = int(np.flatnonzero(ids == SEP)[0])
        assert segments.tolist() == [0] * (first_end + 1) + [1] * (n - first_end - 1) + [0] * (len(ids) - n)
    assert MASK not in pairs.ids


def test_sentences_are_the_text():
    """Nothing is lost between them; and a document of one sentence gives no pair."""
    text = "One, two. Three four!\nFive\n\nSix: seven"
    v = word_piece_vocabulary([text], 300)
    (document, _) = split([text, text], v).documents
    assert np.concatenate(document).tolist() == v.encode(text).tolist()
    assert [v.decode(s).strip() for s in document] == ["one , two .", "three four !", "five", "six :", "seven"]
    with refuses(
        ValueError, "text: got 1 documents of two sentences or more on the training side, expected 2 at least"
    ):
        split([text, "alone"], v)


def test_chinese_sentences_end_without_a_space():
    """At the full stop, the exclamation mark and the question mark of full width."""
    text = "\u4f60\u597d\u3002\u4f60\u662f\u8c01\uff1f\u6211\uff01"
    v = word_piece_vocabulary([text], 300)
    (document, _) = split([text, text], v).documents
    assert np.concatenate(document).tolist() == v.encode(text).tolist()
    assert [v.decode(s).strip()[-1] for s in document] == ["\u3002", "\uff1f", "\uff01"]


def test_one_segment_alone():
    ids, segments, lengths = packed([np.array([7, 8]), np.array([9])], None)
    assert ids.tolist() == [[CLS, 7, 8, SEP], [CLS, 9, SEP, PAD]]
    assert not segments.any()
    assert lengths.tolist() == [4, 3]
    assert N_SPECIAL == 5
