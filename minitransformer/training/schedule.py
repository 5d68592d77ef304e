"""How fast to learn, and when: a linear warm-up, then down along a cosine, or with the root of the step."""

import math

from minitransformer.checks import check_fraction, check_integer, check_not_negative, check_positive


def warmup_cosine(step: float, steps: float, peak: float, warmup: int, floor: float = 0.1) -> float:
    """The learning rate at `step` (from 0) of `steps`.

    peak * (step + 1) / warmup for the first `warmup` steps, while Adam's running means are still rough; then half a
    cosine from `peak` down to `floor * peak` at the last step.
    """
    check_not_negative("step", step)
    check_positive("steps", steps)
    check_positive("peak", peak)
    check_integer("warmup", warmup, minimum=1)
    check_fraction("floor", floor)
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return float(peak * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2))


def warmup_inverse_root(step: int, peak: float, warmup: int) -> float:
    """The learning rate at `step` (from 0), of a training without a planned end (Vaswani et al. 2017).

    peak * (step + 1) / warmup for the first `warmup` steps, then peak * sqrt(warmup / (step + 1)): a quarter of the
    rate for sixteen times the steps.
    """
    check_integer("step", step, minimum=0)
    check_positive("peak", peak)
    check_integer("warmup", warmup, minimum=1)
    return float(peak * min((step + 1) / warmup, math.sqrt(warmup / (step + 1))))


def vaswani_peak(d_model: int, warmup: int) -> float:
    """The peak that makes `warmup_inverse_root` the schedule of Vaswani et al. (2017, 5.3), which is

    rate = d_model^(-1/2) min(t^(-1/2), t warmup^(-3/2)) with t = step + 1. -> (d_model warmup)^(-1/2)
    """
    check_integer("d_model", d_model, minimum=1)
    check_integer("warmup", warmup, minimum=1)
    return (int(d_model) * int(warmup)) ** -0.5  # NumPy integers would overflow
