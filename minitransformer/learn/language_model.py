"""The tour's third part: a causal language model trained on real text while you watch."""

import math
import time
from typing import Any

import numpy as np

from minitransformer.learn.screen import DIM, Screen
from minitransformer.tasks.language_modelling import (
    Data,
    Settings,
    baselines,
    new_model,
    train_language_model,
    validation_loss,
    write,
)

MOST_SECONDS = 9.0  # a slow machine stops training here, and says so
SHOW_EVERY = 10  # steps
SAMPLE_LENGTH = 300  # characters
RECENT = 20  # steps that the shown training loss is the mean of


def show(screen: Screen, data: Data, settings: Settings, seed: int) -> dict[str, Any]:
    """Train, compare with knowing nothing and with the bigram model, let the model write; return what was measured."""
    rng = np.random.default_rng(seed)
    corpus = data.corpus
    model = new_model(data, settings, rng)
    n_weights = len(model.flat_weights)
    costs = baselines(data)
    screen.say(
        f"{settings.n_layers} encoder layers of width {settings.d_model} under a causal mask, {n_weights:,} weights, "
        f"on {corpus.source}: {len(data.training):,} characters to learn from, {len(data.validation):,} held out."
    )
    start = time.perf_counter()
    losses = []
    with screen.progress(settings.steps) as progress:
        for step in train_language_model(data, model, settings, rng):
            losses.append(step.loss)
            if step.step % SHOW_EVERY == 0 or step.step == settings.steps:
                recent = np.mean(losses[-RECENT:])
                beside = f"ln V {costs['ln V']:.2f}, bigram {costs['bigram']:.2f}"
                progress.update(step.step, f"loss {recent:.2f}  ({beside})")
            if time.perf_counter() - start > MOST_SECONDS:
                break
    seconds = time.perf_counter() - start
    if len(losses) < settings.steps:
        screen.say(f"Stopped after {MOST_SECONDS:.0f} s, at step {len(losses)} of {settings.steps}.")
    loss = validation_loss(data, model, settings)
    show_losses(screen, costs | {"Transformer": loss})
    prompt = corpus.validation[: settings.context // 2]
    text = "".join(write(data, model, settings, prompt, SAMPLE_LENGTH, rng))
    screen.say(f"After {prompt!r} it writes:\n")
    screen.say(text, style=DIM)
    return {
        "source": corpus.source,
        "weights": n_weights,
        "steps": len(losses),
        "planned_steps": settings.steps,
        "seconds": seconds,
        "training_loss": {"first": losses[0], "last": losses[-1]},
        "validation_loss": {"ln V": costs["ln V"], "bigram": costs["bigram"], "Transformer": loss},
        "prompt": prompt,
        "sample": text,
        "learned": bool(np.isfinite(model.flat_weights).all()) and losses[-1] < losses[0],
    }


def show_losses(screen: Screen, losses: dict[str, float]) -> None:
    names = {"ln V": "knows nothing (ln V)", "bigram": "bigram (2.1.2)", "Transformer": "Transformer (3.4.1)"}
    rows = [(names[name], f"{loss:.3f}", f"{math.exp(loss):.1f}") for name, loss in losses.items()]
    screen.table(("on held-out text", "nats a character", "perplexity"), rows)
