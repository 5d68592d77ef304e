"""Commands for language models: train, stop, resume, generate, compare; and what they refuse."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minitransformer.commands import language_models
from minitransformer.commands.training import alone_in
from minitransformer.data.corpus import SIDES, text_files
from minitransformer.files import hold, hold_new
from minitransformer.tasks.language_modelling import ladder
from minitransformer.tasks.language_modelling.run import load_run, save_run
from minitransformer.terminal import PlainScreen
from minitransformer.training import loop, session
from minitransformer.training.settings import with_changes
from minitransformer.tree import leaves

pytestmark = pytest.mark.usefixtures("clock")

SMALL = {
    "ngram": ["--set", "n=3"],
    "fnn": ["--steps", "5", "--set", "d=4", "d_hidden=8", "B=16"],
    "rnn": ["--steps", "5", "--set", "d=4", "d_h=8", "B=4", "context=8"],
    "gpt": ["--steps", "5", "--set", "n_layers=1", "d_model=8", "h=2", "d_ff=16", "context=8"],
}
every_kind = pytest.mark.parametrize("kind", SMALL)


@pytest.fixture
def text(tmp_path, monkeypatch):
    """A small file, and a directory to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(language_models, "make_screen", PlainScreen)
    path = tmp_path / "text.txt"
    path.write_text("".join(f"Sentence number {i} says {i * i}.\n\n" for i in range(400)), encoding="utf-8")
    return str(path)


@every_kind
def test_train_then_generate(run, text, kind):
    """A file, by default a new one each time; the facts; and text that goes on from the prompt."""
    code, out, err = run("train", kind, "--text", text, *SMALL[kind])
    assert (code, err) == (0, "")
    assert f"Kept in {kind}-1.run." in out
    assert "bits a character on the validation text" in out
    code, out, err = run("train", kind, "--text", text, *SMALL[kind], "--json")
    facts = json.loads(out)
    assert (code, err, facts["file"]) == (0, "", f"{kind}-2.run")
    assert facts["test bits a character"] > 0
    assert facts["steps"] == (0 if kind == "ngram" else 5)
    code, out, err = run("generate", f"{kind}-1.run", "--prompt", "Sentence", "--length", "7")
    assert (code, err) == (0, "")
    assert out.startswith("Sentence")
    assert len(out) == len("Sentence") + 7 + 1


@pytest.mark.parametrize("vocabulary", ["characters", "words", "byte-pairs"])
def test_a_prompt_that_is_not_utf_8_is_refused(run, text, vocabulary):
    """Whatever a word is; and nothing is printed before."""
    if vocabulary == "byte-pairs":
        pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    train = ("train", "ngram", "--text", text, "--vocabulary", vocabulary)
    assert run(*train, *SMALL["ngram"], "--out", "x.run")[0] == 0
    error = "minitransformer: error: prompt: got '\\udcff' at character 6, expected valid UTF-8 text\n"
    assert run("generate", "x.run", "--prompt", b"hello \xff".decode(errors="surrogateescape")) == (2, "", error)


def test_a_prompt_has_lines_as_the_text_has_them(run, text):
    """However they end: the model has learned no other."""
    run("train", "ngram", "--text", text, "--out", "x.run")
    found = {run("generate", "x.run", "--prompt", f"says 4.{end}", "--length", "5")[1] for end in ("\n", "\r\n", "\r")}
    assert len(found) == 1


def test_generate_takes_a_seed_and_ways_to_choose(run, text):
    run("train", "ngram", "--text", text, "--out", "x.run")
    texts = {run("generate", "x.run", "--seed", seed)[1] for seed in "012"}
    assert len(texts) > 1
    greedy = {run("generate", "x.run", "--seed", seed, "--temperature", "0")[1] for seed in "012"}
    only_one = {run("generate", "x.run", "--seed", seed, "--top-k", "1", "--temperature", "3")[1] for seed in "012"}
    assert greedy == only_one and len(greedy) == 1


