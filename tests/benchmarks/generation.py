"""How fast a GPT writes: with the keys and values of what it read, reading all again for each word, and PyTorch's.

    python tests/benchmarks/generation.py [--rounds N] [--json]

Greedy, a prompt of 8 words, up to 256 in all. One process, one thread, float32; CPU time, medians of contestants that
take turns. Needs PyTorch (the extra `oracle`).
"""

import itertools

import contest
import numpy as np
import torch
from torch_gpt import TorchGPT, no_words

from minitransformer.decoding.sampling import GREEDY, write
from minitransformer.models.gpt import gpt
from minitransformer.tasks.language_modelling.gpt import GptSettings, config, init, read

V = 256
SETTINGS = GptSettings(n_layers=4, d_model=128, h=4, d_ff=512, context=256)
PROMPT = np.arange(8)
N = SETTINGS.context - len(PROMPT)
WEIGHTS = init(PROMPT, V, SETTINGS, np.random.default_rng(0))


def cached() -> list[int]:
    """As `minitransformer generate` does it."""
    words = write(lambda ids, state: read(ids, state, WEIGHTS, SETTINGS), PROMPT, np.random.default_rng(0), GREEDY)
    return list(itertools.islice(words, N))


def recomputed() -> list[int]:
    ids = PROMPT
    for _ in range(N):
        logits, _ = gpt(ids, WEIGHTS, config(SETTINGS))
        ids = np.append(ids, logits[-1].argmax())
    return ids[len(PROMPT) :].tolist()


def torch_cached(model: TorchGPT) -> list[int]:
    with torch.inference_mode():
        rooms = no_words(model, SETTINGS.context)
        new, n, written = torch.from_numpy(PROMPT)[None], 0, []
        for _ in range(N):
            logits = model(new, rooms, n, last=True)
            n += new.shape[1]
            written.append(int(logits[0, -1].argmax()))
            new = torch.tensor([[written[-1]]])
    return written


def measure(rounds: int) -> list[contest.Row]:
    s = SETTINGS
    model = TorchGPT(V, s.n_layers, s.d_model, s.h, s.d_ff, s.context, s.activation).take(WEIGHTS).eval()
    assert cached() == recomputed() == torch_cached(model)
    steps = {"cached": cached, "recomputed": recomputed, "torch, cached": lambda: torch_cached(model)}
    seconds = contest.medians(steps, rounds)
    return [
        {"contestant": name, "words a second": N / value, "cached / it": value / seconds["cached"]}
        for name, value in seconds.items()
    ]


if __name__ == "__main__":
    contest.run(__doc__, measure, rounds=9)
