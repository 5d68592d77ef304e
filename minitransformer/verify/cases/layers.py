"""A point to check each layer at, all weights loud, dropout on."""

from collections.abc import Callable

import numpy as np

from minitransformer.equations.activations import GELU, RELU
from minitransformer.equations.attention import causal_mask, causal_padding_mask, padding_mask
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.add_norm import add_norm, add_norm_backward, residual, residual_backward
from minitransformer.layers.decoder import Decoder, decoder, decoder_backward, init_decoder
from minitransformer.layers.decoder_layer import (
    Masks,
    init_decoder_layer,
    post_norm_decoder_layer,
    post_norm_decoder_layer_backward,
    pre_norm_decoder_layer,
    pre_norm_decoder_layer_backward,
)
from minitransformer.layers.elman import elman, elman_backward, init_elman
from minitransformer.layers.embedding import Embedding, embedding, embedding_backward
from minitransformer.layers.encoder import Encoder, encoder, encoder_backward, init_encoder
from minitransformer.layers.encoder_layer import (
    Config,
    init_encoder_layer,
    post_norm_encoder_layer,
    post_norm_encoder_layer_backward,
    pre_norm_encoder_layer,
    pre_norm_encoder_layer_backward,
)
from minitransformer.layers.feed_forward import feed_forward, feed_forward_backward, init_feed_forward
from minitransformer.layers.layer_norm import LayerNorm, layer_norm, layer_norm_backward
from minitransformer.layers.learned_positions import (
    LearnedPositions,
    learned_positions,
    learned_positions_backward,
)
from minitransformer.layers.linear import Linear, linear, linear_backward
from minitransformer.layers.lstm import State, init_lstm, lstm, lstm_backward
from minitransformer.layers.multi_head import MultiHead, multi_head, multi_head_backward
from minitransformer.layers.rms_norm import RMSNorm, rms_norm, rms_norm_backward
from minitransformer.layers.tied_output import tied_output, tied_output_backward
from minitransformer.verify.cases.points import (
    RATE,
    B,
    L_k,
    L_q,
    Rng,
    d_ff,
    d_k,
    d_model,
    d_v,
    h,
    holey_numbers,
    loud,
    one,
)
from minitransformer.verify.gradient_check import Case

Array = np.ndarray


def linear_case(rng: Rng) -> Case:
    weights = Linear(rng.standard_normal((d_k, d_v)), rng.standard_normal(d_v))
    return Case(linear, linear_backward, (rng.standard_normal((B, L_q, d_k)), weights))


def embedding_case(rng: Rng) -> Case:
    V = 4  # fewer tokens than positions: some must repeat
    ids = rng.integers(0, V, (B, L_q))
    weights = Embedding(rng.standard_normal((V, d_model)))
    return Case(lambda weights: embedding(ids, weights), one(embedding_backward), (weights,))


def learned_positions_case(rng: Rng) -> Case:
    E, P = numbers(rng, (B, L_q, d_model), (L_k, d_model))
    return Case(learned_positions, learned_positions_backward, (E, LearnedPositions(P)))


def tied_output_case(rng: Rng) -> Case:
    y, E = numbers(rng, (B, L_q, d_model), (L_k, d_model))
    return Case(tied_output, tied_output_backward, (y, Embedding(E)))


def layer_norm_case(rng: Rng) -> Case:
    weights = LayerNorm(rng.standard_normal(d_model), rng.standard_normal(d_model))
    return Case(layer_norm, layer_norm_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def rms_norm_case(rng: Rng) -> Case:
    weights = RMSNorm(rng.standard_normal(d_model))
    return Case(rms_norm, rms_norm_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def residual_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    x, f = rng.standard_normal((2, B, L_q, d_model))
    return Case(lambda x, f: residual(x, f, Dropout(RATE, np.random.default_rng(seed))), residual_backward, (x, f))


def add_norm_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    norm = LayerNorm(rng.standard_normal(d_model), rng.standard_normal(d_model))

    def forward(x: Array, f: Array, norm: LayerNorm) -> tuple:
        return add_norm(x, f, norm, drop=Dropout(RATE, np.random.default_rng(seed)))

    x, f = rng.standard_normal((2, B, L_q, d_model))
    return Case(forward, add_norm_backward, (x, f, norm))


def feed_forward_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    weights = loud(init_feed_forward(d_model, d_ff, rng), rng)

    def forward(x: Array, weights: tuple) -> tuple:
        return feed_forward(x, weights, RELU, Dropout(RATE, np.random.default_rng(seed)))

    return Case(forward, feed_forward_backward, (rng.standard_normal((B, L_q, d_model)), weights))


def multi_head_case(rng: Rng) -> Case:
    """Cross-attention with five different widths, under a mask of numbers, with dropout."""
    seed = int(rng.integers(2**32))
    mask = holey_numbers(rng)
    d_query, d_key, d_value = 8, 9, 11
    shapes = ((d_query, h * d_k), (d_key, h * d_k), (d_value, h * d_v), (h * d_v, d_model))
    weights = MultiHead(*(Linear(rng.standard_normal(shape), rng.standard_normal(shape[1])) for shape in shapes))

    def forward(x_q: Array, x_k: Array, x_v: Array, weights: MultiHead) -> tuple:
        return multi_head(x_q, x_k, x_v, weights, h, mask, Dropout(RATE, np.random.default_rng(seed)))

    x_q = rng.standard_normal((B, L_q, d_query))
    x_k, x_v = rng.standard_normal((B, L_k, d_key)), rng.standard_normal((B, L_k, d_value))
    return Case(forward, multi_head_backward, (x_q, x_k, x_v, weights))


def post_norm_encoder_layer_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, activation=RELU)
    mask = causal_padding_mask(np.array([L_k, 4]), L_k)

    def forward(x: Array, weights: tuple) -> tuple:
        return post_norm_encoder_layer(x, weights, config, mask, rng=np.random.default_rng(seed))

    weights = loud(init_encoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, post_norm_encoder_layer_backward, (rng.standard_normal((B, L_k, d_model)), weights))


def pre_norm_encoder_layer_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, activation=GELU, norm_first=True)
    mask = causal_mask(L_k)

    def forward(x: Array, weights: tuple) -> tuple:
        return pre_norm_encoder_layer(x, weights, config, mask, rng=np.random.default_rng(seed))

    weights = loud(init_encoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, pre_norm_encoder_layer_backward, (rng.standard_normal((B, L_k, d_model)), weights))


