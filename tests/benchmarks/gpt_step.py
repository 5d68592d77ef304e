"""One training step of a GPT, with loss, clipping and AdamW, beside PyTorch's, and beside nothing but its products.

    python tests/benchmarks/gpt_step.py [--rounds N] [--json]

One process, one thread, float32; CPU time, medians of contestants that take turns. Needs PyTorch (the extra `oracle`).
"""

import contest
import numpy as np
import torch
from products import Products
from torch.nn import functional
from torch_gpt import TorchGPT

from minitransformer.data.batches import random_windows
from minitransformer.tasks.language_modelling.gpt import GPT_KIND, GptSettings
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.tree import flatten

V = 256
SIZES = GptSettings(n_layers=4, d_model=128, h=4, d_ff=512, rate=0.0, context=64, B=16)
ACTIVATIONS = ("gelu_tanh", "relu")
RATE, DECAY = 1e-4, 0.1
IDS = np.random.default_rng(0).integers(0, V, 10_000).astype(np.uint8)


def numpy_step(s: GptSettings) -> contest.Step:
    """The training loop that `minitransformer train gpt` runs, one step at a time."""
    rng = np.random.default_rng(0)
    flat, weights = flatten(GPT_KIND.init(IDS, V, s, rng))
    training = GPT_KIND.training
    plan = Plan(steps=10**9, peak=RATE, decay=decay_of_matrices(weights, DECAY), beta2=0.99)
    steps = train(new_state(flat, rng), plan, training.next_batch(IDS, s), training.loss_and_gradient(weights, s))
    return lambda: next(steps)


def torch_step(s: GptSettings, fused: bool) -> contest.Step:
    rng = np.random.default_rng(0)
    model = TorchGPT(V, s.n_layers, s.d_model, s.h, s.d_ff, s.context, s.activation).take(GPT_KIND.init(IDS, V, s, rng))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.99), fused=fused)

    def step() -> object:
        inputs, targets = (torch.from_numpy(ids) for ids in random_windows(IDS, s.context, s.B, rng))
        loss = functional.cross_entropy(model(inputs).view(-1, V), targets.reshape(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def product_step(s: GptSettings) -> contest.Step:
    products = Products()
    for _ in range(s.n_layers):
        products.add_layer(s.B, s.context, s.d_model, s.h, s.d_ff)
    products.add_linear(s.B * s.context, s.d_model, V)
    return products


def measure(rounds: int) -> list[contest.Row]:
    rows = []
    for activation in ACTIVATIONS:
        s = SIZES._replace(activation=activation)
        steps = {
            "numpy": numpy_step(s),
            "torch": torch_step(s, fused=False),
            "torch, fused AdamW": torch_step(s, fused=True),
            "products": product_step(s),
        }
        seconds = contest.medians(steps, rounds)
        for name, value in seconds.items():
            row = {"activation": activation, "contestant": name, "ms": value * 1e3}
            rows.append(row | {"numpy / it": seconds["numpy"] / value})
    return rows


if __name__ == "__main__":
    contest.run(__doc__, measure, rounds=31)
