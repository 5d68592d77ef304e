"""Section 3.4: GPT on the ladder."""

import functools
from typing import NamedTuple

import numpy as np

from minitransformer.checks import check_choice
from minitransformer.data.batches import random_windows
from minitransformer.decoding.key_value_cache import decode_step, empty_cache
from minitransformer.equations.activations import GELU, GELU_TANH, RELU
from minitransformer.equations.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.equations.softmax import log_softmax
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.past import Past
from minitransformer.models.gpt import GPT, gpt, gpt_backward, init_gpt
from minitransformer.tasks.language_modelling.kind import FIRST, Kind, Rng, Training, n_targets, nats_of_targets
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.loop import LossAndGradient, NextBatch, Plan

Array = np.ndarray

AT_ONCE = 16  # windows that are read in one pass
POSITIONS = ("learned", "sinusoidal", "rotary", "alibi")
ACTIVATIONS = {"relu": RELU, "gelu": GELU, "gelu_tanh": GELU_TANH}


class GptSettings(NamedTuple):
    n_layers: int = 4
    d_model: int = 128
    h: int = 4
    d_ff: int = 512
    rate: float = 0.1  # of dropout
    activation: str = "gelu_tanh"
    norm_first: bool = True
    positions: str = "learned"  # or sinusoidal, as in 4.3; or the variants rotary, alibi
    h_kv: int = 0  # number of heads of keys and values, each shared by h / h_kv query heads; 0: h, as in 4.2
    tied: bool = True
    context: int = 64
    B: int = 8
    peak: float = 3e-3
    decay: float = 0.1
    warmup: int = 100
    steps: int = 5000


@functools.cache
def config(settings: GptSettings) -> Config:
    if settings.activation not in ACTIVATIONS:
        raise ValueError(f"activation: got {settings.activation!r}, expected one of {', '.join(ACTIVATIONS)}")
    check_choice("positions", settings.positions, POSITIONS)
    return Config(
        h=settings.h,
        dropout=settings.rate,
        activation=ACTIVATIONS[settings.activation],
        norm_first=settings.norm_first,
        rotary=settings.positions == "rotary",
        alibi=settings.positions == "alibi",
    )


def init(ids: Array, V: int, s: GptSettings, rng: Rng) -> GPT:
    config(s)  # refuses an activation that there is not, and such positions
    if s.positions == "rotary" and s.d_model // s.h % 2 == 1:
        raise ValueError(
            f"positions: got 'rotary' with heads of {s.d_model // s.h} features, expected an even number, "
            "since pairs are turned"
        )
    context = s.context if s.positions == "learned" else None
    norm, h_kv = s.norm_first, s.h_kv or None
    return init_gpt(V, s.n_layers, s.d_model, s.h, s.d_ff, rng, context, s.tied, final_norm=norm, h_kv=h_kv)


def plan(settings: GptSettings, weights: GPT) -> Plan:
    decay = decay_of_matrices(weights, settings.decay)
    return Plan(peak=settings.peak, warmup=settings.warmup, floor=0.02, decay=decay, beta2=0.99)


def next_batch(ids: Array, settings: GptSettings) -> NextBatch:
    def batch(number: int, rng: Rng) -> tuple[Array, Array]:
        return random_windows(ids, settings.context, settings.B, rng)

    return batch


def loss_and_gradient(weights: GPT, settings: GptSettings) -> LossAndGradient:
    model_config = config(settings)

    def step(batch: tuple[Array, Array], carry: None, rng: Rng, n: int | None = None) -> tuple[float, GPT, None]:
        inputs, targets = batch
        logits, cache = gpt(inputs, weights, model_config, rng)
        loss, loss_cache = cross_entropy(logits, targets, n=n)
        return loss, gpt_backward(cross_entropy_backward(1.0, loss_cache), cache), None

    return step


def costs(ids: Array, weights: GPT, settings: GptSettings) -> Array:
    """Windows that overlap by half: a word is predicted from half a window before it at least, a whole one at most.

    But for the first words of the text, which are predicted from all before them.
    """
    context, half = settings.context, settings.context // 2
    n = len(ids) - 1  # so many words have words before them
    starts = np.minimum(np.arange(0, max(n - half, 1), half), max(n - context, 0))
    found = np.zeros(n)
    for i in range(0, len(starts), AT_ONCE):
        windows = ids[starts[i : i + AT_ONCE, None] + np.arange(min(context, n) + 1)].astype(np.int64)
        log_p, _ = log_softmax(gpt(windows[:, :-1], weights, config(settings))[0])
        nats = nats_of_targets(log_p, windows[:, 1:])
        for start, row in zip(starts[i : i + AT_ONCE], nats, strict=True):
            new = 0 if start == 0 else half
            found[start + new : start + len(row)] = row[new:]
    return found[FIRST - 1 :]


class Window(NamedTuple):
    """What a GPT that writes goes on from."""

    ids: Array  # (n,)
    past: tuple[Past, ...]


def read(ids: Array, state: Window | None, weights: GPT, settings: GptSettings) -> tuple[Array, Window]:
    """When the window is full, its older half is forgotten, and the rest is read again, now at the first positions."""
    before = np.zeros(0, np.int64) if state is None else state.ids
    seen = np.concatenate([before, ids])
    if state is not None and len(seen) <= settings.context:
        logits, past = decode_step(ids, state.past, weights, config(settings))
        return logits[-1], Window(seen, past)
    kept = seen if len(seen) <= settings.context else seen[-max(settings.context // 2, 1) :]
    nothing = empty_cache((), settings.context, weights, config(settings))
    logits, past = decode_step(kept, nothing, weights, config(settings))
    return logits[-1], Window(kept, past)


GPT_KIND = Kind(
    "gpt",
    "3.4",
    GptSettings(),
    init,
    costs,
    read,
    Training(plan, lambda w, s: None, next_batch, n_targets, loss_and_gradient),
)
