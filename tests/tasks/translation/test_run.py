"""A translation model from its first step to its translations: learning, keeping, resuming, comparing."""

import numpy as np
import pytest
from assertions import refuses
from few_pairs import few_pairs, small_run
from numpy.testing import assert_array_equal

from minitransformer.tasks.language_modelling import run as language_modelling
from minitransformer.tasks.translation.evaluation import exact_matches, translate
from minitransformer.tasks.translation.run import KINDS, carry_on, check_pairs, load_run, save_run, steps
from minitransformer.training.checkpoint import save_checkpoint

pytestmark = pytest.mark.usefixtures("clock")

every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def pairs():
    return few_pairs()


@pytest.fixture(scope="module")
def trained(pairs):
    run, stopped = carry_on(small_run("transformer", pairs, steps=700), pairs)
    assert not stopped
    return run


def test_it_learns_to_translate(trained, pairs):
    """Words that it has never seen, in the other order: most are right to the last letter.

    (Two thirds to eleven of twelve, with seeds 0 to 7. A guess at three letters out of four is right once in 64.)
    """
    assert exact_matches(trained, pairs.test) > 0.5
    assert trained.looks[-1].validation == exact_matches(trained, pairs.validation)
    assert translate(trained, ["a b", "c"]) == ["B A", "C"]


def test_a_batch_is_its_sentences_one_by_one(trained, pairs):
    """In the order in which they came, greedily and with a beam."""
    sentences = [source for source, _ in pairs.test]
    for width in (1, 3):
        assert translate(trained, sentences, width) == [translate(trained, [s], width)[0] for s in sentences]


@every_kind
def test_the_loss_falls(kind, pairs):
    losses = [step.loss for step in steps(small_run(kind, pairs, steps=150), pairs)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


@every_kind
def test_resuming_gives_the_same_steps_bit_for_bit(kind, pairs, tmp_path):
    """By way of a file: weights, optimizer and batches."""
    whole = [step[:5] for step in steps(small_run(kind, pairs), pairs)]
    run = small_run(kind, pairs)
    first = []
    for step in steps(run, pairs):
        first.append(step[:5])
        run = run._replace(state=step.state)
        if step.step == 17:
            break
    save_run(tmp_path / "x.run", run)
    rest = [step[:5] for step in steps(load_run(tmp_path / "x.run"), pairs)]
    assert first + rest == whole


@every_kind
def test_what_was_kept_comes_back(kind, pairs, tmp_path):
    """Weights to the last bit, languages, settings; and the translations."""
    run, _ = carry_on(small_run(kind, pairs, steps=5), pairs, tmp_path / "x.run")
    again = load_run(tmp_path / "x.run")
    assert_array_equal(again.state.weights, run.state.weights)
    for name in ("kind", "settings", "source", "target", "origin", "from_file", "seed", "longest", "goal", "looks"):
        assert getattr(again, name) == getattr(run, name)
    assert translate(again, ["a b c"]) == translate(run, ["a b c"])


def test_pairs_are_told_by_all_their_sides(pairs, tmp_path):
    """Those to learn from by how they are drawn; and where a run does not know any checksums, by their words alone."""
    run = small_run("rnn", pairs)
    save_run(tmp_path / "x.run", run)
    again = load_run(tmp_path / "x.run")
    assert again.checksums == run.checksums
    check_pairs(again, few_pairs())
    for change in (
        {"draw": lambda size, rng: pairs.draw(size, rng)[::-1]},
        {"training": pairs.test},
        {"validation": pairs.validation[::-1]},
        {"test": pairs.test[1:]},
        {"longer": pairs.test[:1]},
    ):
        with refuses(ValueError, "pairs: 'letters' has other pairs than when the run began, expected the same file"):
            check_pairs(again, pairs._replace(**change))
        check_pairs(again._replace(checksums=()), pairs._replace(**change))
    with refuses(ValueError, "pairs: 'letters' has other words than when the run began, expected the same file"):
        check_pairs(again._replace(checksums=()), pairs._replace(target=pairs.source))


def test_other_files_are_refused(tmp_path, trained):
    """A checkpoint of something else; and a translation model is no language model."""
    path = tmp_path / "x.run"
    save_checkpoint(path, {"kind": "gpt"}, {})
    message = f"checkpoint: {str(path)!r} does not hold a translation model (task: got None, expected 'translation')"
    with refuses(ValueError, message):
        load_run(path)
    save_run(path, trained)
    with pytest.raises(ValueError, match="does not hold a language model"):
        language_modelling.load_run(path)
