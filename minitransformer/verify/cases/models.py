"""A point to check each model at."""

from collections.abc import Callable

import numpy as np

from minitransformer.equations.activations import GELU
from minitransformer.equations.dropout import Dropout
from minitransformer.layers.embedding import Embedding
from minitransformer.layers.encoder_layer import Config
from minitransformer.models.fnn_lm import fnn_lm, fnn_lm_backward, init_fnn_lm
from minitransformer.models.gpt import GPTBody, gpt, gpt_backward, gpt_body, gpt_body_backward, init_gpt
from minitransformer.models.rnn_encoder_decoder import (
    RnnEncoderDecoder,
    init_rnn_encoder_decoder,
    rnn_encoder_decoder,
    rnn_encoder_decoder_backward,
)
from minitransformer.models.rnn_lm import init_rnn_lm, rnn_lm, rnn_lm_backward, rnn_lm_start
from minitransformer.models.transformer import (
    Transformer,
    embed_tokens,
    embed_tokens_backward,
    init_transformer,
    transformer,
    transformer_backward,
)
from minitransformer.verify.cases.points import RATE, B, L_k, L_q, Rng, d_ff, d_k, d_model, d_v, h, loud, one
from minitransformer.verify.gradient_check import Case


def gpt_body_case(rng: Rng) -> Case:
    """Post-norm layers on sines and cosines."""
    V = 6
    ids = rng.integers(0, V, (B, L_k))
    config = Config(h=h, dropout=RATE, activation=GELU)
    seed = int(rng.integers(2**32))
    weights = loud(init_gpt(V, 2, d_model, h, d_ff, rng, tied=True, final_norm=True).body, rng)

    def forward(weights: GPTBody) -> tuple:
        return gpt_body(ids, weights, config, np.random.default_rng(seed))

    return Case(forward, one(gpt_body_backward), (weights,))


def gpt_case(rng: Rng) -> Case:
    V = 6
    ids = rng.integers(0, V, (B, L_k))
    config = Config(h=h, dropout=RATE, activation=GELU, norm_first=True)
    seed = int(rng.integers(2**32))
    weights = loud(init_gpt(V, 2, d_model, h, d_ff, rng, context=8, tied=True, final_norm=True), rng)
    return Case(lambda weights: gpt(ids, weights, config, np.random.default_rng(seed)), one(gpt_backward), (weights,))


def fnn_lm_case(rng: Rng) -> Case:
    V, n = 6, 4
    histories = rng.integers(0, V, (B, L_q, n - 1))
    weights = loud(init_fnn_lm(V, n, d_k, d_ff, rng), rng)
    return Case(lambda weights: fnn_lm(histories, weights), one(fnn_lm_backward), (weights,))


def rnn_lm_case(rng: Rng) -> Case:
    V = 6
    ids = rng.integers(0, V, (B, L_q))
    weights = loud(init_rnn_lm(V, d_k, d_v, rng, "lstm"), rng)
    start = rnn_lm_start((B,), weights)
    return Case(lambda weights: rnn_lm(ids, start, weights), one(rnn_lm_backward), (weights,))


def embed_tokens_case(rng: Rng) -> Case:
    V = 4  # fewer tokens than positions: some must repeat
    ids = rng.integers(0, V, (B, L_q))
    seed = int(rng.integers(2**32))
    weights = Embedding(rng.standard_normal((V, d_model)))

    def forward(weights: Embedding) -> tuple:
        return embed_tokens(ids, weights, Dropout(RATE, np.random.default_rng(seed)))

    return Case(forward, one(embed_tokens_backward), (weights,))


def transformer_case(rng: Rng) -> Case:
    """One table for both languages, which so gets three gradients; a source with padding."""
    V = 6
    source, target = rng.integers(0, V, (B, L_k)), rng.integers(0, V, (B, L_q))
    config = Config(h=h, dropout=RATE, activation=GELU, norm_first=True)
    seed = int(rng.integers(2**32))
    weights = loud(init_transformer(V, None, 2, d_model, h, d_ff, rng, final_norms=True), rng)

    def forward(weights: Transformer) -> tuple:
        return transformer(source, target, weights, config, np.array([L_k, 4]), np.random.default_rng(seed))

    return Case(forward, one(transformer_backward), (weights,))


def rnn_encoder_decoder_case(rng: Rng) -> Case:
    V_s, V_t = 6, 8
    source, target = rng.integers(0, V_s, (B, L_k)), rng.integers(0, V_t, (B, L_q))
    weights = loud(init_rnn_encoder_decoder(V_s, V_t, d_k, d_v, rng), rng)

    def forward(weights: RnnEncoderDecoder) -> tuple:
        return rnn_encoder_decoder(source, target, weights)

    return Case(forward, one(rnn_encoder_decoder_backward), (weights,))


CASES: dict[str, Callable[[Rng], Case]] = {
    "gpt_body": gpt_body_case,
    "gpt": gpt_case,
    "fnn_lm": fnn_lm_case,
    "rnn_lm": rnn_lm_case,
    "embed_tokens": embed_tokens_case,
    "transformer": transformer_case,
    "rnn_encoder_decoder": rnn_encoder_decoder_case,
}
