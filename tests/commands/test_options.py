"""Every option of a command that trains arrives: what it changes of the training, and that it changes nothing else.

Nothing is trained here: what is looked at is the run, the data and the file that the training would begin with. An
option that has no row fails.
"""

import contextlib
import functools
import io
import json
import os
import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from every_task import same
from few_documents import write_texts

from minitransformer.__main__ import main
from minitransformer.commands import finetuning, language_models, pretraining, translation
from minitransformer.data.corpus import text_files
from minitransformer.data.docstrings import Docstring
from minitransformer.tasks import run as runs
from minitransformer.tasks.classification import classification, topics
from minitransformer.tasks.language_modelling import run as language_modelling
from minitransformer.tasks.language_modelling.evaluation import score
from minitransformer.tasks.pretraining import bert
from minitransformer.tasks.reading import reading
from minitransformer.tasks.translation import pairs as translation_pairs
from minitransformer.tasks.translation import run as translating
from minitransformer.training.session import Goal
from minitransformer.tree import leaves


def docstring(number):
    module, kind = (("queue", "int"), ("xml", "bool"))[number % 2]
    text = f"Do {number}.\n\nParameters\n----------\nx{number} : {kind}\n    The {module} to take, and to go on with.\n"
    return Docstring(f"{module}.f{number}", text)


class Begun(NamedTuple):
    """What a training would begin with."""

    run: Any
    data: Any
    path: Any


