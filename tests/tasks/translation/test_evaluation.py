"""Translating (6.1): word by word as the model has it when it is run whole, at the width that is asked for."""

import numpy as np
import pytest
from every_task import NAMES, lively_run, task_named
from numpy.testing import assert_allclose

from minitransformer.decoding.beam_search import beam_search
from minitransformer.equations.activations import RELU
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.rnn_encoder_decoder import rnn_encoder_decoder
from minitransformer.models.transformer import transformer
from minitransformer.tasks.translation import evaluation
from minitransformer.tasks.translation.alignment import align
from minitransformer.tasks.translation.batches import source_batch
from minitransformer.tasks.translation.evaluation import translate

SEEDS = {"translation, pre-norm": 1}  # of models to which width and alpha make a difference
TRANSLATORS = [name for name in NAMES if name.startswith("translation")]
every_translator = pytest.mark.parametrize("name", TRANSLATORS)


@pytest.fixture(scope="module")
def sentences():
    """Of all lengths."""
    pairs = task_named(TRANSLATORS[0]).data
    return [source for source, _ in [*pairs.test, *pairs.longer]]


def run_of(name, longest=7):
    """A model of some wit, in double precision."""
    return lively_run(task_named(name), SEEDS.get(name, 9))._replace(longest=longest)


def log_p_whole(run, source, target):
    """log P of every word after each word of the target, by one pass over all of it.  -> (..., L_t, V_t)"""
    s = run.settings
    if run.kind.name == "rnn":
        logits, _ = rnn_encoder_decoder(source, target, run.weights)
    else:
        logits, _ = transformer(
            source, target, run.weights, Config(h=s.h, dropout=0.0, activation=RELU, norm_first=s.norm_first)
        )
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


@every_translator
def test_writing_word_by_word_is_the_model_run_whole(name, sentences):
    """Of sources of unequal lengths side by side, each as if it were alone; and reordered on the way."""
    run = run_of(name)
    rng = np.random.default_rng(1)
    rows = [run.source.encode(sentence) for sentence in sentences]
    n, longest = len(rows), 6
    ids, lengths = source_batch(rows, run.source, run.kind.pads_at_start)
    assert len(set(lengths.tolist())) > 2
    step = run.kind.step(run.weights, run.settings)
    state = run.kind.start(ids, lengths, longest, run.weights, run.settings)
    owner, targets = np.arange(n), np.full((n, 1), run.target.start)
    for i in range(longest):
        log_p, state = step(targets[:, -1], state)
        for k, of_one in zip(owner, zip(log_p, targets, strict=True), strict=True):
            whole = log_p_whole(run, np.append(rows[k], run.source.end), of_one[1])
            assert_allclose(of_one[0], whole[-1], rtol=1e-10, atol=1e-12)
        if i == 2:
            places = np.array([3, 3, 0, *range(1, n - 1)])
            owner, targets, state = owner[places], targets[places], run.kind.reorder(state, places)
        targets = np.column_stack([targets, rng.integers(0, run.target.size, len(targets))])


def by_the_model_run_whole(run, sentence, width, alpha):
    """Beam search in which the state is what was written, and each step runs the model over all of it."""
    source = np.append(run.source.encode(sentence), run.source.end)

    def step(words, before):
        targets = np.column_stack([before, words])  # (N, n)
        return log_p_whole(run, np.tile(source, (len(targets), 1)), targets)[:, -1], targets

    (found,) = beam_search(
        step,
        lambda targets, places: targets[places],
        np.zeros((1, 0), np.int64),
        np.array([run.target.start]),
        run.target.end,
        run.longest,
        width,
        alpha,
    )
    return run.target.decode(found.ids[found.ids < run.target.start])


@every_translator
@pytest.mark.parametrize(("width", "alpha"), [(1, 0.6), (2, 0.6), (5, 0.6), (5, 0.0)])
def test_a_translation_is_the_best_that_a_beam_of_this_width_finds(name, width, alpha, sentences, monkeypatch):
    """In the order of the sentences, however many are translated side by side."""
    run = run_of(name)
    expected = [by_the_model_run_whole(run, sentence, width, alpha) for sentence in sentences]
    for at_once in (4, 128):
        monkeypatch.setattr(evaluation, "AT_ONCE", at_once)
        assert translate(run, sentences, width, alpha) == expected


@every_translator
def test_the_width_makes_a_difference(name, sentences):
    """To these models: else the theorem above would say little. Without one a translation is greedy."""
    run = run_of(name, 15)
    found = {width: translate(run, sentences, width) for width in (1, 2, 3, 4)}
    assert all(found[2] != found[width] for width in (1, 3, 4))
    assert translate(run, sentences) == found[1]


def test_alpha_makes_a_difference(sentences):
    """By default it is 0.6."""
    run = run_of("translation, pre-norm")
    found = [translate(run, sentences, 4, alpha) for alpha in (0.0, 0.6, 1.0)]
    assert found[0] != found[1] != found[2] != found[0]
    assert translate(run, sentences, 4) == found[1]


@every_translator
def test_no_translation_is_longer_than_the_longest(name, sentences):
    """Whatever the model would like to write."""
    for longest in (1, 3):
        for width in (1, 4):
            run = run_of(name, longest)
            translations = translate(run, sentences, width)
            assert max(len(run.target.encode(one)) for one in translations) == longest - 1


@pytest.mark.parametrize("name", ["translation, transformer", "translation, pre-norm"])
def test_an_alignment_is_of_the_greedy_translation(name, sentences):
    """The weights of its encoder-decoder attention when the model is run over both sentences."""
    run = run_of(name)
    s = run.settings
    for sentence in sentences[:3]:
        (target,) = translate(run, [sentence])
        found = align(run, sentence)
        source = np.append(run.source.encode(sentence), run.source.end)
        inputs = np.append(run.target.start, run.target.encode(target))
        _, cache = transformer(
            source, inputs, run.weights, Config(h=s.h, dropout=0.0, activation=RELU, norm_first=s.norm_first)
        )
        alpha = [layer.cross_attention.attention.attend.alpha for layer in cache.decoder.layers]
        assert_allclose(found.alpha, np.stack(alpha), rtol=1e-10)
        assert (found.source, found.target) == (run.source.pieces(sentence), run.target.pieces(target))