def test_resuming_continues_to_the_same_weights(run, text):
    """To the goal that it had, or to a new one, on the text that it had."""
    small = SMALL["gpt"][2:]
    run("train", "gpt", "--text", text, "--steps", "8", *small, "--out", "whole.run")
    run("train", "gpt", "--text", text, "--steps", "3", *small, "--out", "part.run")
    code, out, _ = run("train", "gpt", "--resume", "part.run", "--steps", "8", "--json")
    assert (code, json.loads(out)["steps"]) == (0, 8)
    assert load_run("part.run").paths == (text,)
    assert load_run("part.run").state.step == load_run("whole.run").state.step == 8


@pytest.mark.parametrize("vocabulary", ["words", "byte-pairs"])
def test_other_vocabularies(run, text, vocabulary):
    """Their bits a character compare with those of characters."""
    if vocabulary == "byte-pairs":
        pytest.importorskip("tokenizers", reason="the extra `tokenizers` is not installed")
    arguments = ["train", "ngram", "--text", text, "--set", "n=3", "--json", "--vocabulary", vocabulary]
    code, out, _ = run(*arguments, "--vocabulary-size", "300", "--out", "x.run")
    facts = json.loads(out)
    assert code == 0
    assert facts["vocabulary"] <= 300
    assert (facts["unknown words"] > 0) == (vocabulary == "words")
    assert (facts["test bits a character"] < facts["test bits a word"]) == (vocabulary == "byte-pairs")
    code, out, _ = run("generate", "x.run", "--prompt", "Sentence number", "--length", "5")
    assert code == 0


