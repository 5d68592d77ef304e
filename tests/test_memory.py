"""Memory between steps, where the C library is glibc: a training step asks the system for no more than a few pages."""

import subprocess
import sys

import pytest

from minitransformer.memory import glibc_mallopt

STEPS = """
import resource
import numpy as np

def page_faults(step):
    for _ in range(3):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        step()
    print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 5)

rng = np.random.default_rng(0)
"""
LAYER = """
from minitransformer.nn import TransformerEncoderLayer

layer = TransformerEncoderLayer(512, 8, dropout=0.1)
src = rng.standard_normal((10, 32, 512)).astype(np.float32)

def step():
    out, cache = layer.forward(src, rng=rng)
    layer.backward(out, cache)

page_faults(step)
"""
GPT = """
from minitransformer.tasks.language_modelling.gpt import GPT_KIND, GptSettings
from minitransformer.training.loop import Plan, new_state, train
from minitransformer.tree import flatten

ids = rng.integers(0, 100, 5000)
for context in (64, 128, 256):
    s = GptSettings(n_layers=2, d_model=64, h=4, d_ff=256, rate=0.1, context=context, B=8)
    flat, weights = flatten(GPT_KIND.init(ids, 100, s, rng))
    training = GPT_KIND.training
    steps = train(
        new_state(flat, rng), Plan(steps=100), training.next_batch(ids, s), training.loss_and_gradient(weights, s)
    )
    page_faults(lambda: next(steps))
"""


@pytest.mark.skipif(glibc_mallopt() is None, reason="the C library is not glibc")
@pytest.mark.parametrize("body", [LAYER, GPT], ids=["the text's layer", "GPT at three contexts"])
def test_a_step_takes_the_memory_of_the_step_before_it(body):
    """Fewer than 100 page faults a step, in a process of its own; without `keep_memory` there are thousands."""
    found = subprocess.run([sys.executable, "-c", STEPS + body], capture_output=True, text=True, check=True)
    faults = [float(line) for line in found.stdout.split()]
    assert faults
    assert max(faults) < 100, faults
