"""Commands for BERT: pretrain it, fill masks, fine-tune it, ask it; and what they refuse."""

import io
import json

import pytest
from few_documents import write_texts

from minitransformer.commands import language_models, pretraining, training
from minitransformer.commands.finetuning import TASKS
from minitransformer.data.docstrings import Docstring
from minitransformer.tasks.classification import topics
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.reading import reading
from minitransformer.tasks.run import load_run, save_run
from minitransformer.terminal import PlainScreen
from minitransformer.tree import leaves

SIZES = ["n_layers=1", "d_model=16", "h=2", "d_ff=32", "context=48", "short=24", "vocabulary=150", "B=4"]
SMALL = ["--text", "text0.txt", "text1.txt", "--steps", "3", "--set", *SIZES]
FINE_TUNED = [kind for task in TASKS.values() for kind in task.kinds]
QUESTION = "what is the type of parameter x3?"


def docstring(number):
    module, kind = (("queue", "int"), ("xml", "bool"))[number % 2]
    text = f"Do {number}.\n\nParameters\n----------\nx{number} : {kind}\n    The {module} to take, and to go on with.\n"
    return Docstring(f"{module}.f{number}", text)


DOCSTRINGS = [docstring(number) for number in range(40)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory to work in, with files of text, and a few docstrings instead of all that there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "make_screen", PlainScreen)
    monkeypatch.setattr(language_models, "make_screen", PlainScreen)
    monkeypatch.setattr(reading, "numpy_docstrings", lambda: DOCSTRINGS)
    monkeypatch.setattr(topics, "library_docstrings", lambda: DOCSTRINGS)
    monkeypatch.setattr(bert, "JUDGE_AT", 3)
    write_texts(tmp_path)
    (tmp_path / "doc.txt").write_text(docstring(3).text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def pretrained(run, here):
    assert run("pretrain", "bert", *SMALL, "--out", "b.run")[0] == 0
    return "b.run"


@pytest.fixture
def tuned(run, pretrained):
    assert run("finetune", "qa", "--from", pretrained, "--steps", "2", "--out", "q.run")[0] == 0
    assert run("finetune", "classify", "--from", pretrained, "--steps", "2", "--out", "c.run")[0] == 0
    return "q.run", "c.run"


def runs_in(directory):
    return sorted(path.name for path in directory.glob("*.run"))


def test_pretrain(run, here):
    """What is learned from, what it came to beside what can be had without a model, and what to do next."""
    code, out, err = run("pretrain", "bert", *SMALL)
    assert (code, err) == (0, "")
    assert out.startswith("bert: ") and "weights, on text0.txt, text1.txt: " in out
    assert "Masked words of the test text guessed right: " in out
    assert "a table of neighbours on both sides: " in out
    assert out.endswith('Kept in bert-1.run.\n    minitransformer fill bert-1.run "the [MASK] statement"\n')
    kept = load_run("bert-1.run", bert.BERT)
    assert (kept.state.step, kept.settings.d_model, kept.about["paths"]) == (3, 16, ["text0.txt", "text1.txt"])


def test_pretrain_as_json(run, here):
    """One document, and nothing else; a second run has a name of its own."""
    run("pretrain", "bert", *SMALL)
    code, out, err = run("pretrain", "bert", *SMALL, "--json", "--seed", "3")
    facts = json.loads(out)
    assert (code, err) == (0, "")
    assert (facts["kind"], facts["steps"], facts["file"], facts["stopped"]) == ("bert", 3, "bert-2.run", False)
    assert facts["settings"]["context"] == 48
    assert facts["text"] == "text0.txt, text1.txt"
    for name in ("masked words", "next sentences", "most frequent word", "neighbours"):
        assert 0 <= facts[name] <= 1
    assert facts["looks"][-1]["step"] == 3
    assert load_run("bert-2.run", bert.BERT).seed == 3


def test_without_files_it_reads_the_documentation(run, here, monkeypatch):
    """Which is another corpus, kept without paths."""
    corpus = pretraining.load_corpus(["text0.txt"])
    monkeypatch.setattr(pretraining, "documentation", lambda: corpus)
    assert run("pretrain", "bert", *SMALL[3:])[0] == 0
    assert load_run("bert-1.run", bert.BERT).about["paths"] == []
    assert run("pretrain", "bert", "--resume", "bert-1.run", "--steps", "4")[0] == 0


def test_a_small_model_keeps_its_settings_within_their_bounds(run, here):
    """Pairs are no longer than the context, though the default of short ones is."""
    sizes = [text for text in SIZES if not text.startswith(("context", "short"))]
    assert run("pretrain", "bert", *SMALL[:5], "--set", *sizes, "context=16")[0] == 0


def test_resuming_goes_on_with_its_own_text(run, pretrained, here):
    """To a new end, in its own file or in a new one."""
    assert run("pretrain", "bert", "--resume", pretrained, "--steps", "5")[0] == 0
    assert runs_in(here) == ["b.run"]
    assert load_run(pretrained, bert.BERT).state.step == 5
    assert run("pretrain", "bert", "--resume", pretrained, "--steps", "6", "--out", "new.run")[0] == 0
    assert [load_run(name, bert.BERT).state.step for name in (pretrained, "new.run")] == [5, 6]


def test_fill(run, pretrained):
    """A line for each mask; as JSON with probabilities."""
    code, out, err = run("fill", pretrained, "The [MASK] is in the [MASK].", "--top", "3")
    assert (code, err) == (0, "")
    assert [line.count("%") for line in out.splitlines()] == [3, 3]
    code, out, err = run("fill", pretrained, "The [MASK].", "--json")
    ((first, *others),) = json.loads(out)
    assert (code, len(others)) == (0, 4)
    assert 0 < others[-1]["probability"] <= first["probability"] < 1 and first["word"]


def test_unknown_words_are_named(run, pretrained, tuned):
    """Each once, on standard error, by every command that takes a text; the answer stays on standard output."""
    strange, named = "\u4f60\u597d\u4f60", "'\u4f60', '\u597d'\n"
    run("finetune", "classify", "--from", pretrained, "--steps", "2", "--out", "c.run")
    for argv in (
        ("fill", pretrained, f"The [MASK] {strange}."),
        ("classify", "c.run", f"The {strange}."),
        ("answer", "q.run", "--question", f"{QUESTION} {strange}", "--context", "doc.txt"),
    ):
        code, out, err = run(*argv)
        assert code == 0 and out
        assert err.startswith("Not in the vocabulary, so taken for any word: ")
        assert err.endswith(named) and err.count("\u4f60") == 1


def test_models_whose_numbers_overflow_end_in_one_line(run, pretrained, tuned):
    """Their weights are finite, and what they say is not: no warning of NumPy stands before the line."""
    run("finetune", "classify", "--from", pretrained, "--steps", "2", "--out", "c.run")
    for path, kinds in ((pretrained, [bert.BERT]), ("c.run", FINE_TUNED), ("q.run", FINE_TUNED)):
        spoilt = load_run(path, *kinds)
        for w in leaves(spoilt.weights):
            w[...] = 3e38
        save_run(f"spoilt-{path}", spoilt)
    for argv in (
        ("fill", f"spoilt-{pretrained}", "The [MASK]."),
        ("classify", "spoilt-c.run", "The queue."),
        ("answer", "spoilt-q.run", "--question", QUESTION, "--context", "doc.txt"),
    ):
        code, out, err = run(*argv)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("minitransformer: error: ")


def test_finetune_and_answer(run, tuned, monkeypatch):
    """A file or standard input; the answer stands in the text, or there is none."""
    run("finetune", "qa", "--resume", "q.run", "--steps", "3")
    assert load_run("q.run", *FINE_TUNED).state.step == 3
    code, out, _ = run("answer", "q.run", "--question", QUESTION, "--context", "doc.txt")
    assert code == 0
    assert out == "(no answer)\n" or out[:-1] in docstring(3).text
    monkeypatch.setattr("sys.stdin", io.StringIO(docstring(3).text))
    assert run("answer", "q.run", "--question", QUESTION, "--context", "-")[1] == out
    code, as_json, _ = run("answer", "q.run", "--question", QUESTION, "--context", "doc.txt", "--json")
    facts = json.loads(as_json)
    assert (code, facts["question"]) == (0, QUESTION)
    assert (facts["answer"] is None) == (facts["score"] <= 0) == (out == "(no answer)\n")


@pytest.mark.parametrize(("found", "line"), [(("array_like", 1.5), "array_like\n"), ((None, -1.5), "(no answer)\n")])
def test_an_answer_and_none(run, tuned, monkeypatch, found, line):
    monkeypatch.setattr(reading, "answer", lambda run, question, text: found)
    ask = ("answer", "q.run", "--question", QUESTION, "--context", "doc.txt")
    assert run(*ask)[:2] == (0, line)
    assert json.loads(run(*ask, "--json")[1]) == {"question": QUESTION, "answer": found[0], "score": found[1]}


def test_finetune_classify_and_classify(run, tuned):
    """The three likeliest topics; as JSON all of them, the likeliest first."""
    code, out, _ = run("classify", "c.run", "Wait for the queue.")
    assert (code, out.count("\n")) == (0, 3)
    code, as_json, _ = run("classify", "c.run", "Wait for the queue.", "--json")
    found = json.loads(as_json)
    assert code == 0 and set(found) == set(TOPICS)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert [line.split("  ")[-1] for line in out.splitlines()] == list(found)[:3]


def test_what_finetuning_says(run, pretrained):
    """Of what, from how much, how much is right, and what to do next."""
    code, out, err = run("finetune", "qa", "--from", pretrained, "--steps", "2", "--labels", "5")
    assert (code, err) == (0, "")
    assert "on questions about NumPy's docstrings: 5 to learn from.\n" in out
    assert " test examples right (mean overlap, F1: " in out
    assert out.endswith(
        'Kept in qa-1.run.\n    minitransformer answer qa-1.run --question "what is the type of parameter axis?" '
        "--context FILE\n"
    )
    code, out, err = run("finetune", "classify", "--from", pretrained, "--steps", "2", "--json", "--labels", "6")
    facts = json.loads(out)
    assert (code, err, facts["file"], facts["steps"]) == (0, "", "classify-1.run", 2)
    assert 0 <= facts["right"] <= 1 and facts["tested"] > 0
    kept = load_run("classify-1.run", *FINE_TUNED)
    assert kept.about == {"from": pretrained, "scratch": False, "labels": 6}
    assert (kept.settings.d_model, kept.settings.context, kept.classes) == (16, 48, TOPICS)


def test_a_resumed_fine_tuning_keeps_its_labels(run, pretrained):
    """And its data."""
    run("finetune", "classify", "--from", pretrained, "--steps", "2", "--labels", "6", "--out", "c.run")
    code, out, _ = run("finetune", "classify", "--resume", "c.run", "--steps", "3")
    assert code == 0 and ": 6 to learn from" in out
    assert load_run("c.run", *FINE_TUNED).about["labels"] == 6


def test_from_scratch(run, pretrained):
    """The same shape; other weights, which two steps have not moved to the others."""
    for flags, name in (((), "a.run"), (("--scratch",), "s.run")):
        arguments = ("--from", pretrained, "--steps", "1", "--seed", "7", "--set", "peak=1e-9", "--out", name)
        assert run("finetune", "qa", *arguments, *flags)[0] == 0
    base = load_run(pretrained, bert.BERT).weights.bert.embedding.tokens.E
    tuned, scratch = (load_run(name, *FINE_TUNED) for name in ("a.run", "s.run"))
    assert abs(tuned.weights.bert.embedding.tokens.E - base).max() < 1e-6
    assert abs(scratch.weights.bert.embedding.tokens.E - base).max() > 0.1
    assert scratch.settings == tuned.settings
    assert scratch.about["scratch"]


def test_the_recurrent_reader(run, pretrained, here):
    small = ("--steps", "2", "--set", "d=4", "d_h=6", "context=40", "--out", "r.run")
    code, out, err = run("finetune", "qa", "--model", "rnn", "--from", pretrained, *small)
    assert (code, err, out[:4]) == (0, "", "rnn:")
    assert run("finetune", "qa", "--resume", "r.run", "--model", "rnn", "--steps", "3")[0] == 0
    assert run("answer", "r.run", "--question", QUESTION, "--context", "doc.txt")[0] == 0
    message = "resume: 'r.run' is a run of rnn, expected one of bert"
    assert refused(run, "finetune", "qa", "--resume", "r.run", "--model", "bert") == message


def test_gpt_classifies_too(run, here):
    """From what `train gpt` wrote."""
    small = ("n_layers=1", "d_model=8", "h=2", "d_ff=16", "context=16")
    assert run("train", "gpt", "--text", "text0.txt", "--steps", "2", "--set", *small, "--out", "g.run")[0] == 0
    code, out, err = run("finetune", "classify", "--from", "g.run", "--steps", "2", "--out", "gc.run")
    assert (code, err, out[:4]) == (0, "", "gpt:")
    assert run("classify", "gc.run", "Wait for the queue.")[0] == 0
    assert refused(run, "finetune", "qa", "--from", "g.run").endswith(
        "(it holds language modelling (gpt), expected pretraining (bert))"
    )


def refused(run, *argv):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("minitransformer: error: ") and err.count("\n") == 1
    return err.removeprefix("minitransformer: error: ").rstrip("\n")


@pytest.fixture
def unchanged(here):
    """A test in which no run may be written."""
    before = runs_in(here)
    yield
    assert runs_in(here) == before


def test_what_pretrain_refuses(run, pretrained, unchanged, here):
    """One line, before anything is written."""
    pretrain = ("pretrain", "bert")
    assert refused(run, *pretrain, "--text", "no.txt").startswith("text: cannot read 'no.txt'")
    assert refused(run, *pretrain, "--text", "").startswith("text: cannot read ''")
    (here / "one.txt").write_text("One sentence alone", encoding="utf-8")
    assert refused(run, *pretrain, "--text", "one.txt").startswith("text: got 0 documents of two sentences or more")
    assert refused(run, *pretrain, *SMALL, "h=3").startswith("h: got 3 heads, expected a number that divides the 16")
    assert refused(run, *pretrain, *SMALL, "size=3").startswith("set: got 'size', expected one of n_layers, d_model")
    assert refused(run, *pretrain, *SMALL, "rate=1") == "rate: got 1.0, expected a probability in [0, 1)"
    assert refused(run, *pretrain, *SMALL, "--steps", "0") == "steps: got 0, expected 1 or more"
    assert refused(run, *pretrain, *SMALL, "--minutes", "0") == "minutes: got 0.0, expected a number above 0"
    assert refused(run, *pretrain, *SMALL, "vocabulary=5") == "vocabulary: got 5, expected 6 or more"
    for name in ("context", "short"):
        assert refused(run, *pretrain, *SMALL, f"{name}=7") == f"{name}: got 7, expected 8 or more"
    assert refused(run, *pretrain, *SMALL, "--out", "b.run").startswith("out: 'b.run' exists already")
    assert refused(run, *pretrain, *SMALL, "--out", "no/b.run").startswith("out: there is no directory 'no'")


def test_what_resuming_refuses(run, pretrained, tuned, unchanged, here):
    """Another text, other settings, another kind of run."""
    pretrain = ("pretrain", "bert", "--resume")
    message = "text: a run that is resumed keeps its own, expected no --text beside --resume"
    assert refused(run, *pretrain, pretrained, "--text", "text0.txt") == message
    message = "set: a run that is resumed keeps its settings, expected no --set beside --resume"
    assert refused(run, *pretrain, pretrained, "--set", "B=3") == message
    assert refused(run, *pretrain, "q.run").endswith(
        "(it holds reading comprehension (bert), expected pretraining (bert))"
    )
    assert refused(run, *pretrain, "no.run").startswith("checkpoint: cannot read 'no.run'")
    assert refused(run, *pretrain, "text0.txt").startswith("checkpoint: 'text0.txt' is damaged")
    with (here / "text0.txt").open("a", encoding="utf-8") as file:
        file.write("\n\nOne more sentence. And another one, of more words than there were before.")
    message = "text: it has changed since the run began, expected the same text"
    assert refused(run, *pretrain, pretrained) == message
    for option in (("--from", pretrained), ("--labels", "3"), ("--labels", "0")):
        message = f"{option[0][2:]}: a run that is resumed keeps its own, expected none"
        assert refused(run, "finetune", "qa", "--resume", "q.run", *option) == message
    message = "scratch: a run that is resumed keeps its own, expected none"
    assert refused(run, "finetune", "qa", "--resume", "q.run", "--scratch") == message
    assert "is no run to use here (it holds classification" in refused(run, "finetune", "qa", "--resume", "c.run")


def test_a_text_of_as_many_tokens_is_another_one(run, pretrained, unchanged, here):
    """Two documents that change their places."""
    documents = (here / "text0.txt").read_text(encoding="utf-8").split("\n\n")
    documents[3], documents[4] = documents[4], documents[3]
    (here / "text0.txt").write_text("\n\n".join(documents), encoding="utf-8")
    message = "text: it has changed since the run began, expected the same text"
    assert refused(run, "pretrain", "bert", "--resume", pretrained) == message


@pytest.mark.parametrize(("task", "name"), [("qa", "q.run"), ("classify", "c.run")])
@pytest.mark.parametrize("side", ["training", "validation", "test"])
def test_docstrings_of_another_version_are_others(run, tuned, monkeypatch, task, name, side):
    """One of them, on any side, that says more, after all that is asked about."""
    assert run("finetune", task, "--resume", name, "--steps", "3")[0] == 0
    changed = list(DOCSTRINGS)
    number = next(i for i, one in enumerate(changed) if one.side == side)
    changed[number] = changed[number]._replace(text=changed[number].text + "\nWait for it.\n")
    for module, reads in ((reading, "numpy_docstrings"), (topics, "library_docstrings")):
        monkeypatch.setattr(module, reads, lambda: changed)
    found = refused(run, "finetune", task, "--resume", name, "--steps", "4")
    assert found.startswith("resume: ") and found.endswith(
        "have changed since the run began, expected the versions of Python and NumPy that it began with"
    )


def test_what_finetune_refuses(run, pretrained, unchanged):
    message = "from: got nothing, expected a RUN of `pretrain bert`: what starts from scratch has its words, too"
    assert refused(run, "finetune", "qa") == message
    assert refused(run, "finetune", "classify", "--scratch") == message
    assert refused(run, "finetune", "qa", "--from", "no.run").startswith("checkpoint: cannot read 'no.run'")
    assert refused(run, "finetune", "classify", "--from", "").startswith("checkpoint: cannot read ''")
    for labels in ("0", "100000"):
        for task in ("qa", "classify"):
            found = refused(run, "finetune", task, "--from", pretrained, "--labels", labels)
            assert found.startswith(f"labels: got {labels}, expected 1 to ")
    arguments = ("finetune", "qa", "--from", pretrained, "--set")
    assert refused(run, *arguments, "frozen=2") == "set: got frozen=2, expected a value like False"
    assert refused(run, *arguments, "layer_decay=-1").startswith("layer_decay: got -1.0, expected a finite number")
    assert refused(run, *arguments, "d=3").startswith("set: got 'd', expected one of n_layers")
    for name, value in (("d_model", "16"), ("context", "48"), ("looking", "false")):
        message = f"set: {name} is that of the run that --from names, expected other settings only"
        assert refused(run, *arguments, f"{name}={value}") == message
        assert refused(run, "finetune", "classify", *arguments[2:], f"{name}={value}") == message
    message = "scratch: the recurrent reader has no pretrained weights anyway, expected no --scratch beside --model rnn"
    assert refused(run, "finetune", "qa", "--model", "rnn", "--from", pretrained, "--scratch") == message


def test_a_question_that_never_fits_is_refused(run, pretrained, here):
    """Before anything is learned, and nothing is kept."""
    arguments = ("--model", "rnn", "--from", pretrained, "--steps", "1", "--set", "context=14", "--out", "r.run")
    code, _, err = run("finetune", "qa", *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert err == "minitransformer: error: context: got 14, expected at least 22: a question has 11 tokens\n"
    assert not (here / "r.run").exists()


def test_what_answer_classify_and_fill_refuse(run, tuned, pretrained, monkeypatch, here):
    ask = ("answer", "q.run", "--context", "doc.txt", "--question")
    assert refused(run, *ask, " ") == "question: got ' ', expected at least one word"
    assert refused(run, *ask, "? " * 100).startswith("question: got 100 tokens, expected at most 37")
    assert refused(run, "answer", "c.run", *ask[2:], "what?").startswith("checkpoint: 'c.run' is no run to use here (")
    assert refused(run, "answer", "q.run", "--context", "no.txt", "--question", "what?").startswith("text: cannot read")
    (here / "empty.txt").write_text(" \n", encoding="utf-8")
    message = "text: 'empty.txt' is empty, expected a UTF-8 text file"
    assert refused(run, "answer", "q.run", "--context", "empty.txt", "--question", "what?") == message
    monkeypatch.setattr("sys.stdin", io.StringIO(" \n"))
    message = "standard input: it is empty, expected a text"
    assert refused(run, "answer", "q.run", "--context", "-", "--question", "what?") == message
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"text\xff\n"), encoding="utf-8"))
    found = refused(run, "answer", "q.run", "--context", "-", "--question", "what?")
    assert found.startswith("standard input: not UTF-8 (")
    monkeypatch.setattr("sys.stdin", None)
    message = "standard input: it is closed, expected lines of UTF-8"
    assert refused(run, "answer", "q.run", "--context", "-", "--question", "what?") == message
    (here / "nul.txt").write_text("\0\u200b", encoding="utf-8")  # which BERT drops
    ask_of = ("answer", "q.run", "--context", "nul.txt", "--question", "what?")
    assert refused(run, *ask_of) == "context: it is empty, expected a text"
    assert refused(run, *ask, "\u200b") == "question: got '\\u200b', expected at least one word"
    assert refused(run, "classify", "c.run", "\0") == "text: got '\\x00', expected at least one word"
    bad = b"[MASK] \xff".decode(errors="surrogateescape")
    message = "got '\\udcff' at character 7, expected valid UTF-8 text"
    assert refused(run, *ask, bad) == f"question: {message}"
    assert refused(run, "classify", "c.run", bad) == f"text: {message}"
    assert refused(run, "fill", pretrained, bad) == f"text: {message}"
    assert refused(run, "classify", "c.run", "") == "text: got '', expected at least one word"
    assert refused(run, "classify", "b.run", "word").endswith("expected classification (bert) or classification (gpt))")
    assert refused(run, "fill", pretrained, "no mask") == "text: got 'no mask', expected [MASK] at least once"
    assert refused(run, "fill", pretrained, "[MASK]" * 60) == "text: got 60 tokens, expected at most 46"
    assert refused(run, "fill", pretrained, "[MASK]", "--top", "0") == "top: got 0, expected 1 or more"
    assert refused(run, "fill", "q.run", "[MASK]").endswith("expected pretraining (bert))")
