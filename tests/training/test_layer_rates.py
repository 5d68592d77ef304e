"""How fast each layer learns when a model is fine-tuned (2.3.2): the lower, the slower; or not at all."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.layers.linear import init_linear
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_classifier import init_bert_classifier
from minitransformer.models.gpt import init_gpt
from minitransformer.models.gpt_classifier import init_gpt_classifier
from minitransformer.training.layer_rates import layer_rates
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.tree import flatten, leaves, named_leaves, tree_map, unflatten


def bert_tree(n_layers=3):
    rng = np.random.default_rng(0)
    return init_bert_classifier(init_bert(11, 7, n_layers, 4, 2, 6, rng), init_linear(4, 4, rng), 3, rng)


def gpt_tree(n_layers=2):
    rng = np.random.default_rng(0)
    return init_gpt_classifier(init_gpt(11, n_layers, 4, 2, 6, rng, 7, tied=True, final_norm=True).body, 3, rng)


def factors(weights, body, *arguments):
    """Path -> the one factor of all its weights."""
    rates = layer_rates(weights, body, *arguments)
    assert len(rates) == sum(leaf.size for leaf in leaves(weights))
    found = {path: set(leaf.ravel().tolist()) for path, leaf in named_leaves(unflatten(rates, weights))}
    assert all(len(values) == 1 for values in found.values())
    return {path: values.pop() for path, values in found.items()}


def starting_with(found, beginning):
    values = {value for path, value in found.items() if path.startswith(beginning)}
    assert len(values) == 1, beginning
    return values.pop()


def test_bert_learns_the_slower_the_lower():
    """The last layer by the factor, the one below by its square, the embedding slowest; pooler and output freely."""
    found = factors(bert_tree(), "bert", 0.5)
    powers = [("layers.layers.2.", 1), ("layers.layers.1.", 2), ("layers.layers.0.", 3), ("embedding.", 4)]
    for part, power in powers:
        assert starting_with(found, f"bert.{part}") == 0.5**power
    assert starting_with(found, "pooler.") == starting_with(found, "output.") == 1


def test_gpt_has_a_norm_after_its_last_layer():
    """Which learns like that layer; positions learn like words."""
    found = factors(gpt_tree(), "body", 0.5)
    powers = [("layers.norm.", 1), ("layers.layers.1.", 1), ("layers.layers.0.", 2), ("embedding.", 3)]
    for part, power in [*powers, ("positions.", 3)]:
        assert starting_with(found, f"body.{part}") == 0.5**power
    assert starting_with(found, "output.") == 1


def test_layers_are_counted_by_number_and_not_by_name():
    """Layer 10 is above layer 9."""
    found = factors(bert_tree(12), "bert", 0.5)
    assert [starting_with(found, f"bert.layers.layers.{i}.") for i in range(12)] == [0.5 ** (12 - i) for i in range(12)]


@pytest.mark.parametrize(("weights", "body"), [(bert_tree(), "bert"), (gpt_tree(), "body")], ids=["bert", "gpt"])
def test_frozen_and_one(weights, body):
    """Frozen, the body has 0 and the heads 1, whatever the factor; with a factor of 1 everything has 1."""
    for path, factor in factors(weights, body, 0.5, True).items():
        assert factor == (0 if path.startswith(f"{body}.") else 1)
    assert set(factors(weights, body, 1.0).values()) == {1}


def trained(weights, share):
    """-> the weights after a few steps towards 0, with weight decay."""
    flat, own = flatten(weights)
    plan = Plan(steps=5, peak=0.01, warmup=1, share=share, decay=0.1)

    def loss_and_gradient(batch, carry, rng):
        return 0.0, tree_map(lambda w: w + batch, own), None

    for _ in train(new_state(flat, np.random.default_rng(0)), plan, lambda n, rng: rng.random(), loss_and_gradient):
        pass
    return own


def test_a_frozen_body_stays_as_it_is_and_the_heads_learn():
    """To the last bit, though its gradients are there and the weights decay."""
    for before, body in ((bert_tree(), "bert"), (gpt_tree(), "body")):
        after = trained(before, layer_rates(before, body, 0.5, frozen=True))
        for (path, old), new in zip(named_leaves(before), leaves(after), strict=True):
            if path.startswith(f"{body}."):
                assert_array_equal(new, old)
            else:
                assert (new != old).all()


def test_a_factor_of_one_is_no_factor():
    """And another one is: the first step of a layer is that much shorter."""
    before = tree_map(lambda w: w.astype(np.float64), bert_tree())
    plain = leaves(trained(before, 1.0))
    for ours, theirs in zip(leaves(trained(before, layer_rates(before, "bert", 1.0))), plain, strict=True):
        assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
    slower = trained(before, layer_rates(before, "bert", 0.5))
    moves = [
        abs(new.bert.embedding.tokens.E - before.bert.embedding.tokens.E).mean()
        for new in (slower, trained(before, 1.0))
    ]
    assert moves[0] < 0.1 * moves[1]


@pytest.mark.parametrize("share", [0.5, np.float64(0.5), 0])
def test_one_factor_for_all_weights_is_that_factor_for_each(share):
    """As a number it is the same as an array of it: no weight learns faster, none slower."""
    before = tree_map(lambda w: w.astype(np.float64), gpt_tree())
    each = np.full(sum(leaf.size for leaf in leaves(before)), float(share))
    for ours, theirs in zip(leaves(trained(before, share)), leaves(trained(before, each)), strict=True):
        assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)
