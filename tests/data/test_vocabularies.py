"""Which vocabulary: by its name, and again from what a checkpoint kept."""

import json

import pytest
from assertions import refuses

from minitransformer.data.vocabularies import KINDS, make_vocabulary, vocabulary_from

TEXT = "Grüße an die Welt, und noch ein Wort.\nUnd eine Zeile."
LISTED = "'characters', 'words', 'byte-pairs'"


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_comes_back_from_its_definition(kind):
    """By way of JSON; it encodes as before."""
    if kind == "byte-pairs":
        pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    vocabulary = make_vocabulary(kind, [TEXT], 300)
    again = vocabulary_from(json.loads(json.dumps(vocabulary.as_dict())))
    assert type(again) is type(vocabulary)
    assert again.size == vocabulary.size
    assert again.encode(TEXT).tolist() == vocabulary.encode(TEXT).tolist()
    assert again.decode(again.encode(TEXT)) == TEXT


def test_an_unknown_kind_is_refused():
    with refuses(ValueError, f"vocabulary: got 'syllables', expected one of {LISTED}"):
        make_vocabulary("syllables", [TEXT], 300)
    with refuses(ValueError, f"vocabulary: got None, expected one of {LISTED}"):
        vocabulary_from({})


def test_a_damaged_definition_is_refused():
    """A text would be taken for its characters."""
    with refuses(TypeError, "words: got str, expected a list of strings"):
        vocabulary_from({"kind": "words", "words": "abc"})
    with refuses(TypeError, "pieces: got list, expected a list of strings"):
        vocabulary_from({"kind": "word-pieces", "pieces": ["[PAD]", 1]})
    with refuses(TypeError, "lines: got 1, expected True or False"):
        vocabulary_from({"kind": "word-pieces", "pieces": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], "lines": 1})