@pytest.fixture
def saving(tmp_path):
    """The command line in a process of its own that saves after each step; start it with the rest of the arguments."""
    script = tmp_path / "saving.py"
    script.write_text(
        "import sys\n"
        "from minitransformer.__main__ import main\n"
        "from minitransformer.training import session\n"
        "session.SAVE_SECONDS = -1.0\n"
        "sys.exit(main(sys.argv[1:]))\n",
        encoding="utf-8",
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return lambda *arguments: subprocess.Popen([sys.executable, script, *arguments], cwd=tmp_path, **pipes)


def step_of(path):
    return load_run(path).state.step if path.exists() else 0


def wait_for_step(process, path, step):
    """Until what it saves has come so far, however long that takes; a process that ended before that has failed."""
    while step_of(path) < step:
        if process.poll() is not None:
            pytest.fail(f"ended with {process.returncode} at step {step_of(path)}: {process.stderr.read().decode()}")
        time.sleep(0.01)


def test_ctrl_c_keeps_what_was_learned(text, tmp_path, saving):
    """One line, exit code 130, and a file that goes on."""
    process = saving("train", "fnn", "--text", text, "--steps", "1000000", "--out", "x.run")
    wait_for_step(process, tmp_path / "x.run", 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Stopped by Ctrl-C." in out
    assert b"minitransformer train fnn --resume x.run" in out
    assert load_run(tmp_path / "x.run").state.step > 0


def test_compare_lm_shows_the_ladder(run, text, monkeypatch, tmp_path):
    """As a table, as JSON, as a picture; and keeps the models."""
    changes = {name: dict(a.split("=") for a in arguments if "=" in a) for name, arguments in SMALL.items()}
    kinds = {
        name: kind._replace(settings=with_changes(kind.settings, changes[name])) for name, kind in ladder.KINDS.items()
    }
    monkeypatch.setattr(ladder, "KINDS", kinds)
    code, out, _ = run("compare", "lm", "--text", text, "--minutes", "0.01")
    assert code == 0
    for name in ("bigram", "Kneser-Ney", "FNNLM", "RNNLM", "GPT", "zlib", "xz after the training text"):
        assert name in out
    (tmp_path / "kept").mkdir()
    plot = ["--plot", "ladder.png"] if importlib.util.find_spec("matplotlib") else []
    code, out, _ = run("compare", "lm", "--text", text, "--minutes", "0.01", "--json", "--out", "kept", *plot)
    facts = json.loads(out)
    assert code == 0
    assert [model["kind"] for model in facts["models"]] == ["ngram", "ngram", "fnn", "rnn", "gpt"]
    assert facts["compressors, bits a character"]["xz"] > 0
    assert [load_run(path).kind.name for path in sorted((tmp_path / "kept").iterdir())] == [
        model["kind"] for model in facts["models"]
    ]
    assert (tmp_path / "ladder.png").exists() == bool(plot)


def refused(run, *argv):
    """The one line that says why, without its beginning."""
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("minitransformer: error: ") and err.count("\n") == 1
    return err.removeprefix("minitransformer: error: ").rstrip("\n")


def test_what_train_refuses(run, text, tmp_path):
    """Before anything is trained or written."""
    (tmp_path / "there.run").write_bytes(b"")
    train = ("train", "gpt", "--text", text)
    message = "out: 'there.run' exists already, expected a new name, or --resume there.run"
    assert refused(run, *train, "--out", "there.run") == message
    assert refused(run, *train, "--out", "no/x.run") == "out: there is no directory 'no', expected one that exists"
    assert refused(run, *train, "--steps", "0") == "steps: got 0, expected 1 or more"
    assert refused(run, *train, "--accumulate", "0") == "accumulate: got 0, expected 1 or more"
    assert refused(run, *train, "--minutes", "nan") == "minutes: got nan, expected a number above 0"
    assert refused(run, *train, "--set", "h") == "set: got 'h', expected NAME=VALUE"
    assert refused(run, *train, "--set", "depth=3").startswith("set: got 'depth', expected one of n_layers, ")
    assert refused(run, "train", "gpt", "--text", "no.txt").startswith("text: cannot read 'no.txt'")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt", "there.run"]


@pytest.mark.parametrize("command", [("train", "ngram"), ("compare", "lm")], ids=" ".join)
def test_characters_have_no_size_to_choose(run, text, command):
    """They are those of the text: a size would be ignored."""
    message = "vocabulary_size: got 300, expected none for characters, which are those of the text"
    for characters in ((), ("--vocabulary", "characters")):
        assert refused(run, *command, "--text", text, *characters, "--vocabulary-size", "300") == message


def test_what_resume_refuses(run, text, tmp_path):
    """A file that is no run, a run of another kind, other settings, another text."""
    run("train", "fnn", "--text", text, *SMALL["fnn"], "--out", "x.run")
    assert refused(run, "train", "gpt", "--resume", "x.run") == "resume: 'x.run' is a run of fnn, expected one of gpt"
    assert refused(run, "train", "fnn", "--resume", text).startswith(f"checkpoint: '{text}' is damaged")
    message = "set: a run that is resumed keeps its settings, expected no --set beside --resume"
    assert refused(run, "train", "fnn", "--resume", "x.run", "--set", "d=5") == message
    message = "vocabulary: a run that is resumed keeps its own, expected no --vocabulary and no --vocabulary-size"
    for given in (("--vocabulary", "words"), ("--vocabulary-size", "300")):
        assert refused(run, "train", "fnn", "--resume", "x.run", *given) == message
    other = tmp_path / "other.txt"
    other.write_text("".join(f"Another sentence, {i}.\n\n" for i in range(300)), encoding="utf-8")
    message = f"text: got {other}, expected the text that the run began with, unchanged"
    assert refused(run, "train", "fnn", "--resume", "x.run", "--text", str(other)) == message
    original = (tmp_path / "text.txt").read_text(encoding="utf-8")
    other.write_text(original.replace("says", "sags"), encoding="utf-8")
    assert refused(run, "train", "fnn", "--resume", "x.run", "--text", str(other)) == message
    message = "out: 'text.txt' exists already, expected a new name, or --resume text.txt"
    assert refused(run, "train", "fnn", "--resume", "x.run", "--out", "text.txt") == message


def test_what_generate_refuses(run, text):
    run("train", "ngram", "--text", text, "--out", "x.run")
    assert refused(run, "generate", "no.run").startswith("checkpoint: cannot read 'no.run'")
    assert refused(run, "generate", "x.run", "--prompt", "") == "prompt: got '', expected at least one word"
    assert refused(run, "generate", "x.run", "--length", "-1") == "length: got -1, expected 0 or more"
    message = "length: got 99999999999999999999, expected at most 1000000000000"
    assert refused(run, "generate", "x.run", "--length", "9" * 20) == message
    message = "temperature: got -1.0, expected a finite number, 0 or more"
    assert refused(run, "generate", "x.run", "--temperature", "-1") == message
    assert refused(run, "generate", "x.run", "--top-k", "0") == "top_k: got 0, expected 1 or more"
    assert refused(run, "generate", "x.run", "--top-p", "2") == "top_p: got 2.0, expected a probability above 0"


def test_unknown_characters_of_a_prompt_are_named(run, text):
    run("train", "ngram", "--text", text, "--out", "x.run")
    code, out, err = run("generate", "x.run", "--prompt", "\u4f60 S\u597d", "--length", "2")
    assert (code, out[:4]) == (0, "\u4f60 S\u597d")
    assert err == "Not in the vocabulary, so taken for any word: '\u4f60', '\u597d'\n"


def test_a_model_that_fails_while_it_writes_ends_in_one_line(run, text, monkeypatch):
    """What it has written so far stays."""

    def failing(*_):
        yield "so far"
        raise ValueError("logits: got nan as the highest of 3, expected a finite number")

    run("train", "ngram", "--text", text, "--out", "x.run")
    monkeypatch.setattr(language_models, "written", failing)
    code, out, err = run("generate", "x.run", "--prompt", "a")
    assert (code, out) == (2, "aso far\n")
    assert err == "minitransformer: error: logits: got nan as the highest of 3, expected a finite number\n"


@pytest.mark.parametrize("kind", ["fnn", "rnn", "gpt"])
def test_a_model_whose_logits_overflow_ends_in_one_line(run, text, kind):
    """Its weights are finite, and its logits are not: no warning of NumPy stands before the line."""
    run("train", kind, "--text", text, *SMALL[kind], "--out", "x.run")
    spoilt = load_run("x.run")
    for w in leaves(spoilt.weights):
        w[...] = 3e38
    save_run("y.run", spoilt)
    code, out, err = run("generate", "y.run", "--prompt", "a")
    assert (code, out, err.count("\n")) == (2, "a\n", 1)
    assert err.startswith("minitransformer: error: logits: got ")


@pytest.mark.parametrize(
    "kind, setting, message",
    [
        ("gpt", "rate=1.5", "rate: got 1.5, expected a probability in [0, 1)"),
        ("gpt", "context=1", "context: got 1, expected 2 or more"),
        ("gpt", "d_model=0", "d_model: got 0, expected 1 or more"),
        ("gpt", "d_ff=10000000", "d_ff: got 10000000, expected at most 1000000"),
        ("gpt", "peak=nan", "peak: got nan, expected a finite number above 0"),
        ("rnn", "decay=-1", "decay: got -1.0, expected a finite number, 0 or more"),
        ("rnn", "B=9999", "text: got 10297 words for training, expected more than 639936, B times context"),
        ("fnn", "n=40", "n: got 40, expected at most 32, so that all words have a history"),
        ("ngram", "n=20", "n: got 20, too large for 26 words, expected at most 13 (--set n=13)"),
    ],
)
def test_settings_are_checked_before_anything_is_trained(run, text, kind, setting, message):
    """By their names; no file is left."""
    expected = message.split(" words for training")[-1]
    assert refused(run, "train", kind, "--text", text, "--set", setting, "--out", "x.run").endswith(expected)
    assert not os.path.exists("x.run")


def test_a_model_that_finds_the_text_impossible_is_said_to(run, text):
    """Infinitely many bits; JSON has no infinity, so it is null there."""
    arguments = ["train", "ngram", "--text", text, "--set", "n=4", "smoothing=maximum likelihood"]
    code, out, _ = run(*arguments, "--json")
    facts = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, facts["test bits a character"], facts["test perplexity"]) == (0, None, None)
    assert "infinitely many bits a character" in run(*arguments)[1]


@pytest.mark.parametrize("steps", ["1", "40"])
def test_a_training_that_diverges_stops_and_says_so(run, text, tmp_path, steps):
    """One line; and no checkpoint of numbers that are none, also where it is the last step that diverges."""
    arguments = ["--set", "d=8", "d_hidden=16", "B=8", "warmup=1", "peak=1e39", "--steps", steps, "--out", "x.run"]
    with np.errstate(all="ignore"):
        code, _, err = run("train", "fnn", "--text", text, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("minitransformer: error: training: step ") and "expected finite numbers" in err
    assert err.endswith("; nothing was saved\n")
    assert os.listdir(tmp_path) == ["text.txt"]


@pytest.mark.parametrize(("kind", "rate"), [("fnn", 1e39), ("gpt", 1e30)])
def test_a_training_that_diverges_leaves_what_was_kept(run, text, monkeypatch, kind, rate):
    """And says where. Weights of 1e30 are finite, but a layer norm's squares of them are not."""
    run("train", kind, "--text", text, *SMALL[kind], "--out", "x.run")
    before = load_run("x.run")
    monkeypatch.setattr(session, "SAVE_SECONDS", -1.0)
    monkeypatch.setattr(loop, "rate_at", lambda plan, state: rate)
    with np.errstate(all="ignore"):
        code, _, err = run("train", kind, "--resume", "x.run", "--steps", "30")
    assert (code, err.count("\n")) == (2, 1)
    assert err.endswith("; the last checkpoint is in x.run\n")
    assert_array_equal(load_run("x.run").state.weights, before.state.weights)
    assert load_run("x.run").state.step == before.state.step == 5


def test_too_little_memory_is_one_line(run, text, monkeypatch):
    """In a step; the one before it is kept, and goes on to the weights that it would have had."""
    run("train", "rnn", "--text", text, *SMALL["rnn"], "--out", "whole.run")
    real = loop.adam

    def adam(weights, gradient, state, *arguments, **options):
        if state.step == 3:
            raise MemoryError("Unable to allocate 8.00 GiB")
        return real(weights, gradient, state, *arguments, **options)

    monkeypatch.setattr(loop, "adam", adam)
    code, _, err = run("train", "rnn", "--text", text, *SMALL["rnn"], "--out", "x.run")
    message = "memory: Unable to allocate 8.00 GiB, expected something smaller; the last checkpoint is in"
    assert (code, err) == (2, f"minitransformer: error: {message} x.run\n")
    assert load_run("x.run").state.step == 3
    monkeypatch.setattr(loop, "adam", real)
    assert run("train", "rnn", "--resume", "x.run")[0] == 0
    assert_array_equal(load_run("x.run").state.weights, load_run("whole.run").state.weights)


def test_a_name_is_that_of_one_training_from_its_start(run, text, tmp_path):
    """Of those that begin at once none writes the other's file, nor of those that go on; and nothing else is left."""
    train = ("train", "fnn", "--text", text, *SMALL["fnn"])
    with hold_new("fnn-1.run"):
        assert "Kept in fnn-2.run." in run(*train)[1]
        message = "out: 'fnn-1.run' is in use by another training, expected a new name"
        assert refused(run, *train, "--out", "fnn-1.run") == message
    with hold("fnn-2.run"):
        message = "resume: 'fnn-2.run' is in use by another training, expected one that has ended"
        assert refused(run, "train", "fnn", "--resume", "fnn-2.run") == message
        assert run("generate", "fnn-2.run", "--length", "3")[0] == 0
    assert "Kept in fnn-1.run." in run(*train)[1]
    assert run("train", "fnn", "--resume", "fnn-2.run", "--steps", "6")[0] == 0
    assert sorted(os.listdir(tmp_path)) == ["fnn-1.run", "fnn-2.run", "text.txt"]


def test_two_comparisons_need_two_directories(run, text, tmp_path):
    (tmp_path / "kept").mkdir()
    with alone_in(tmp_path / "kept"):
        message = "out: 'kept' is in use by another comparison, expected another directory"
        assert refused(run, "compare", "lm", "--text", text, "--out", "kept") == message
    assert os.listdir(tmp_path / "kept") == []


@pytest.mark.parametrize("side", [0, 1, 2])
def test_a_text_is_told_by_all_its_sides(run, tmp_path, monkeypatch, side):
    """A letter that is another one, in validation, test or training; one that the model does not know, too."""
    monkeypatch.chdir(tmp_path)
    documents = [f"Document {i:03d} says that {i * i:05d} is a square.\n\n" for i in range(60)]
    path = tmp_path / "text.txt"
    path.write_text("".join(documents), encoding="utf-8")
    numbers = [i for i, document in enumerate(text_files([path]).documents(), 1) if document.side == SIDES[side]]
    assert run("train", "fnn", "--text", "text.txt", *SMALL["fnn"], "--out", "x.run")[0] == 0
    assert run("train", "fnn", "--resume", "x.run", "--steps", "6")[0] == 0
    pieces = [document.text for document in text_files([path]).documents()]
    pieces[numbers[1] - 1] = pieces[numbers[1] - 1].replace("square", "sqüare")
    path.write_text("".join(pieces), encoding="utf-8")
    message = "text: got text.txt, expected the text that the run began with, unchanged"
    assert refused(run, "train", "fnn", "--resume", "x.run", "--steps", "7") == message


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--steps", "steps: got 99999999999999999999, expected at most 1000000000000"),
        ("--accumulate", "accumulate: got 99999999999999999999, expected at most 1000000"),
        ("--minutes", "minutes: got 1e+20, expected at most 1000000000000"),
        ("--vocabulary-size", "vocabulary_size: got 99999999999999999999, expected at most 1000000"),
        ("--set", "steps: got 99999999999999999999, expected at most 1000000000000"),
    ],
)
def test_numbers_that_nobody_waits_for_are_refused(run, text, option, message):
    """By the option's name, before anything is done."""
    number = f"steps={'9' * 20}" if option == "--set" else "9" * 20
    assert refused(run, "train", "gpt", "--text", text, option, number) == message


