"""Commands for translation: train, resume, translate, look at the attention; and what they refuse."""

import importlib.util
import io
import json
import zlib

import pytest

from minitransformer.commands import translation
from minitransformer.tasks.translation.run import load_run, save_run
from minitransformer.terminal import PlainScreen
from minitransformer.tree import leaves

SMALL = ["--steps", "5", "--set", "n_layers=1", "d_model=8", "h=2", "d_ff=16", "B=8"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory to work in, with a file of pairs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(translation, "make_screen", PlainScreen)
    lines = "".join(f"word {i % 10} {i // 10}\t{i // 10} Wort {i % 10}\n" for i in range(100))
    (tmp_path / "pairs.tsv").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.fixture
def trained(run, here):
    assert run("train", "translation", "--pairs", "pairs.tsv", *SMALL, "--out", "x.run")[0] == 0
    return "x.run"


def test_train_on_number_phrases(run, here, monkeypatch):
    """In either direction; and the second test, of longer numbers."""
    monkeypatch.setattr("minitransformer.tasks.translation.pairs.N_TEST", 20)
    monkeypatch.setattr("minitransformer.tasks.translation.pairs.N_LONGER", 5)
    code, out, err = run("train", "translation", *SMALL)
    assert (code, err) == (0, "")
    assert "of 20 test sentences exactly right. Kept in translation-1.run." in out
    assert "Of numbers longer than any to learn from: 0.00%." in out
    code, out, err = run("train", "translation", "--direction", "en-zh", *SMALL, "--json")
    facts = json.loads(out)
    assert (code, facts["pairs"], facts["file"]) == (0, "numbers and dates, en-zh", "translation-2.run")
    assert facts["longer, exactly right"] == 0
    assert facts["steps"] == 5


def test_translate_arguments_files_and_standard_input(run, trained, monkeypatch):
    """A line for each sentence, in their order; an empty line stays one."""
    code, out, _ = run("translate", trained, "word 1 2", "word 3 4")
    assert (code, out.count("\n")) == (0, 2)
    code, as_json, _ = run("translate", trained, "word 1 2", "word 3 4", "--json")
    assert [row["target"] for row in json.loads(as_json)] == out.splitlines()
    monkeypatch.setattr("sys.stdin", io.StringIO("word 1 2\n\nword 3 4\n"))
    lines = run("translate", trained)[1].split("\n")
    assert [lines[0], lines[2]] == out.splitlines() and lines[1] == ""
    code, from_file, _ = run("translate", trained, "--file", "pairs.tsv", "--beam", "1")
    assert (code, from_file.count("\n")) == (0, 100)


def test_sentences_may_stand_anywhere(run, trained):
    """Before options or after them, with spaces around them or not."""
    expected = run("translate", trained, "word 1 2", "word 3 4")[1]
    assert run("translate", trained, "--beam", "4", "word 1 2", " word 3 4 ")[1] == expected
    assert run("translate", trained, "word 1 2", "--beam", "4", "word 3 4")[1] == expected
    assert run("translate", trained, "word 1 2", "", "word 3 4")[1].split("\n")[1] == ""


def test_unknown_words_are_named(run, trained):
    code, out, err = run("translate", trained, "word Haus 2")
    assert (code, out.count("\n")) == (0, 1)
    assert err == "Not in the vocabulary, so taken for any word: ' Haus'\n"
    for options in ((), ("--json",)):
        code, out, err = run("attention", trained, "word Haus 2", *options)
        assert code == 0 and out
        assert err == "Not in the vocabulary, so taken for any word: ' Haus'\n"


def test_standard_input_must_be_utf_8(run, trained, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"word 1 2\n\xff\n"), encoding="latin-1"))
    code, _, err = run("translate", trained)
    assert (code, err.splitlines()[-1][:46]) == (2, "minitransformer: error: standard input: not UT")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_is_a_sentence_however_it_ends(run, trained, here, monkeypatch, end):
    """From a file or standard input, with a byte order mark or not; U+2028 and a form feed end none."""
    sentences = ["word 1 2", "", "word\u20283\x0c4", "word 5 6"]
    expected = run("translate", trained, *sentences)[1]
    assert expected.count("\n") == 4
    for mark in ("", "\ufeff"):
        content = (mark + "".join(sentence + end for sentence in sentences)).encode()
        (here / "lines.txt").write_bytes(content)
        assert run("translate", trained, "--file", "lines.txt")[1] == expected
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="latin-1", newline="\n"))
        assert run("translate", trained)[1] == expected


def test_sentences_that_are_not_utf_8_are_refused(run, trained):
    """By the argument's name, before anything is translated."""
    bad = b"word \xff".decode(errors="surrogateescape")
    for command in (("translate", trained, "word 1 2", bad), ("attention", trained, bad)):
        error = "minitransformer: error: sentence: got '\\udcff' at character 5, expected valid UTF-8 text\n"
        assert run(*command) == (2, "", error)