BERT_SIZES = {"n_layers": 1, "d_model": 8, "h": 2, "d_ff": 5, "context": 40, "short": 9, "vocabulary": 100, "B": 3}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A directory with texts, pairs, few docstrings and two runs to fine-tune, of other words and other weights."""
    directory = tmp_path_factory.mktemp("options")
    docstrings = [docstring(number) for number in range(40)]
    write_texts(directory)
    for name, word in (("a", "word"), ("b", "Wort")):
        lines = "".join(f"{word} {i % 10} {i // 10}\t{i // 10} Zahl {i % 10}\n" for i in range(100))
        (directory / f"{name}.tsv").write_text(lines, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        patch.setattr(reading, "numpy_docstrings", lambda: docstrings)
        patch.setattr(topics, "library_docstrings", lambda: docstrings)
        patch.setattr(bert, "JUDGE_AT", 2)
        for name, n in (("N_VALIDATION", 3), ("N_TEST", 4), ("N_LONGER", 2)):
            patch.setattr(translation_pairs, name, n)
        for name, path, seed in (("a", "text0.txt", 1), ("b", "text1.txt", 2)):
            text = bert.prepare(text_files([path]), 100)
            runs.save_run(f"{name}.run", bert.begin(bert.BERT.settings._replace(**BERT_SIZES), text, seed))
        yield directory


@pytest.fixture(scope="module")
def begin(here):
    """Give a command -> what its training would begin with, and the facts that it prints as JSON."""
    begun = []

    def carry_on(run, data, path=None, report=None):
        begun.append(Begun(run, data, path))
        return run, False

    with pytest.MonkeyPatch.context() as patch:
        for module in (language_models, translation, bert, reading, classification):
            patch.setattr(module, "carry_on", carry_on)
        patch.setattr(language_models, "save_run", lambda path, run: begun.append(Begun(run, None, path)))

        @functools.cache
        def give(command):
            out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
            with contextlib.redirect_stdout(out):
                assert main([*command.split(), "--json"]) == 0
            return begun.pop(), json.loads(out.buffer.getvalue())

        yield give


STACK = "--set n_layers=1 d_model=8 h=2 d_ff=5"
SMALL = {
    "train ngram": "--text text0.txt --set n=3",
    "train fnn": "--text text0.txt --set n=3 d=4 d_hidden=5 B=6",
    "train rnn": "--text text0.txt --set d=4 d_h=5 B=6 context=7",
    "train gpt": f"--text text0.txt {STACK} context=7",
    "train translation": f"--pairs a.tsv {STACK} B=6",
    "pretrain bert": f"--text text0.txt {STACK} context=40 short=9 vocabulary=100 B=3",
    "finetune qa": "--from a.run",
    "finetune classify": "--from a.run",
}

# Of each option what is added to the command, and what is another with it; where something must be added to both, that
# comes first.
KEEPING = {
    "--out": ("--out o.run", "path"),
    "--set": ("--set B=4", "settings"),
    "--seed": ("--seed 5", "seed, weights, numbers"),
}
TRAINING = {
    "--steps": ("--steps 3", "goal"),
    "--minutes": ("--minutes 2", "goal"),
    "--accumulate": ("--accumulate 4", "goal"),
}
WORDS = "--vocabulary words"
TEXT = {
    "--text": ("--text text1.txt", "about, data"),
    "--vocabulary": (WORDS, "data, words, weights, numbers"),
    "--vocabulary-size": (WORDS, "--vocabulary-size 30", "data, words, weights, numbers"),
}
COUNTED = {
    "--text": ("--text text1.txt", "about, data, weights"),
    "--vocabulary": (WORDS, "data, words, weights"),
    "--vocabulary-size": (WORDS, "--vocabulary-size 30", "data, words, weights"),
    "--out": KEEPING["--out"],
    "--set": ("--set n=4", "settings, weights"),
    "--seed": ("--seed 5", ""),
}
TUNING = {
    "--from": ("--from b.run", "about, words, weights, data"),
    "--scratch": ("--scratch", "about, weights, numbers"),
    "--labels": ("--labels 7", "about, data"),
    "--seed": ("--seed 5", "seed, weights, numbers, data"),
}
LANGUAGE_MODEL = KEEPING | TRAINING | TEXT | {"--seed": ("--seed 5", "weights, numbers")}
EFFECTS = {
    "train ngram": COUNTED,
    "train fnn": LANGUAGE_MODEL,
    "train rnn": LANGUAGE_MODEL,
    "train gpt": LANGUAGE_MODEL,
    "train translation": KEEPING | TRAINING | {"--pairs": ("--pairs b.tsv", "about, data, words")},
    "pretrain bert": KEEPING | TRAINING | {"--text": ("--text text1.txt", "about, data, words")},
    "finetune qa": KEEPING | TRAINING | TUNING | {"--model": ("--model rnn", "kind, settings, weights, numbers")},
    "finetune classify": KEEPING | TRAINING | TUNING,
}
ROWS = [(command, option) for command, options in EFFECTS.items() for option in options]
BELOW = {"--json", "--resume"}  # of every command
OF_TRANSLATION = {"--model", "--direction"}


def options_of(run, command):
    """All options that the command line knows for it: those of its usage."""
    usage, _, _ = run(*command.split(), "--help")[1].partition("\n\n")
    return set(re.findall(r"--[a-z-]+", usage))


@pytest.mark.parametrize("command", EFFECTS)
def test_every_option_has_a_row(run, command):
    below = BELOW | OF_TRANSLATION if command == "train translation" else BELOW
    assert options_of(run, command) - below == set(EFFECTS[command])


def seen(begun):
    """What of a training can be another."""
    run, data, path = begun
    return {
        "kind": run.kind.name,
        "settings": run.settings,
        "goal": run.goal,
        "seed": getattr(run, "seed", None),
        "weights": run.weights.orders if run.state is None else leaves(run.weights),
        "numbers": None if run.state is None else run.state.rng.bit_generator.state,
        "words": (run.source, run.target)
        if run.kind.name in translating.KINDS and hasattr(run, "source")
        else run.vocabulary,
        "about": [getattr(run, name, None) for name in ("about", "origin", "paths")],
        "data": learned_from(run, data),
        "path": str(path),
    }


def learned_from(run, data):
    if data is None:
        return run.checksum
    return data.draw(20, np.random.default_rng(0)) if hasattr(data, "draw") else list_of(data.training)


def list_of(side):
    """Of pretraining the documents, without the table of where sentences start."""
    return [tuple(document) for document in side.documents] if hasattr(side, "documents") else side


@pytest.mark.parametrize(("command", "option"), ROWS)
def test_an_option_changes_what_it_should_and_nothing_else(begin, command, option):
    *to_both, added, effects = EFFECTS[command][option]
    given = " ".join([command, SMALL[command], *to_both])
    ours, theirs = (seen(begin(argv)[0]) for argv in (given, f"{given} {added}"))
    assert {name for name in ours if not same(ours[name], theirs[name])} == set(filter(None, effects.split(", ")))


@pytest.mark.parametrize("command", [command for command in EFFECTS if command != "train ngram"])
def test_what_an_option_says_is_what_is_done(begin, command):
    """To the letter; without one it is as the settings say."""
    given = f"{command} {SMALL[command]}"
    plain, _ = begin(given)
    assert plain.run.goal == Goal(steps=plain.run.settings.steps)
    other = begin(
        f"{given} --set steps=11 peak=0.5 --seed 3" if "translation" not in command else f"{given} --set steps=11"
    )
    assert other[0].run.goal == Goal(steps=11) and other[1]["settings"] == other[0].run.settings._asdict()
    changed, _ = begin(f"{given} --steps 3 --minutes 2 --accumulate 4 --out z.run")
    assert changed.run.goal == Goal(steps=3, seconds=120.0, accumulate=4)
    assert begin(f"{given} --minutes 2")[0].run.goal == Goal(seconds=120.0)
    assert str(changed.path) == "z.run"


def test_translation_takes_a_model_and_a_direction(begin):
    """By default the Transformer, from Chinese."""
    rnn, _ = begin("train translation --pairs a.tsv --model rnn --set d=3 d_h=4")
    transformer, _ = begin(f"train translation --pairs a.tsv --model transformer {STACK}")
    assert (rnn.run.kind.name, transformer.run.kind.name) == ("rnn", "transformer")
    assert same(seen(transformer), seen(begin(f"train translation --pairs a.tsv {STACK}")[0]))
    for direction, chinese in (("zh-en", "source"), ("en-zh", "target"), (None, "source")):
        option = f"--direction {direction}" if direction else ""
        begun, _ = begin(f"train translation {option} {STACK}")
        assert begun.run.origin == (direction or "zh-en") and not begun.run.from_file
        assert getattr(begun.run, chinese).unknown("一万") == []


SAVE = {"train translation": translating.save_run, "train": language_modelling.save_run}


@pytest.mark.parametrize("command", [command for command in EFFECTS if command != "train ngram"])
def test_a_resumed_training_is_the_one_that_was_kept(begin, here, command):
    """Its settings, data, weights and random numbers; a new goal, and another file, where they are given."""
    begun, _ = begin(f"{command} {SMALL[command]} --seed 4 --steps 6 --accumulate 2 --out kept.run")
    path = f"{command.replace(' ', '-')}.run"
    save = SAVE.get(command) or SAVE.get(command.split()[0]) or runs.save_run
    save(path, begun.run)
    same_goal, _ = begin(f"{command} --resume {path}")
    assert same(seen(same_goal), seen(begun) | {"path": path})
    other, _ = begin(f"{command} --resume {path} --steps 8 --out {path}2")
    assert same(seen(other), seen(begun) | {"path": f"{path}2", "goal": Goal(steps=8, accumulate=2)})
    other, _ = begin(f"{command} --resume {path} --accumulate 5")
    assert other.run.goal == Goal(steps=6, accumulate=5)
    os.remove(path)


@pytest.mark.parametrize("command", ["train ngram", "train fnn", "train gpt"])
def test_a_language_model_is_measured_on_both_sides(begin, command):
    """Each figure is of the side that it is said to be of."""
    begun, facts = begin(f"{command} {SMALL[command]}")
    text = language_models.prepare(text_files(["text0.txt"]))
    test, validation = score(begun.run, text, "test"), score(begun.run, text, "validation")
    assert facts["test bits a character"] == test.per_character != validation.per_character
    assert facts["validation bits a character"] == validation.per_character
    names = ("test bits a word", "test perplexity", "test bits a word, unseen contexts", "unknown words")
    assert [facts[name] for name in names] == [test.per_word, test.perplexity, test.unseen, test.unknown]
    assert facts["words"] == {side: len(getattr(text, side)) for side in ("training", "validation", "test")}


def test_a_translator_is_measured_on_the_test_and_on_longer_sentences(begin, monkeypatch):
    """Each by its own figure: here how many there are. Of one's own pairs there are none that are longer."""
    monkeypatch.setattr(translation, "exact_matches", lambda run, pairs: len(pairs))
    begun, facts = begin(f"train translation {STACK} --seed 8")
    assert (facts["test, exactly right"], facts["longer, exactly right"]) == (4, 2)
    begun, facts = begin(f"train translation --pairs a.tsv {STACK} --seed 8")
    assert (facts["test, exactly right"], facts["longer, exactly right"]) == (len(begun.data.test), None)
    assert len(begun.data.test) != len(begun.data.validation)


