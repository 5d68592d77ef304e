"""`data/`: texts, vocabularies, batches."""

import importlib.util
from pathlib import Path

import numpy as np
from bad_arguments.kinds import (
    Argument,
    Bad,
    given,
    ids,
    integer,
    internal,
    one_of,
    passed_on,
    rng,
    row,
    text,
    texts,
    truth,
    with_library,
)

from minitransformer.data import (
    batches,
    byte_pairs,
    corpus,
    docstrings,
    number_words,
    text_file,
    tokens,
    vocabularies,
    vocabulary,
    word_pieces,
)

word_ids = np.array([3, 1, 4, 1, 5, 2, 6, 0])
rows = [np.array([1, 2, 3]), np.array([4])]
words = vocabulary.word_vocabulary(["a b a c"], 4)
characters = vocabulary.character_vocabulary(["abc"])
pieces = word_pieces.word_piece_vocabulary(["abc ab", "ab"], 40)
N_PAIRS = 257
has_library = importlib.util.find_spec("tokenizers") is not None
pairs = byte_pairs.byte_pair_vocabulary(["a b"], N_PAIRS) if has_library else byte_pairs.BytePairs("{}")

MADE = "what its constructor made"


def one_row(good):
    """(n,) and nothing else."""
    array = ids(good)
    return array._replace(
        bad=(*array.bad, Bad("an axis more", good[None]), Bad("none", good[:0]), Bad("a number", good[0]))
    )


def rows_of_ids(good):
    bad = [Bad("none", []), Bad("floats", [row + 0.9 for row in good]), Bad("lists of floats", [[1.9, 2.9], [3.9]])]
    bad += [Bad("None", None), Bad("numbers", [1, 2]), Bad("booleans", [good[0] > 1]), Bad("texts", ["ab", "c"])]
    bad += [Bad("one is of floats", [good[0], good[1] + 0.5])]
    return Argument(
        good, tuple(bad), equal=([row.astype(np.uint8) for row in good], tuple(good), [row.tolist() for row in good])
    )


ROWS = (
    row(batches.random_windows, ids=one_row(word_ids), context=integer(3), B=integer(2), rng=rng()),
    row(
        batches.check_long_enough,
        part=Argument(
            "abcd", (Bad("too short", "abc"), Bad("nothing", "")), equal=(np.arange(4), [1, 2, 3, 4]), names=("text",)
        ),
        context=integer(3),
    ),
    row(batches.padded, rows=rows_of_ids(rows), filler=integer(7, -(2**63)), at_start=truth(True)),
    row(number_words.chinese_number, n=integer(120, 0, 10**16 - 1)),
    row(number_words.english_number, n=integer(120, 0, 10**16 - 1)),
    internal(number_words.chinese_words, n=120),
    internal(number_words.english_words, n=120),
    *(
        row(function, year=integer(2024, 1000, 2999), month=integer(2, 1, 12), day=integer(29, 1, 29))
        for function in (number_words.chinese_date, number_words.english_date, number_words.check_date)
    ),
    row(number_words.english_ordinal, day=integer(21, 1, 31)),
    row(number_words.english_year, year=integer(1999, 1000, 2999)),
    internal(number_words.check_between, name="n", value=3, least=1, most=5),
    row(vocabulary.ListedVocabulary.decode, self=given(words, MADE), ids=ids(np.array([2, 1]), words.size)),
    *(row(type(made).encode, self=given(made, MADE), text=text("a b")) for made in (words, characters, pieces)),
    with_library("tokenizers", byte_pairs.BytePairs.encode, self=given(pairs, MADE), text=text("a b")),
    with_library(
        "tokenizers", byte_pairs.BytePairs.decode, self=given(pairs, MADE), ids=ids(np.array([2, 1]), N_PAIRS)
    ),
    internal(vocabulary.Words.words_of, self=words, text="a b"),
    internal(vocabulary.Characters.words_of, self=characters, text="a b"),
    row(vocabulary.character_vocabulary, texts=texts(["a b", "c"])),
    row(vocabulary.word_vocabulary, texts=texts(["a b", "c"]), size=integer(3, 2)),
    row(
        vocabularies.make_vocabulary,
        kind=passed_on(one_of("words"), "vocabulary"),
        texts=texts(["a b", "c"]),
        size=integer(3, 2),
    ),
    row(
        vocabularies.vocabulary_from,
        definition=Argument(
            words.as_dict(), (Bad("another kind", {"kind": "nonsense"}), Bad("no kind", {})), names=("vocabulary",)
        ),
    ),
    with_library("tokenizers", byte_pairs.byte_pair_vocabulary, texts=texts(["a b", "c"]), size=integer(N_PAIRS, 257)),
    row(tokens.tokens_on_disk, texts=texts(["a b", "c"]), vocabulary=given(words, MADE)),
    *(
        internal(function, **values)
        for function, values in (
            (docstrings.of_module, {"name": "numpy.exceptions"}),
            (docstrings.public, {"thing": docstrings}),
            (docstrings.documented, {"name": "numpy.sort", "thing": np.sort}),
            (docstrings.of_file, {"path": Path(__file__), "module": "x"}),
        )
    ),
)
