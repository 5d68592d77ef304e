"""What a trained model is asked arrives as it was asked: every option of a command that uses one makes a difference."""

import io
import json

import numpy as np
import pytest
from every_task import lively_run, task_named

from minitransformer.decoding.sampling import SamplingParams
from minitransformer.tasks import run as runs
from minitransformer.tasks.classification.classification import probabilities
from minitransformer.tasks.language_modelling import run as language_modelling
from minitransformer.tasks.language_modelling.writing import written
from minitransformer.tasks.pretraining.bert import BERT
from minitransformer.tasks.pretraining.filling import fill
from minitransformer.tasks.reading import reading
from minitransformer.tasks.translation import run as translating
from minitransformer.tasks.translation.alignment import align, as_text, chosen
from minitransformer.tasks.translation.evaluation import translate

SEEDS = {"translation, pre-norm": 1, "classification, bert": 10, "reading, bert": 10}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Keep a lively model of a task. -> its file's name, and the run as it comes from there"""
    monkeypatch.chdir(tmp_path)

    def keep(name):
        run = lively_run(task_named(name), SEEDS.get(name, 9), dtype=np.float32)
        if name.startswith("translation"):
            translating.save_run("x.run", run)
            return "x.run", translating.load_run("x.run")
        if hasattr(run, "paths"):
            language_modelling.save_run("x.run", run)
            return "x.run", language_modelling.load_run("x.run")
        runs.save_run("x.run", run)
        return "x.run", runs.load_run("x.run", run.kind)

    return keep


@pytest.mark.parametrize("name", ["gpt", "rnn, elman", "fnn"])
def test_generate(run, kept, name):
    """Prompt, length, temperature, top-k, top-p and seed: the text is what the model writes so."""
    path, model = kept(name)
    options = {"prompt": "abca", "length": 40, "temperature": 1.5, "top-k": 4, "top-p": 0.95, "seed": 3}
    changes = {"prompt": "dd", "length": 30, "temperature": 0.7, "top-k": 2, "top-p": 0.5, "seed": 4}
    texts = []
    for given in (options, *(options | {option: value} for option, value in changes.items())):
        flags = [text for option, value in given.items() for text in (f"--{option}", str(value))]
        code, out, err = run("generate", path, *flags)
        assert (code, err) == (0, "")
        params = SamplingParams(given["temperature"], given["top-k"], given["top-p"])
        pieces = written(model, given["prompt"], given["length"], params, np.random.default_rng(given["seed"]))
        texts.append("".join(pieces))
        assert out == given["prompt"] + texts[-1] + "\n"
        assert len(texts[-1]) == given["length"]
    assert len({text[:30] for text in texts}) == len(texts) - 1  # a shorter text is the beginning of a longer one
    default = "".join(written(model, "\n", 500, SamplingParams(0.8, None, 1.0), np.random.default_rng(0)))
    assert run("generate", path)[1] == "\n" + default + "\n"


@pytest.mark.parametrize("name", ["translation, transformer", "translation, pre-norm", "translation, rnn"])
def test_translate(run, kept, name, monkeypatch, tmp_path):
    """With a beam as wide as is said, 4 by default; sentences as arguments, from a file, or line by line."""
    path, model = kept(name)
    sentences = [source for source, _ in task_named(name).data.test]
    by_width = {width: translate(model, sentences, width) for width in (1, 2, 3, 4)}
    assert by_width[2] not in (by_width[1], by_width[3], by_width[4]) and by_width[1] != by_width[4]
    for width, expected in by_width.items():
        assert run("translate", path, "--beam", str(width), *sentences)[1].splitlines() == expected
    assert run("translate", path, *sentences)[1].splitlines() == by_width[4]
    lines = "\n".join(sentences) + "\n"
    (tmp_path / "x.txt").write_text(lines, encoding="utf-8")
    beam = ("--beam", "2")
    assert run("translate", path, "--file", "x.txt", *beam)[1].splitlines() == by_width[2]
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    assert run("translate", path, *beam)[1].splitlines() == by_width[2]
    rows = [{"source": a, "target": b} for a, b in zip(sentences, by_width[2], strict=True)]
    assert json.loads(run("translate", path, *sentences, *beam, "--json")[1]) == rows


def test_attention(run, kept):
    """Of the layer and the head that are asked for, or of all heads of the last layer."""
    path, model = kept("translation, transformer")
    alignment = align(model, "c d")
    shown = set()
    for head in (None, 1, 2):
        for layer in (None, 1):
            flags = [text for n, v in (("layer", layer), ("head", head)) if v for text in (f"--{n}", str(v))]
            title, weights = chosen(alignment, layer, head)
            out = run("attention", path, "c d", *flags)[1]
            assert out.splitlines()[:-1] == [title, *as_text(alignment, weights)]
            shown.add(out)
    assert len(shown) == 3
    facts = json.loads(run("attention", path, "c d", "--json")[1])
    assert (facts["source"], facts["target"]) == (alignment.source, alignment.target)
    assert np.allclose(facts["weights"], alignment.alpha)


def test_fill(run, kept):
    """So many guesses as are asked for, five by default."""
    path, _ = kept("pretraining, bert")
    model = runs.load_run(path, BERT)
    text = "the [MASK] is in [MASK]"
    for flags, top in (((), 5), (("--top", "2"), 2)):
        expected = [[{"word": word, "probability": p} for word, p in of_one] for of_one in fill(model, text, top)]
        assert json.loads(run("fill", path, text, *flags, "--json")[1]) == expected
        out = run("fill", path, text, *flags)[1]
        assert [line.count("%") for line in out.splitlines()] == [top, top]


def test_answer(run, kept, tmp_path):
    """The question that is asked, of the text that is given."""
    path, model = kept("reading, bert")
    found = set()
    for i, one in enumerate(task_named("reading, bert").data.test[::8]):
        (tmp_path / f"{i}.txt").write_text(one.document.text, encoding="utf-8")
        question = model.vocabulary.decode(one.question)
        words, score = reading.answer(model, question, one.document.text)
        given = ("answer", path, "--question", question, "--context", f"{i}.txt")
        assert json.loads(run(*given, "--json")[1]) == {"question": question, "answer": words, "score": score}
        assert run(*given)[1] == ("(no answer)" if words is None else words) + "\n"
        found.add(words)
    assert len(found) > 1


def test_classify(run, kept):
    """The text that is given; the names beside their own probabilities."""
    path, model = kept("classification, bert")
    likeliest = set()
    for text in ("thread lock wait task", "file path folder", "node tag element"):
        (p,) = probabilities(model, [model.vocabulary.encode(text)])
        found = json.loads(run("classify", path, text, "--json")[1])
        assert found == {name: float(p[i]) for i, name in enumerate(model.classes)}
        likeliest.add(tuple(found.values()))
    assert len(likeliest) == 3
