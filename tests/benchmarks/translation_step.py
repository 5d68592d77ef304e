"""One training step of the Transformer that translates, beside PyTorch's `nn.Transformer`.

    python tests/benchmarks/translation_step.py [--rounds N] [--json]

At the task's size: d_model 64, 2 + 2 layers, 4 heads, feed-forward network of 256, 64 sentences of 23 and 27 words,
with loss, clipping and AdamW. One process, one thread, float32; CPU time, medians of contestants that take turns. Needs
PyTorch (the extra `oracle`).
"""

import math

import contest
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from minitransformer.equations.positional_encoding import positional_encoding
from minitransformer.tasks.translation.batches import Batch
from minitransformer.tasks.translation.transformer import TRANSFORMER
from minitransformer.training.adam import decay_of_matrices
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.tree import flatten

V_s, V_t, L_s, L_t = 21, 108, 23, 27
SETTINGS = TRANSFORMER.settings
RATE, DECAY, SMOOTHING = 1e-4, 0.01, SETTINGS.label_smoothing


def batch_of(number: int, rng: np.random.Generator) -> Batch:
    B = SETTINGS.B
    target = rng.integers(0, V_t, (B, L_t + 1))
    lengths = rng.integers(L_s - 3, L_s + 1, B)
    return Batch(rng.integers(0, V_s, (B, L_s)), lengths, target[:, :-1], target[:, 1:])


def numpy_step() -> contest.Step:
    rng = np.random.default_rng(0)
    flat, weights = flatten(TRANSFORMER.init(V_s, V_t, SETTINGS, rng))
    plan = Plan(steps=10**9, peak=RATE, decay=decay_of_matrices(weights, DECAY), beta2=0.98)

    def loss_and_gradient(batch: Batch, carry: None, rng: np.random.Generator) -> tuple:
        return *TRANSFORMER.loss_and_gradient(batch, weights, SETTINGS, rng), None

    steps = train(new_state(flat, rng), plan, batch_of, loss_and_gradient)
    return lambda: next(steps)


class TorchTranslator(nn.Module):
    """nn.Transformer between word tables, the target's tied to the output, with sines for positions."""

    def __init__(self) -> None:
        super().__init__()
        s = SETTINGS
        self.source, self.target = nn.Embedding(V_s, s.d_model), nn.Embedding(V_t, s.d_model)
        self.transformer = nn.Transformer(s.d_model, s.h, s.n_layers, s.n_layers, s.d_ff, dropout=0.0, batch_first=True)
        self.register_buffer("P", torch.from_numpy(positional_encoding(64, s.d_model, np.float32)))
        self.causal = nn.Transformer.generate_square_subsequent_mask(L_t)

    def forward(self, source: torch.Tensor, target: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        scale = math.sqrt(SETTINGS.d_model)
        x = self.source(source) * scale + self.P[: source.shape[1]]
        z = self.target(target) * scale + self.P[: target.shape[1]]
        y = self.transformer(
            x,
            z,
            tgt_mask=self.causal,
            tgt_is_causal=True,
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return functional.linear(y, self.target.weight)


def torch_step() -> contest.Step:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = TorchTranslator().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))

    def step() -> object:
        batch = batch_of(0, rng)
        padding = torch.from_numpy(np.arange(L_s) >= batch.lengths[:, None])
        logits = model(torch.from_numpy(batch.source), torch.from_numpy(batch.inputs), padding)
        targets = torch.from_numpy(batch.targets)
        loss = functional.cross_entropy(logits.reshape(-1, V_t), targets.reshape(-1), label_smoothing=SMOOTHING)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def measure(rounds: int) -> list[contest.Row]:
    seconds = contest.medians({"numpy": numpy_step(), "torch": torch_step()}, rounds)
    return [
        {"contestant": name, "ms": value * 1e3, "numpy / it": seconds["numpy"] / value}
        for name, value in seconds.items()
    ]


if __name__ == "__main__":
    contest.run(__doc__, measure, rounds=31)