def test_pretraining_is_measured_on_the_test(begin, monkeypatch):
    """Model and baselines alike, over as many batches."""
    sides = []
    held_out = bert.held_out

    def watched(sentences, run, n):
        sides.append((sentences, n))
        return held_out(sentences, run, n)

    monkeypatch.setattr(bert, "held_out", watched)
    begun, facts = begin(f"pretrain bert {SMALL['pretrain bert']} --seed 8")
    assert sides[0][0] is begun.data.test and {n for _, n in sides} == {2}
    found = bert.accuracy(begun.run, held_out(begun.data.test, begun.run, 2))
    baselines = bert.baselines(begun.run, begun.data)
    assert (facts["masked words"], facts["next sentences"]) == found
    assert (facts["most frequent word"], facts["neighbours"]) == baselines[:2]


@pytest.mark.parametrize(
    ("command", "module", "name"), [("qa", reading, "score"), ("classify", classification, "accuracy")]
)
def test_fine_tuning_is_measured_on_the_test(begin, monkeypatch, command, module, name):
    asked = []
    monkeypatch.setattr(
        module,
        name,
        lambda run, side: asked.append((run, side)) or (0.5 if command == "classify" else reading.Score(0.5, 0.25)),
    )
    begun, facts = begin(f"finetune {command} --from a.run --seed 8")
    ((run, side),) = asked
    assert run is begun.run and side is begun.data.test
    assert facts["right"] == 0.5 and facts["tested"] == len(getattr(side, "ids", side))


