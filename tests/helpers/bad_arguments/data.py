"""`data/`: texts, vocabularies, batches."""

import codecs
import collections
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
    bert_words,
    byte_pairs,
    corpus,
    docstrings,
    number_words,
    piece_learning,
    sentences,
    text_file,
    tokens,
    unicode_classes,
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

own_text = corpus.Corpus(
    "text", (), lambda: [corpus.Document("training", "a\n\nb")], {"training": np.zeros(0, np.uint64)}
)
rules = bert_words.Rules()
counts = collections.Counter({"ab": 3, "c": 2})

MADE = "what its constructor made"


def one_row(good):
    """(n,) and nothing else."""
    array = ids(good)
    return array._replace(
        bad=(*array.bad, Bad("an axis more", good[None]), Bad("none", good[:0]), Bad("a number", good[0]))
    )


def paths(good):
    """Files, in a list. None of them is right: a file's name, and what is no name."""
    bad = [Bad("None", None), Bad("a number", 3), Bad("numbers", [3]), Bad("bytes", b"x"), Bad("no file", ["no file"])]
    return Argument(good, (*bad, Bad("one path", good[0])), equal=(tuple(good), [Path(path) for path in good]))


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
    internal(number_words.check_between, name="n", value=3, minimum=1, maximum=5),
    row(vocabulary.ListedVocabulary.decode, self=given(words, MADE), ids=ids(np.array([2, 1]), words.size)),
    *(row(type(made).encode, self=given(made, MADE), text=text("a b")) for made in (words, characters, pieces)),
    *(
        row(function.unknown, self=given(made, MADE), text=text("a b"))
        for function, made in ((vocabulary.ListedVocabulary, characters), (word_pieces.WordPieces, pieces))
    ),
    row(byte_pairs.BytePairs.unknown, self=given(pairs, MADE), text=given("a b", "has no part in the result")),
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
    row(word_pieces.WordPieces.tokens, self=given(pieces, MADE), text=text("a b")),
    row(word_pieces.WordPieces.decode, self=given(pieces, MADE), ids=ids(np.array([5, 1]), pieces.size)),
    row(word_pieces.composed_text, text=text("a b")),
    row(
        word_pieces.word_piece_vocabulary,
        texts=texts(["a b", "c"]),
        size=integer(9, 6),
        lowercase=truth(True),
        strip_accents=truth(True),
        lines=truth(False),
    ),
    row(word_pieces.check_rules, lowercase=truth(True), strip_accents=truth(True), lines=truth(False)),
    row(sentences.sentences_of, text=text("A b. C")),
    row(corpus.load_corpus, paths=passed_on(paths([__file__]), "path", "text")),
    row(
        text_file.read_pieces,
        path=Argument(
            __file__,
            (Bad("None", None), Bad("a number", 3), Bad("True", True), Bad("bytes", b"x"), Bad("no file", "no file")),
            equal=(Path(__file__),),
            names=("text",),
        ),
    ),
    row(corpus.texts, corpus=given(own_text, "a corpus, as `load_corpus` makes it"), side=one_of("training")),
    *(
        internal(function, **values)
        for function, values in (
            (corpus.text_files, {"paths": [__file__]}),
            (corpus.n_characters, {"paths": [__file__], "enough": 9}),
            (corpus.side_of, {"number": 3}),
            (corpus.stretches, {"pieces": ["ab", "c"], "length": 2}),
            (corpus.cut_of, {"text": "ab\nc", "length": 2}),
            (corpus.paragraphs, {"text": "a\n\nb"}),
            (corpus.code, {"paragraph": "a b"}),
            (corpus.with_elsewhere, {"source": "text", "paths": (), "documents": own_text.documents}),
            (corpus.contains, {"codes": np.array([1, 2], np.uint64), "wanted": 2}),
            (text_file.lines, {"text": "a\nb"}),
            (text_file.universal_newlines, {"text": "a\rb"}),
            (
                text_file.decode,
                {
                    "decoder": codecs.getincrementaldecoder("utf-8")(),
                    "content": b"a",
                    "start": 0,
                    "path": "x",
                    "final": True,
                },
            ),
            (vocabularies.word_pieces_from, {"definition": pieces.as_dict()}),
            (vocabularies.strings, {"name": "words", "values": ["a"]}),
            (word_pieces.WordPieces.taken_apart, {"self": pieces, "chunk": "abc"}),
            (word_pieces.WordPieces.pieces_of_word, {"self": pieces, "word": "abc"}),
            (word_pieces.spans_before, {"of_characters": np.array([[0, 2]]), "spans": np.array([[0, 1]])}),
            (bert_words.words_in, {"text": "a b", "rules": rules}),
            (bert_words.normalized, {"c": "A", "rules": rules}),
            (bert_words.is_dropped_mark, {"c": "A", "rules": rules}),
            (bert_words.stands_alone, {"letter": "a"}),
            (bert_words.compose, {"text": "a"}),
            (bert_words.segments, {"text": "ab"}),
            (piece_learning.learn_pieces, {"words": counts, "size": 9}),
            (piece_learning.by_frequency, {"words": counts}),
            (piece_learning.alphabet_within, {"alphabet": [("a", 3)], "size": 9}),
            (piece_learning.joined, {"words": [["a", "##b"]], "counts": [2], "alphabet": ["a", "##b"], "size": 9}),
            (piece_learning.with_pair_joined, {"word": ["a", "##b"], "pair": ("a", "##b"), "whole": "ab"}),
            (unicode_classes.as_class, {"code_points": [97]}),
            (unicode_classes.is_ideograph, {"c": "a"}),
            (unicode_classes.is_punctuation, {"c": "a"}),
            (unicode_classes.columns_of, {"text": "a"}),
            (unicode_classes.is_mark, {"c": "a"}),
        )
    ),
)
