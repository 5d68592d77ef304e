"""How fast to learn, and when: a linear warm-up, then a cosine down to a fraction of the peak."""

import math


def warmup_cosine(step: int, steps: int, peak: float, warmup: int, floor: float = 0.1) -> float:
    """The learning rate at `step` (from 0) of `steps`.

    peak * (step + 1) / warmup for the first `warmup` steps, while Adam's running means are still rough; then half a
    cosine from `peak` down to `floor * peak` at the last step.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)
