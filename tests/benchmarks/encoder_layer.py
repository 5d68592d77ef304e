"""Section 5's encoder layer, forward and backward, beside PyTorch's, and beside nothing but its matrix products.

    python tests/benchmarks/encoder_layer.py [--rounds N] [--json]

One process, one thread, float32; CPU time, medians of contestants that take turns. Needs PyTorch (the extra `oracle`).
"""

import contest
import numpy as np
import torch
from products import Products

from minitransformer.nn import TransformerEncoderLayer

SIZES = ((10, 32, 512, 8, 2048), (32, 16, 64, 4, 256), (8, 4, 16, 2, 32))  # (L, B, d_model, h, d_ff)
RATES = (0.0, 0.1)


def numpy_step(L: int, B: int, d_model: int, h: int, d_ff: int, rate: float) -> contest.Step:
    rng = np.random.default_rng(0)
    layer = TransformerEncoderLayer(d_model, h, d_ff, dropout=rate, rng=rng)
    src, dout = (rng.standard_normal((L, B, d_model), dtype=np.float32) for _ in range(2))

    def step() -> object:
        _, cache = layer.forward(src, rng=rng)
        return layer.backward(dout, cache)

    return step


def torch_step(L: int, B: int, d_model: int, h: int, d_ff: int, rate: float) -> contest.Step:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(d_model, h, d_ff, dropout=rate).train()
    src = torch.randn(L, B, d_model, requires_grad=True)
    dout = torch.randn(L, B, d_model)

    def step() -> object:
        src.grad = None
        layer.zero_grad(set_to_none=True)
        return layer(src).backward(dout)

    return step


def measure(rounds: int) -> list[contest.Row]:
    rows = []
    for size in SIZES:
        L, B, d_model, h, d_ff = size
        products = Products()
        products.add_layer(B, L, d_model, h, d_ff)
        steps: dict[str, contest.Step] = {"products": products}
        for rate in RATES:
            steps[f"numpy {rate}"] = numpy_step(*size, rate)
            steps[f"torch {rate}"] = torch_step(*size, rate)
        seconds = contest.medians(steps, rounds)
        for rate in RATES:
            ours, theirs = seconds[f"numpy {rate}"], seconds[f"torch {rate}"]
            rows.append(
                {
                    "size (L, B, d_model, h, d_ff)": size,
                    "dropout": rate,
                    "numpy ms": ours * 1e3,
                    "torch ms": theirs * 1e3,
                    "products ms": seconds["products"] * 1e3,
                    "numpy / torch": ours / theirs,
                    "numpy / products": ours / seconds["products"],
                }
            )
    return rows


if __name__ == "__main__":
    contest.run(__doc__, measure, rounds=31)