def test_a_resumed_run_keeps_its_seed(run, text):
    """To ask for another one changes nothing, and is not passed over."""
    run("train", "gpt", "--text", text, "--steps", "2", *SMALL["gpt"][2:], "--out", "x.run")
    message = "seed: a run that is resumed keeps its own, expected no --seed beside --resume"
    assert refused(run, "train", "gpt", "--resume", "x.run", "--steps", "3", "--seed", "5") == message
    assert load_run("x.run").state.step == 2


def test_a_training_whose_output_fails_is_kept(text, tmp_path):
    """Nobody reads on; what was learned is there all the same."""
    command = [sys.executable, "-m", "minitransformer", "train", "fnn", "--text", text, *SMALL["fnn"], "--out", "x.run"]
    with open("/dev/full", "w") as full:
        process = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert process.returncode == 74
    assert b"Traceback" not in process.stderr
    assert b"minitransformer: error: output: No space left on device" in process.stderr


def test_what_compare_refuses(run, text, monkeypatch, tmp_path):
    """Before the first model is trained."""
    compare = ("compare", "lm", "--text", text)
    assert refused(run, *compare, "--minutes", "0") == "minutes: got 0.0, expected a number above 0"
    (tmp_path / "1-ngram.run").write_bytes(b"")
    message = "out: '.' has '1-ngram.run' already, expected a directory without models"
    assert refused(run, *compare, "--out", ".") == message
    assert refused(run, *compare, "--out", "no") == "out: there is no directory 'no', expected one that exists"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'minitransformer[plots]'" in refused(run, *compare, "--plot", "x.png")


def test_a_training_that_is_killed_leaves_a_checkpoint_that_goes_on(text, tmp_path, saving):
    """SIGKILL at random moments while it saves without a pause; each time the file is whole, and is resumed."""
    kills = int(os.environ.get("KILLS", "5"))
    begin = ["train", "rnn", "--text", text, "--steps", "1000000", *SMALL["rnn"][2:], "--out", "x.run"]
    path = tmp_path / "x.run"
    reached = 0
    for kill in range(kills):
        arguments = begin if kill == 0 else ["train", "rnn", "--resume", "x.run"]
        process = saving(*arguments)
        wait_for_step(process, path, reached + 1)
        time.sleep(0.037 * (kill % 7))  # the moment; whichever it is, the file must be whole
        process.kill()
        process.communicate()
        assert step_of(path) > reached
        reached = step_of(path)
