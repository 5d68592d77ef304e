"""`training/`: from a gradient to an update, and what a checkpoint keeps."""

import numpy as np
from bad_arguments.kinds import (
    ANYTHING,
    CALLABLE,
    INFINITY,
    Argument,
    Bad,
    drawn,
    fields,
    fraction,
    given,
    integer,
    internal,
    not_negative,
    one_of,
    optional,
    passed_on,
    positive,
    rate,
    rng,
    row,
    shaped,
    truth,
)

from minitransformer.layers.linear import init_linear
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_classifier import init_bert_classifier
from minitransformer.training import adam, layer_rates, loop, schedule

N = 5
flat = drawn(N)
moments = adam.Adam(drawn(N, seed=1), abs(drawn(N, seed=2)), 3)


def flat_array(good):
    """(n,), and nothing else."""
    return shaped(good)


def weights_alone():
    """(n,) of any n."""
    wrong = shaped(flat)
    return wrong._replace(bad=tuple(b for b in wrong.bad if not b.what.startswith("one ")))


def number_or_each(good: float) -> Argument:
    """A number, or one for each weight."""
    one = not_negative(good)
    each = np.full(N, good, np.float32)
    return one._replace(bad=(*one.bad, *shaped(each).bad))


def without_array(argument: Argument) -> Argument:
    """Where an array stands for the numbers of all weights."""
    return argument._replace(bad=tuple(b for b in argument.bad if not isinstance(b.value, np.ndarray)))


ADAM = fields(
    adam.Adam,
    m=passed_on(shaped(flat), "state.m"),
    v=passed_on(shaped(abs(flat)), "state.v"),
    step=passed_on(integer(3, 0)._replace(equal=()), "state.step"),
)


def or_infinity(argument: Argument) -> Argument:
    """Infinity is right, too."""
    return argument._replace(bad=tuple(b for b in argument.bad if b.value is not INFINITY))


def plan(**changes):
    arguments = {
        "steps": optional(integer(3)),
        "seconds": optional(positive(1e9)),
        "peak": positive(0.1),
        "share": passed_on(number_or_each(0.5), "rate"),
        "warmup": integer(2),
        "schedule": one_of("cosine"),
        "floor": fraction(0.1),
        "cooldown": fraction(0.2),
        "clip": or_infinity(positive(1.0)),
        "decay": number_or_each(0.1),
        "beta2": rate(0.9),
        "accumulate": integer(2),
    }
    return passed_on(fields(loop.Plan, **(arguments | changes)), "plan")


def plan_alone():
    """Arrays are told where it is known how many weights there are."""
    return plan(share=without_array(not_negative(0.5)), decay=without_array(not_negative(0.1)))


classifier = init_bert_classifier(
    init_bert(7, 4, 2, 4, 2, 6, np.random.default_rng(0)),
    init_linear(4, 4, np.random.default_rng(0)),
    3,
    np.random.default_rng(0),
)
state = loop.new_state(flat, np.random.default_rng(0))


def draw_batch(number, rng):
    return rng.random()


def loss_and_gradient(batch, carry, rng, *n):
    return 1.0, (drawn(N, seed=3),), None


ROWS = (
    row(adam.init_adam, weights=weights_alone()),
    row(
        adam.adam,
        weights=passed_on(shaped(flat), "gradient"),
        gradient=shaped(drawn(N, seed=4)),
        state=ADAM,
        rate=number_or_each(0.1),
        beta1=rate(0.9),
        beta2=rate(0.99),
        eps=positive(1e-8),
        decay=number_or_each(0.1),
    ),
    row(adam.decay_of_matrices, tree=given(classifier, ANYTHING), decay=not_negative(0.1)),
    row(adam.clip_by_global_norm, gradient=weights_alone(), limit=or_infinity(positive(0.5))),
    internal(adam.check_adam, weights=flat, gradient=flat, state=moments, beta1=0.9, beta2=0.9, eps=1e-8),
    internal(adam.number_or_each, name="rate", value=0.1, weights=flat),
    row(
        layer_rates.layer_rates,
        weights=given(classifier, "any tree with a body in it: one without is told as another body"),
        body=Argument("bert", tuple(Bad(f"{x!r}", x) for x in ("gpt", "", None, 3, "pooler"))),
        factor=positive(0.5),
        frozen=truth(False),
    ),
    row(loop.new_state, weights=weights_alone(), rng=rng()),
    row(
        loop.train,
        state=Argument(state, (Bad("None", None), Bad("weights alone", flat))),
        plan=plan(),
        next_batch=given(draw_batch, CALLABLE),
        loss_and_gradient=given(loss_and_gradient, CALLABLE),
        count=given(None, CALLABLE),
    ),
    internal(loop.over_batches, batches=[1, 2], state=state, loss_and_gradient=loss_and_gradient, count=None),
    internal(loop.progress, plan=loop.Plan(3), state=state),
    internal(loop.rate_at, plan=loop.Plan(3), state=state),
    row(loop.check_plan, plan=plan_alone()),
    row(
        schedule.warmup_cosine,
        step=not_negative(7.0),
        steps=positive(20.0),
        peak=positive(0.1),
        warmup=integer(3),
        floor=fraction(0.1),
    ),
    row(schedule.warmup_inverse_root, step=integer(7, 0), peak=positive(0.1), warmup=integer(3)),
    row(schedule.vaswani_peak, d_model=integer(4), warmup=integer(3)),
)
