"""Section 5's encoder layer, forward and backward, beside PyTorch's, and beside nothing but its matrix products.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/encoder_layer.py [--rounds N] [--json]

One process, one thread, float32. The contestants take turns, so that a busy machine slows all of them alike; what
counts is CPU time, and of that the median. Needs PyTorch (the extra `oracle`).
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from minitransformer.nn import TransformerEncoderLayer
from minitransformer.training.loop import keep_memory

SIZES = ((10, 32, 512, 8, 2048), (32, 16, 64, 4, 256), (8, 4, 16, 2, 32))  # (L, B, d_model, h, d_ff)
RATES = (0.0, 0.1)

Step = Callable[[], object]


def numpy_step(L: int, B: int, d_model: int, h: int, d_ff: int, rate: float) -> Step:
    rng = np.random.default_rng(0)
    layer = TransformerEncoderLayer(d_model, h, d_ff, dropout=rate, rng=rng)
    src, dout = (rng.standard_normal((L, B, d_model), dtype=np.float32) for _ in range(2))

    def step() -> object:
        _, cache = layer.forward(src, rng=rng)
        return layer.backward(dout, cache)

    return step


def torch_step(L: int, B: int, d_model: int, h: int, d_ff: int, rate: float) -> Step:
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(d_model, h, d_ff, dropout=rate).train()
    src = torch.randn(L, B, d_model, requires_grad=True)
    dout = torch.randn(L, B, d_model)

    def step() -> object:
        src.grad = None
        layer.zero_grad(set_to_none=True)
        return layer(src).backward(dout)

    return step


def product_step(L: int, B: int, d_model: int, h: int, d_ff: int) -> Step:
    """Every matrix product of one forward and backward, and nothing else: on contiguous arrays, into ready memory."""
    rng = np.random.default_rng(0)
    N, d_k = B * L, d_model // h

    def numbers(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    products = []

    def product(a: np.ndarray, b: np.ndarray) -> None:
        products.append((a, b, a @ b))

    for d_in, d_out in ((d_model, 3 * d_model), (d_model, d_model), (d_model, d_ff), (d_ff, d_model)):
        x, W, dy = numbers(N, d_in), numbers(d_in, d_out), numbers(N, d_out)
        product(x, W)  # y
        product(dy, W.T)  # dx
        product(x.T, dy)  # dW
    Q, K, V, dO = (numbers(B, h, L, d_k) for _ in range(4))
    A = numbers(B, h, L, L)
    product(Q, K.mT)  # scores
    product(A, V)  # O
    product(A.mT, dO)  # dV
    product(dO, V.mT)  # dweights
    product(A, K)  # dQ
    product(A.mT, Q)  # dK

    def step() -> object:
        for a, b, out in products:
            np.matmul(a, b, out=out)
        return products

    return step


def interleaved(steps: dict[str, Step], rounds: int, least_seconds: float = 0.01) -> dict[str, list[float]]:
    """CPU seconds of one step, `rounds` times for each contestant, in turns; short steps are repeated within a turn."""
    repeats = {}
    for name, step in steps.items():
        for _ in range(3):
            step()
        repeats[name] = max(1, round(least_seconds / max(cpu_seconds(step, 1), 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    gc.disable()
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(cpu_seconds(step, repeats[name]))
    gc.enable()
    return times


def cpu_seconds(step: Step, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        step()
    return (time.process_time() - start) / repeats


def measure(rounds: int) -> list[dict]:
    results = []
    for size in SIZES:
        steps = {"products": product_step(*size)}
        for rate in RATES:
            steps[f"numpy {rate}"] = numpy_step(*size, rate)
            steps[f"torch {rate}"] = torch_step(*size, rate)
        medians = {name: statistics.median(times) for name, times in interleaved(steps, rounds).items()}
        for rate in RATES:
            ours, theirs, products = medians[f"numpy {rate}"], medians[f"torch {rate}"], medians["products"]
            results.append(
                {
                    "size (L, B, d_model, h, d_ff)": size,
                    "dropout": rate,
                    "numpy ms": ours * 1e3,
                    "torch ms": theirs * 1e3,
                    "products ms": products * 1e3,
                    "numpy / torch": ours / theirs,
                    "numpy / products": ours / products,
                }
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    results = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for row in results:
        print(
            "   ".join(
                f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            )
        )


if __name__ == "__main__":
    main()