@pytest.mark.parametrize("command", ["finetune qa", "finetune classify"])
def test_labels_are_drawn_by_the_seed(begin, command):
    """As many as are said, those that the task's own draw gives."""
    module = finetuning.TASKS[command.split()[1]].module
    for seed, labels in ((3, 5), (4, 5), (3, 9)):
        begun, _ = begin(f"{command} --from a.run --seed {seed} --labels {labels}")
        expected = module.prepare(begun.run.vocabulary, seed, labels)
        assert same(tuple(begun.data), tuple(expected))
        assert len(getattr(begun.data.training, "ids", begun.data.training)) == labels


def test_what_is_pretrained_has_the_words_that_were_asked_for(begin):
    """Made from the training side of its text."""
    for size in (80, 100):
        begun, _ = begin(f"pretrain bert {SMALL['pretrain bert']} vocabulary={size}")
        assert begun.run.vocabulary.size == len(begun.run.weights.bert.embedding.tokens.E) == size
        assert begun.run.vocabulary == bert.prepare(pretraining.corpus_of(["text0.txt"]), size).vocabulary


def test_a_comparison_of_language_models_takes_text_words_minutes_and_seed(run, here, monkeypatch):
    """And hands them to the climb."""
    climbs = []
    monkeypatch.setattr(language_models, "climb", lambda *arguments: climbs.append(arguments) or iter(()))
    given = ["compare", "lm", "--text", "text0.txt", "--json", "--vocabulary", "words"]
    changes = (["--text", "text1.txt"], ["--vocabulary", "characters"], ["--vocabulary-size", "30"])
    for added in ([], *changes, ["--minutes", "3"], ["--seed", "4"]):
        assert run(*given, *added)[0] == 0
    (text, minutes, seed, _), *others = climbs
    assert (minutes, seed) == (10.0, 0)
    assert text.corpus.paths == ("text0.txt",) and text.vocabulary.kind == "words"
    assert [other[1:3] for other in others] == [(10.0, 0)] * 3 + [(3.0, 0), (10.0, 4)]
    longer, characters, few = (other[0] for other in others[:3])
    assert longer.corpus.paths == ("text0.txt", "text1.txt")
    assert characters.vocabulary == language_models.prepare(text.corpus).vocabulary
    assert few.vocabulary.size == 30 < text.vocabulary.size
