"""What language models write."""

import numpy as np
import pytest
from assertions import refuses
from hypothesis import example, given
from hypothesis import strategies as st
from small_language import SMALL, small_text

from minitransformer.decoding.sampling import GREEDY, SamplingParams
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import new_run
from minitransformer.tasks.language_modelling.training import carry_on
from minitransformer.tasks.language_modelling.writing import whole_characters, written
from minitransformer.training.session import Goal


@pytest.fixture(scope="module")
def text():
    return small_text()


@pytest.mark.parametrize("name", KINDS)
def test_it_writes_the_language(name, text):
    """After "abab" come "cb", again and again, also past the window of a GPT; characters come one at a time."""
    run = new_run(KINDS[name], SMALL[name], text)
    if run.kind.training:
        run, _ = carry_on(run._replace(goal=Goal(300)), text)
    characters = list(written(run, "ababcbababcbabab", 36, GREEDY, np.random.default_rng(0)))
    assert all(len(character) == 1 for character in characters)
    assert "".join(characters) == "cbabab" * 6


def test_the_seed_decides(text):
    run = new_run(KINDS["gpt"], SMALL["gpt"], text)

    def sample(seed):
        return "".join(written(run, "ab", 30, SamplingParams(), np.random.default_rng(seed)))

    assert sample(0) == sample(0) != sample(1)
    assert len(sample(0)) == 30


def test_a_prompt_without_a_word_is_refused(text):
    run = new_run(KINDS["ngram"], SMALL["ngram"], text)
    with refuses(ValueError, "prompt: got '', expected at least one word"):
        written(run, "", 3, SamplingParams(), np.random.default_rng(0))


class Bytes:
    """A vocabulary of bytes, as byte pairs have them where nothing was joined."""

    def decode(self, ids):
        return bytes(ids.tolist()).decode("utf-8", errors="replace")


@pytest.mark.parametrize("content", [b"\x80" * 50, b"\xf0" * 50, b"\xe4\xb8" * 25], ids=["rest", "start", "two"])
def test_bytes_that_never_become_a_character_do_not_pile_up(content):
    """Each comes as soon as the next one is there, and a new byte is read with those that it may complete alone."""
    read = []

    class Counting(Bytes):
        def decode(self, ids):
            read.append(len(ids))
            return super().decode(ids)

    pieces = list(whole_characters(content, Counting()))
    assert "".join(pieces) == content.decode("utf-8", errors="replace")
    assert max(read) <= 4


def test_a_character_in_pieces_comes_whole():
    """Its bytes wait for one another."""
    text = "aä世\N{GRINNING FACE}b"
    assert list(whole_characters(text.encode(), Bytes())) == list(text)


@given(st.lists(st.one_of(st.text(max_size=2).map(str.encode), st.binary(max_size=3))).map(b"".join))
@example(b"a\xff\xff\xff\xffb\xe4")
@example("é".encode()[-1:] + "\N{GRINNING FACE}".encode())
def test_pieces_add_up_to_the_whole(content):
    """Whatever bytes come, the pieces are the text that all of them are; what never becomes a character is U+FFFD."""
    pieces = list(whole_characters(content, Bytes()))
    assert "".join(pieces) == content.decode("utf-8", errors="replace")
    assert all(pieces)
