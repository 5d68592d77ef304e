"""The gallery: each wrong function beside the right one, how far it is off, and the test that catches it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitransformer.equations.activations import gelu_tanh, gelu_tanh_backward
from minitransformer.equations.attention import (
    attend,
    attend_backward,
    attention,
    causal_mask,
    scaled_dot_product,
    scaled_dot_product_backward,
    split_heads,
)
from minitransformer.equations.cross_entropy import IGNORE, cross_entropy
from minitransformer.equations.dropout import Dropout, dropout
from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.equations.softmax import masked_softmax, softmax, softmax_backward
from minitransformer.layers.add_norm import residual
from minitransformer.layers.embedding import Embedding, embedding, embedding_backward
from minitransformer.layers.encoder_layer import (
    Config,
    init_encoder_layer,
    post_norm_encoder_layer,
    post_norm_encoder_layer_backward,
)
from minitransformer.layers.layer_norm import LayerNorm, layer_norm, layer_norm_backward
from minitransformer.layers.linear import Linear, linear, linear_backward
from minitransformer.layers.multi_head import init_multi_head, multi_head
from minitransformer.learn.mistakes import wrong_code
from minitransformer.tree import leaves
from minitransformer.verify.cases.points import loud

Array = np.ndarray
Rng = np.random.Generator


class Mistake(NamedTuple):
    right: Callable[..., Any]
    wrong: Callable[..., Any]
    arguments: Callable[[Rng], tuple]  # for both, where they differ
    test: str  # path and name of the test that catches it
    parameters: dict[str, str]  # of a test that has some

    @property
    def name(self) -> str:
        return self.wrong.__name__


def mistake(
    right: Callable[..., Any],
    wrong: Callable[..., Any],
    arguments: Callable[[Rng], tuple],
    test: str,
    **parameters: str,
) -> Mistake:
    return Mistake(right, wrong, arguments, f"tests/{test}", parameters)


def numbers(*shapes: tuple[int, ...]) -> Callable[[Rng], tuple]:
    return lambda rng: tuple(rng.standard_normal(shape) for shape in shapes)


def after(forward: Callable[..., tuple[Array, Any]], arguments: Callable[[Rng], tuple]) -> Callable[[Rng], tuple]:
    """(dy, cache) for a backward: a random gradient, and what the forward kept."""

    def make(rng: Rng) -> tuple:
        y, cache = forward(*arguments(rng))
        return rng.standard_normal(np.shape(y)), cache

    return make


def masked_scores(rng: Rng) -> tuple:
    mask = np.array([[True, False, True], [False, False, False]])
    return rng.standard_normal((2, 3)), mask


def dropped_attention(rng: Rng) -> tuple:
    return rng.standard_normal((3, 4)), rng.standard_normal((4, 5)), None, Dropout(0.5, rng)


def two_heads(rng: Rng) -> tuple:
    x = rng.standard_normal((3, 4))
    return x, x, x, loud(init_multi_head(4, 2, rng), rng), 2


def gain_and_bias(rng: Rng) -> tuple:
    return rng.standard_normal((3, 4)), LayerNorm(rng.standard_normal(4), rng.standard_normal(4))


def small_numbers(rng: Rng) -> tuple:
    x, weights = gain_and_bias(rng)
    return x / 100, weights


def encoder_layer_input(rng: Rng) -> tuple:
    return rng.standard_normal((3, 4)), loud(init_encoder_layer(4, 2, 5, rng), rng), Config(h=2)


def dropped_encoder_layer_input(rng: Rng) -> tuple:
    x, weights, _ = encoder_layer_input(rng)
    return x, weights, Config(h=2, dropout=0.5), None, np.random.default_rng(0)


def repeated_words(rng: Rng) -> tuple:
    return np.array([0, 2, 2]), Embedding(rng.standard_normal((4, 3)))


def square_weights(rng: Rng) -> tuple:
    return rng.standard_normal((2, 3)), Linear(rng.standard_normal((3, 3)), rng.standard_normal(3))


def padded_targets(rng: Rng) -> tuple:
    return rng.standard_normal((4, 5)), np.array([1, 3, IGNORE, IGNORE])


def causal_attention_input(rng: Rng) -> tuple:
    return (*numbers((3, 4), (3, 4), (3, 5))(rng), causal_mask(3))


GALLERY: tuple[Mistake, ...] = (
    mistake(
        softmax_backward,
        wrong_code.softmax_backward_1,
        after(softmax, numbers((2, 3))),
        "equations/test_softmax.py::test_softmax_gradient_is_not_divided_by_the_batch",
    ),
    mistake(
        softmax,
        wrong_code.softmax_2,
        numbers((2, 3)),
        "equations/test_softmax.py::test_softmax_is_over_keys_not_over_queries",
    ),
    mistake(
        masked_softmax,
        wrong_code.masked_softmax_3,
        masked_scores,
        "equations/test_softmax.py::test_a_query_that_may_attend_to_nothing_gets_zeros",
    ),
    mistake(
        causal_mask,
        wrong_code.causal_mask_4,
        lambda rng: (4,),
        "equations/attention/test_masks.py::test_causal_mask_allows_the_past_and_the_present",
    ),
    mistake(
        split_heads,
        wrong_code.split_heads_5,
        lambda rng: (rng.standard_normal((3, 4)), 2),
        "equations/attention/test_heads.py::test_split_by_reshape_alone_would_mix_positions",
    ),
    mistake(
        multi_head,
        wrong_code.multi_head_6,
        two_heads,
        "layers/test_multi_head.py::test_scaled_by_sqrt_of_d_k_not_of_d_model",
    ),
    mistake(
        scaled_dot_product_backward,
        wrong_code.scaled_dot_product_backward_7,
        after(scaled_dot_product, numbers((3, 4), (5, 4))),
        "equations/attention/test_scores.py::test_scaled_dot_product_gradients",
    ),
    mistake(
        attend_backward,
        wrong_code.attend_backward_8,
        after(attend, dropped_attention),
        "equations/attention/test_weights.py::test_attention_gradients_with_dropout",
    ),
    mistake(
        layer_norm,
        wrong_code.layer_norm_9,
        gain_and_bias,
        "layers/test_layer_norm.py::test_variance_is_biased_and_eps_stands_inside_the_root",
    ),
    mistake(
        layer_norm,
        wrong_code.layer_norm_10,
        small_numbers,
        "layers/test_layer_norm.py::test_variance_is_biased_and_eps_stands_inside_the_root",
    ),
    mistake(
        layer_norm_backward,
        wrong_code.layer_norm_backward_11,
        after(layer_norm, gain_and_bias),
        "layers/test_layer_norm.py::test_the_gain_stands_inside_the_means",
    ),
    mistake(
        post_norm_encoder_layer_backward,
        wrong_code.post_norm_encoder_layer_backward_12,
        after(post_norm_encoder_layer, encoder_layer_input),
        "layers/test_encoder_layer.py::test_encoder_layer_gradients",
        form="post_norm",
    ),
    mistake(
        post_norm_encoder_layer_backward,
        wrong_code.post_norm_encoder_layer_backward_13,
        after(post_norm_encoder_layer, encoder_layer_input),
        "layers/test_encoder_layer.py::test_encoder_layer_gradients",
        form="post_norm",
    ),
    mistake(
        post_norm_encoder_layer,
        wrong_code.post_norm_encoder_layer_14,
        dropped_encoder_layer_input,
        "layers/test_encoder_layer.py::test_dropout_sits_where_section_5_has_it",
    ),
    mistake(
        embedding_backward,
        wrong_code.embedding_backward_15,
        after(embedding, repeated_words),
        "layers/test_embedding.py::test_a_token_that_occurs_twice_gets_both_gradients",
    ),
    mistake(
        linear_backward,
        wrong_code.linear_backward_16,
        after(linear, square_weights),
        "layers/test_linear.py::test_linear_gradients",
    ),
    mistake(
        positional_encoding,
        wrong_code.positional_encoding_17,
        lambda rng: (5, 6),
        "equations/test_positional_encoding.py::test_columns_2j_and_2j_plus_1_share_one_frequency",
    ),
    mistake(
        dropout,
        wrong_code.dropout_18,
        lambda rng: (rng.standard_normal((3, 4)), Dropout(0.5, np.random.default_rng(0))),
        "equations/test_dropout.py::test_a_number_is_dropped_or_scaled",
    ),
    mistake(
        cross_entropy,
        wrong_code.cross_entropy_19,
        padded_targets,
        "equations/test_cross_entropy.py::test_the_mean_is_over_counted_targets_not_over_all",
    ),
    mistake(
        gelu_tanh_backward,
        wrong_code.gelu_tanh_backward_20,
        after(gelu_tanh, numbers((3, 4))),
        "equations/test_activations.py::test_activation_gradients",
        name="gelu_tanh",
    ),
    mistake(
        residual,
        wrong_code.residual_21,
        lambda rng: (*numbers((3, 4), (3, 4))(rng), Dropout(0.5, np.random.default_rng(0))),
        "layers/test_add_norm.py::test_dropout_acts_on_the_sublayer_not_on_the_sum",
    ),
    mistake(
        attention,
        wrong_code.attention_22,
        causal_attention_input,
        "equations/attention/test_weights.py::test_padding_changes_nothing",
    ),
)


def find(name: str) -> Mistake:
    """Raises ValueError for an unknown name, with the names that there are."""
    for entry in GALLERY:
        if entry.name == name:
            return entry
    raise ValueError(f"NAME: got {name!r}, expected one of {', '.join(entry.name for entry in GALLERY)}")


def difference(entry: Mistake, seed: int = 0) -> float:
    """The largest |wrong - right| among all arrays of the result, relative to the right array's norm.

    Of a forward its output counts, of a backward all gradients; another shape is infinitely wrong.
    """
    rights, wrongs = (results(f, entry.arguments(np.random.default_rng(seed))) for f in (entry.right, entry.wrong))
    return max(relative(wrong, right) for wrong, right in zip(wrongs, rights, strict=True))


def results(function: Callable[..., Any], arguments: tuple) -> list[Array]:
    result = function(*arguments)
    is_forward = "backward" not in function.__name__
    return [np.asarray(result[0] if isinstance(result, tuple) else result)] if is_forward else leaves(result)


def relative(wrong: Array, right: Array) -> float:
    if wrong.shape != right.shape:
        return float("inf")
    left_over = np.linalg.norm(wrong.astype(float) - right.astype(float))
    return float(left_over / max(np.linalg.norm(right.astype(float)), 1e-300))