def test_a_recurrent_model_to_compare_with(run, here):
    arguments = ["--model", "rnn", "--steps", "3", "--set", "d=4", "d_h=8", "B=8", "--out", "r.run"]
    code, out, _ = run("train", "translation", "--pairs", "pairs.tsv", *arguments)
    assert (code, out[:4]) == (0, "rnn:")
    assert run("translate", "r.run", "word 1 2")[0] == 0
    assert run("attention", "r.run", "word 1 2")[2].endswith("expected a Transformer: it has no attention\n")


def test_a_model_whose_numbers_overflow_ends_in_one_line(run, trained):
    """Its weights are finite, and what it says is not: no warning of NumPy stands before the line."""
    spoilt = load_run(trained)
    for w in leaves(spoilt.weights):
        w[...] = 3e38
    save_run("spoilt.run", spoilt)
    for command in ("translate", "attention"):
        code, out, err = run(command, "spoilt.run", "word 1 2")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("minitransformer: error: ")


def test_resuming_goes_on_to_a_new_goal(run, trained):
    code, _, _ = run("train", "translation", "--resume", trained, "--steps", "8")
    assert (code, load_run(trained).state.step) == (0, 8)


@pytest.mark.parametrize("side", [0, 1, 2])
def test_pairs_are_told_by_all_their_sides(run, trained, here, side):
    """Two that are exchanged, of validation, test or training: the words are the same, the pairs are not."""
    assert run("train", "translation", "--resume", trained, "--steps", "6")[0] == 0
    lines = [line.split("\t") for line in (here / "pairs.tsv").read_text(encoding="utf-8").splitlines()]
    first, second = [i for i, (source, _) in enumerate(lines) if min(zlib.crc32(source.encode()) % 10, 2) == side][:2]
    lines[first][1], lines[second][1] = lines[second][1], lines[first][1]
    (here / "pairs.tsv").write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    found = refused(run, "train", "translation", "--resume", trained, "--steps", "7")
    assert found.endswith("pairs.tsv' has other pairs than when the run began, expected the same file")


def test_attention_as_text_json_and_picture(run, trained, here):
    code, out, _ = run("attention", trained, "word 1 2", "--head", "2")
    assert code == 0
    assert out.startswith("layer 1, head 2\n")
    code, out, _ = run("attention", trained, "word 1 2", "--json")
    facts = json.loads(out)
    assert [len(facts["weights"]), len(facts["weights"][0]), len(facts["weights"][0][0])] == [
        1,
        2,
        len(facts["target"]),
    ]
    if importlib.util.find_spec("matplotlib"):
        assert "Drawn in x.png." in run("attention", trained, "word 1 2", "--png", "x.png")[1]
        assert (here / "x.png").exists()


def refused(run, *argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("minitransformer: error: ") and err.count("\n") == 1
    return err.removeprefix("minitransformer: error: ").rstrip("\n")


def test_what_they_refuse(run, trained, here):
    """One line, before anything is trained or written."""
    train = ("train", "translation")
    message = "direction: your own pairs have one already, expected no --direction beside --pairs"
    assert refused(run, *train, "--pairs", "pairs.tsv", "--direction", "en-zh") == message
    assert refused(run, *train, "--pairs", "no.tsv").startswith("text: cannot read 'no.tsv'")
    assert refused(run, *train, "--set", "h=3").startswith("h: got 3 heads")
    assert refused(run, *train, "--resume", trained, "--model", "rnn").startswith("resume: 'x.run' is a run of transf")
    message = "pairs: a run that is resumed keeps its own, expected no --pairs and no --direction"
    assert refused(run, *train, "--resume", trained, "--pairs", "pairs.tsv") == message
    (here / "pairs.tsv").write_text("".join(f"other {i}\tmore {i}\n" for i in range(99)), encoding="utf-8")
    assert "has other words than when the run began" in refused(run, *train, "--resume", trained)
    message = "file: got sentences besides, expected one or the other"
    assert refused(run, "translate", trained, "a", "--file", "pairs.tsv") == message
    assert refused(run, "translate", trained, "a", "--beam", "0") == "beam: got 0, expected 1 to 1000"
    assert refused(run, "translate", "pairs.tsv", "a").startswith("checkpoint: 'pairs.tsv' is damaged")
    assert refused(run, *train, "--pairs", "").startswith("text: cannot read ''")
    assert refused(run, *train, "--set", "label_smoothing=2", "--out", "y.run")[:15] == "label_smoothing"
    assert not (here / "y.run").exists()
    assert refused(run, "attention", trained, " ") == "sentence: got ' ', expected at least one word"
    assert refused(run, "attention", trained, "word", "--layer", "2") == "layer: got 2, expected 1 to 1"
    message = "json: it has all layers and heads, expected no --layer and no --head beside --json"
    for option in ("--layer", "--head"):
        assert refused(run, "attention", trained, "word", option, "1", "--json") == message


def test_a_picture_needs_a_name(run, trained):
    error = "minitransformer attention: error: argument --png: got '', expected the name of a file\n"
    assert run("attention", trained, "word 1 2", "--png", "") == (2, "", error)
