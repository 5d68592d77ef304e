"""Attention over long sequences, forward and backward: time beside PyTorch's fused attention, and peak memory.

    python tests/benchmarks/long_attention.py [--rounds N] [--json]

8 heads of 64, causal and not. One process, one thread, float32; CPU time, medians of contestants that take turns. Extra
memory is what a fresh process needs at its peak beyond the inputs and the results. Needs PyTorch (the extra `oracle`).
"""

import multiprocessing
import re
from pathlib import Path

import contest
import numpy as np
import torch
from torch.nn import functional

from minitransformer.equations.attention import attention, attention_backward, causal_mask
from minitransformer.equations.blockwise_attention import blockwise_attention, blockwise_attention_backward
from minitransformer.equations.op import Op

h, d = 8, 64
LENGTHS = (512, 1024, 2048, 4096)
PLAIN = Op(attention, attention_backward)
BLOCKWISE = Op(blockwise_attention, blockwise_attention_backward)


def inputs(L: int) -> list[np.ndarray]:
    """Q, K, V, dO"""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((h, L, d), dtype=np.float32) for _ in range(4)]


def numpy_step(op: Op, L: int, causal: bool) -> contest.Step:
    Q, K, V, dO = inputs(L)
    mask = causal_mask(L) if causal else None

    def step() -> object:
        O, cache = op.forward(Q, K, V, mask)
        return O, op.backward(dO, cache)

    return step


def torch_step(L: int, causal: bool) -> contest.Step:
    *QKV, dO = [torch.from_numpy(x)[None] for x in inputs(L)]
    for x in QKV:
        x.requires_grad_()

    def step() -> object:
        for x in QKV:
            x.grad = None
        O = functional.scaled_dot_product_attention(*QKV, is_causal=causal)
        O.backward(dO)
        return O

    return step


def extra_megabytes(op: Op, L: int, causal: bool) -> float:
    """Of a process that has done the same on a short sequence before, and so has loaded all that it needs."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(peak_growth, (op, L, causal))


def peak_growth(op: Op, L: int, causal: bool) -> float:
    numpy_step(op, 64, causal)()
    step = numpy_step(op, L, causal)
    before = peak_megabytes()
    outputs = step()
    results = 4 * h * L * d * 4 / 2**20  # O, dQ, dK, dV
    del outputs
    return peak_megabytes() - before - results


def peak_megabytes() -> float:
    """Of resident memory, of this process and not of the one that it came from (as ru_maxrss would have it). Linux."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 2**10


def measure(rounds: int) -> list[contest.Row]:
    rows = []
    for L in LENGTHS:
        for causal in (False, True):
            steps = {
                "blockwise": numpy_step(BLOCKWISE, L, causal),
                "plain": numpy_step(PLAIN, L, causal),
                "torch": torch_step(L, causal),
            }
            seconds = contest.medians(steps, rounds)
            rows.append(
                {
                    "L": L,
                    "causal": causal,
                    "blockwise ms": seconds["blockwise"] * 1e3,
                    "/ torch": seconds["blockwise"] / seconds["torch"],
                    "/ plain": seconds["blockwise"] / seconds["plain"],
                    "extra MB": extra_megabytes(BLOCKWISE, L, causal),
                    "plain extra MB": extra_megabytes(PLAIN, L, causal),
                }
            )
    return rows


if __name__ == "__main__":
    contest.run(__doc__, measure, rounds=7)
