"""From a pretrained model to one for a task (2.3.2): its words, its shape and its weights, or its shape alone."""

import numpy as np
import pytest
from assertions import refuses
from every_task import loud_run, task_named
from few_documents import few_documents, small_run
from numpy.testing import assert_array_equal
from small_language import SMALL, small_text

from minitransformer.layers.mimetic_initialization import steady_directions
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER, GPT_CLASSIFIER
from minitransformer.tasks.classification.topics import TOPICS
from minitransformer.tasks.finetuning import (
    bert_classifier,
    body_for_questions,
    gpt_classifier,
    in_shape_of,
    position_vectors,
    reader,
    rnn_reader,
)
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import load_run as load_language_model
from minitransformer.tasks.language_modelling.run import new_run as new_language_model
from minitransformer.tasks.language_modelling.run import save_run as save_language_model
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import load_run, save_run
from minitransformer.tree import leaves, tree_map

BERTS = {"reader": (reader, BERT_READER.kind), "classifier": (bert_classifier, BERT_CLASSIFIER.kind)}
every_bert = pytest.mark.parametrize("name", BERTS)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Its biases and gains are not those that it began with."""
    run = small_run(few_documents(tmp_path_factory.mktemp("text")))
    run.state.weights[:] += np.random.default_rng(5).random(run.n_weights)
    return run


def language_model(**changes):
    return new_language_model(KINDS["gpt"], SMALL["gpt"]._replace(**changes), small_text(), seed=2)


def whole(settings):
    """The settings for all that is pretrained to be taken."""
    return settings._replace(fresh_layers=False) if "fresh_layers" in settings._fields else settings


def shapes(tree):
    return tree_map(lambda leaf: (leaf.shape, leaf.dtype).__repr__(), tree)


def assert_equal_trees(ours, theirs):
    for one, other in zip(leaves(ours), leaves(theirs), strict=True):
        assert_array_equal(one, other, strict=True)


@every_bert
def test_bert_starts_with_the_pretrained_weights(name, pretrained):
    """Exactly; in its shape and with its words; as a copy, which may change."""
    make, kind = BERTS[name]
    settings = whole(kind.settings)._replace(B=5, peak=0.25)
    run = make(pretrained, settings, 3, about={"from": "x.run"})
    assert_equal_trees(run.weights.bert, pretrained.weights.bert)
    for field in ("n_layers", "d_model", "h", "d_ff", "context"):
        assert getattr(run.settings, field) == getattr(pretrained.settings, field)
    assert (run.settings.B, run.settings.peak, run.settings.rate) == (5, 0.25, kind.settings.rate)
    assert (run.kind, run.vocabulary, run.seed, run.about) == (kind, pretrained.vocabulary, 3, {"from": "x.run"})
    assert run.state.step == 0 and not run.looks
    assert not any(np.shares_memory(leaf, pretrained.state.weights) for leaf in leaves(run.weights))


@every_bert
def test_from_scratch_it_has_other_weights_of_the_same_shape(name, pretrained):
    make, kind = BERTS[name]
    tuned, scratch = (make(pretrained, kind.settings, 3, scratch) for scratch in (False, True))
    assert shapes(scratch.weights) == shapes(tuned.weights)
    assert (scratch.settings, scratch.vocabulary) == (tuned.settings, tuned.vocabulary)
    for ours, theirs in zip(leaves(scratch.weights.bert), leaves(pretrained.weights.bert), strict=True):
        assert (ours != theirs).all()


def test_the_classifier_takes_the_pooler_too(pretrained):
    """What is new is the output alone: one column for each topic."""
    run = bert_classifier(pretrained, BERT_CLASSIFIER.kind.settings, 0)
    assert_equal_trees(run.weights.pooler, pretrained.weights.pooler)
    assert run.weights.output.W.shape == (16, len(TOPICS))
    assert run.classes == TOPICS


@every_bert
def test_new_heads_are_drawn_by_the_seed(name, pretrained):
    make, kind = BERTS[name]
    first, same, other = (make(pretrained, whole(kind.settings), seed) for seed in (0, 0, 1))
    assert_array_equal(first.state.weights, same.state.weights)
    assert not np.array_equal(first.state.weights, other.state.weights)
    assert_equal_trees(first.weights.bert, other.weights.bert)


def test_a_reader_with_fresh_layers_has_the_pretrained_embeddings(pretrained):
    """And no number of the layers, which are as they start, by the seed."""
    settings = BERT_READER.kind.settings
    first, same, other = (reader(pretrained, settings._replace(fresh_layers=True), seed) for seed in (0, 0, 1))
    for run in (first, other):
        assert_equal_trees(run.weights.bert.embedding, pretrained.weights.bert.embedding)
    for ours, theirs in zip(leaves(first.weights.bert.layers), leaves(pretrained.weights.bert.layers), strict=True):
        assert (ours != theirs).all()
    assert_array_equal(first.state.weights, same.state.weights)
    values, others = (run.weights.bert.layers.layers[0].self_attention.value.W for run in (first, other))
    assert (values != others).all()


def test_fresh_heads_for_the_same_word_read_what_no_position_changes_much(pretrained):
    """The directions in which gamma (P_i + S_s) differs least, not the upper half; without such heads, none is made."""
    looking, plain = (pretrained._replace(settings=pretrained.settings._replace(looking=on)) for on in (True, False))
    body, without = (body_for_questions(run, True, np.random.default_rng(5)) for run in (looking, plain))
    embedding = pretrained.weights.bert.embedding
    by_hand = [embedding.norm.gamma * (p + s) for s in embedding.segments.E for p in embedding.positions.P]
    assert_array_equal(position_vectors(embedding), by_hand)
    steady = steady_directions(np.array(by_hand))
    d_k = pretrained.settings.d_model // pretrained.settings.h
    for layers, inside in ((body.layers, True), (without.layers, False)):
        W_Q, W_K = (side.W[:, :d_k] for side in layers.layers[0].self_attention[:2])
        assert np.allclose(steady @ (steady.T @ W_Q), W_Q, atol=1e-5) == inside
        assert np.array_equal(W_Q, W_K) == inside


def test_fresh_layers_cannot_be_frozen(pretrained):
    settings = BERT_READER.kind.settings._replace(frozen=True, fresh_layers=True)
    with refuses(ValueError, "frozen: got True with fresh_layers=True, expected fresh_layers=False beside it"):
        reader(pretrained, settings, 0)
    reader(pretrained, settings._replace(fresh_layers=False), 0)


def test_the_recurrent_reader_has_nothing_but_the_words(pretrained):
    """Its shape is its own."""
    settings = RNN_READER.kind.settings._replace(d=6, d_h=5)
    run = rnn_reader(pretrained, settings, 0)
    assert (run.settings, run.vocabulary) == (settings, pretrained.vocabulary)
    assert run.weights.embedding.E.shape == (pretrained.vocabulary.size, 6)


def test_gpt_from_a_language_model_gets_one_word_more(tmp_path):
    """All else is the language model's, by way of its file: post-norm, untied, sines and cosines as well."""
    for changes in (
        {},
        {"tied": False},
        {"positions": "rotary", "h_kv": 1},
        {"positions": "alibi"},
        {"norm_first": False, "positions": "sinusoidal", "activation": "relu"},
    ):
        save_language_model(tmp_path / "x.run", language_model(**changes))
        model = load_language_model(tmp_path / "x.run")
        V = model.vocabulary.size
        run = gpt_classifier(model, GPT_CLASSIFIER.kind.settings, 1)
        assert run.weights.body.embedding.E.shape == (V + 1, 16)
        assert_array_equal(run.weights.body.embedding.E[:V], model.weights.body.embedding.E)
        assert_equal_trees(run.weights.body.layers, model.weights.body.layers)
        assert_equal_trees(run.weights.body.positions, model.weights.body.positions)
        for field in ("n_layers", "d_model", "h", "d_ff", "context", "activation", "norm_first", "positions", "h_kv"):
            assert getattr(run.settings, field) == getattr(model.settings, field)
        scratch = gpt_classifier(model, GPT_CLASSIFIER.kind.settings, 1, scratch=True)
        assert shapes(scratch.weights) == shapes(run.weights)
        assert not np.array_equal(scratch.weights.body.embedding.E, run.weights.body.embedding.E)
        save_run(tmp_path / "y.run", run)
        assert_equal_trees(load_run(tmp_path / "y.run", GPT_CLASSIFIER.kind).weights, run.weights)


@every_bert
@pytest.mark.parametrize("scratch", [False, True])
def test_the_form_of_the_pretrained_model_is_kept(name, scratch):
    """Where the norms stand, and how its heads begin: whatever the task has by default."""
    make, kind = BERTS[name]
    for form in ({"norm_first": False, "looking": False}, {"norm_first": True, "looking": False}):
        base = loud_run(task_named("pretraining, bert"), **form)
        run = make(base, kind.settings, 0, scratch)
        assert {field: getattr(run.settings, field) for field in form} == form
        assert [leaf.shape for leaf in leaves(run.weights.bert)] == [leaf.shape for leaf in leaves(base.weights.bert)]


def test_a_shape_is_what_the_weights_depend_on(pretrained):
    """How to learn is the task's own; what the task does not have is not taken over."""
    settings = in_shape_of(pretrained.settings, BERT_READER.kind.settings)
    assert type(settings) is type(BERT_READER.kind.settings)
    assert settings.d_model == pretrained.settings.d_model != BERT_READER.kind.settings.d_model
    for field in ("rate", "B", "peak", "decay", "warmup", "steps", "layer_decay", "frozen", "fresh_layers"):
        assert getattr(settings, field) == getattr(BERT_READER.kind.settings, field)
