"""A point to check each model at."""

from collections.abc import Callable

import numpy as np

from minitransformer.layers.encoder_layer import Config
from minitransformer.learn.cases.points import RATE, B, L_k, Rng, d_ff, d_model, h, loud, one
from minitransformer.learn.gradient_check import Case
from minitransformer.models.causal_lm import causal_lm, causal_lm_backward, init_causal_lm


def causal_lm_case(rng: Rng) -> Case:
    V = 6
    ids = rng.integers(0, V, (B, L_k))
    config = Config(h, RATE)
    seed = int(rng.integers(2**32))
    weights = loud(init_causal_lm(V, 2, d_model, h, d_ff, rng), rng)
    return Case(
        lambda weights: causal_lm(ids, weights, config, np.random.default_rng(seed)),
        one(causal_lm_backward),
        (weights,),
    )


CASES: dict[str, Callable[[Rng], Case]] = {
    "causal_lm": causal_lm_case,
}
