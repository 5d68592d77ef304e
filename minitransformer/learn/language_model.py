"""The tour's third part: a causal language model trained on real text while you watch."""

import math
import time
from typing import Any

import numpy as np

from minitransformer.data.corpus import VALIDATION
from minitransformer.decoding.sampling import SamplingParams
from minitransformer.models.ngram import count_ngrams, ngram_loss
from minitransformer.tasks.language_modelling.gpt import GPT_KIND, GptSettings
from minitransformer.tasks.language_modelling.run import costs, new_run, steps
from minitransformer.tasks.language_modelling.text import Text, judged
from minitransformer.tasks.language_modelling.writing import written
from minitransformer.terminal import DIM, Screen
from minitransformer.training.session import Goal

# Found by measuring: what learns much in some seven seconds on one core. As the text has it: post-norm, ReLU, sines.
SETTINGS = GptSettings(
    n_layers=2,
    d_model=64,
    h=4,
    d_ff=256,
    activation="relu",
    norm_first=False,
    positions="sinusoidal",
    tied=False,
    context=32,
    B=8,
    peak=6e-3,
    decay=0.0,
    steps=1300,
)
MOST_SECONDS = 9.0  # a slow machine stops training here, and says so
SHOW_EVERY = 10  # steps
LOOK_AT = 20_000  # characters of the validation text
SAMPLE_LENGTH = 300  # characters
TEMPERATURE = 0.8
RECENT = 20  # steps that the shown training loss is the mean of


def show(screen: Screen, text: Text, seed: int) -> dict[str, Any]:
    """Train, compare with knowing nothing and with the bigram model, let the model write; return what was measured."""
    run = new_run(GPT_KIND, SETTINGS, text, seed)._replace(goal=Goal(steps=SETTINGS.steps))
    beside = baselines(text)
    screen.say(
        f"{SETTINGS.n_layers} layers of width {SETTINGS.d_model} under a causal mask, {run.n_weights:,} weights, "
        f"on {text.corpus.source}: {len(text.training):,} characters to learn from, {len(text.validation):,} held out."
    )
    start = time.perf_counter()
    losses = []
    with screen.progress(SETTINGS.steps) as progress:
        for step in steps(run, text):
            losses.append(step.loss)
            run = run._replace(state=step.state)
            if step.step % SHOW_EVERY == 0 or step.step == SETTINGS.steps:
                recent = np.mean(losses[-RECENT:])
                progress.update(
                    step.step, f"loss {recent:.2f}  (ln V {beside['ln V']:.2f}, bigram {beside['bigram']:.2f})"
                )
            if time.perf_counter() - start > MOST_SECONDS:
                break
    seconds = time.perf_counter() - start
    if len(losses) < SETTINGS.steps:
        screen.say(f"Stopped after {MOST_SECONDS:.0f} s, at step {len(losses)} of {SETTINGS.steps}.")
    loss = float(costs(run, text.validation[:LOOK_AT]).mean())
    show_losses(screen, beside | {"Transformer": loss})
    prompt = judged(text, VALIDATION).text[: SETTINGS.context // 2]
    sample = "".join(written(run, prompt, SAMPLE_LENGTH, SamplingParams(TEMPERATURE), np.random.default_rng(seed)))
    screen.say(f"After {prompt!r} it writes:\n")
    screen.say(sample, style=DIM)
    return {
        "source": text.corpus.source,
        "weights": run.n_weights,
        "steps": len(losses),
        "planned_steps": SETTINGS.steps,
        "seconds": seconds,
        "training_loss": {"first": losses[0], "last": losses[-1]},
        "validation_loss": beside | {"Transformer": loss},
        "prompt": prompt,
        "sample": sample,
        "learned": bool(np.isfinite(run.state.weights).all()) and losses[-1] < losses[0],
    }


def baselines(text: Text) -> dict[str, float]:
    """What each character costs one that knows nothing, ln V, and the bigram model."""
    V = text.vocabulary.size
    bigram = count_ngrams(text.training, V, n=2, smoothing="add-k")
    return {"ln V": math.log(V), "bigram": ngram_loss(text.validation[:LOOK_AT], bigram)}


def show_losses(screen: Screen, losses: dict[str, float]) -> None:
    names = {"ln V": "knows nothing (ln V)", "bigram": "bigram (2.1.2)", "Transformer": "Transformer (3.4.1)"}
    rows = [(names[name], f"{loss:.3f}", f"{math.exp(loss):.1f}") for name, loss in losses.items()]
    screen.table(("on held-out text", "nats a character", "perplexity"), rows)