def encoder_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, norm_first=True)
    layers = init_encoder(2, d_model, h, d_ff, rng).layers
    norm = LayerNorm(np.ones(d_model), np.zeros(d_model))

    def forward(x: Array, weights: Encoder) -> tuple:
        return encoder(x, weights, config, rng=np.random.default_rng(seed))

    return Case(forward, encoder_backward, (rng.standard_normal((B, L_k, d_model)), loud(Encoder(layers, norm), rng)))


def post_norm_decoder_layer_case(rng: Rng) -> Case:
    """The first target position is fully masked in the memory."""
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, activation=RELU)
    masks = Masks(causal_mask(L_q), holey_numbers(rng))

    def forward(x: Array, memory: Array, weights: tuple) -> tuple:
        return post_norm_decoder_layer(x, memory, weights, config, masks, np.random.default_rng(seed))

    x, memory = numbers(rng, (B, L_q, d_model), (B, L_k, d_model))
    weights = loud(init_decoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, post_norm_decoder_layer_backward, (x, memory, weights))


def pre_norm_decoder_layer_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, activation=GELU, norm_first=True)
    masks = Masks(causal_mask(L_q), padding_mask(np.array([L_k, 4]), L_k))

    def forward(x: Array, memory: Array, weights: tuple) -> tuple:
        return pre_norm_decoder_layer(x, memory, weights, config, masks, np.random.default_rng(seed))

    x, memory = numbers(rng, (B, L_q, d_model), (B, L_k, d_model))
    weights = loud(init_decoder_layer(d_model, h, d_ff, rng), rng)
    return Case(forward, pre_norm_decoder_layer_backward, (x, memory, weights))


def decoder_case(rng: Rng) -> Case:
    seed = int(rng.integers(2**32))
    config = Config(h=h, dropout=RATE, norm_first=True)
    masks = Masks(causal_mask(L_q), padding_mask(np.array([4, L_k]), L_k))
    layers = init_decoder(2, d_model, h, d_ff, rng).layers
    norm = LayerNorm(np.ones(d_model), np.zeros(d_model))

    def forward(x: Array, memory: Array, weights: Decoder) -> tuple:
        return decoder(x, memory, weights, config, masks, np.random.default_rng(seed))

    x, memory = numbers(rng, (B, L_q, d_model), (B, L_k, d_model))
    return Case(forward, decoder_backward, (x, memory, loud(Decoder(layers, norm), rng)))


def elman_case(rng: Rng) -> Case:
    weights = loud(init_elman(d_k, d_v, rng), rng)
    return Case(elman, elman_backward, (*numbers(rng, (B, L_q, d_k), (B, d_v)), weights))


def lstm_case(rng: Rng) -> Case:
    weights = loud(init_lstm(d_k, d_v, rng), rng)
    x, h_0, c_0 = numbers(rng, (B, L_q, d_k), (B, d_v), (B, d_v))
    return Case(lstm, lstm_backward, (x, State(h_0, c_0), weights))


def numbers(rng: Rng, *shapes: tuple[int, ...]) -> list[Array]:
    return [rng.standard_normal(shape) for shape in shapes]


CASES: dict[str, Callable[[Rng], Case]] = {
    "linear": linear_case,
    "elman": elman_case,
    "lstm": lstm_case,
    "embedding": embedding_case,
    "learned_positions": learned_positions_case,
    "tied_output": tied_output_case,
    "layer_norm": layer_norm_case,
    "rms_norm": rms_norm_case,
    "residual": residual_case,
    "add_norm": add_norm_case,
    "feed_forward": feed_forward_case,
    "multi_head": multi_head_case,
    "post_norm_encoder_layer": post_norm_encoder_layer_case,
    "pre_norm_encoder_layer": pre_norm_encoder_layer_case,
    "encoder": encoder_case,
    "post_norm_decoder_layer": post_norm_decoder_layer_case,
    "pre_norm_decoder_layer": pre_norm_decoder_layer_case,
    "decoder": decoder_case,
}
