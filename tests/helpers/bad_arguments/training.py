"""`training/`: from a gradient to an update, and what a checkpoint keeps."""

import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bad_arguments.kinds import (
    ANYTHING,
    CALLABLE,
    INFINITY,
    NAN,
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
from minitransformer.training import (
    adam,
    checkpoint,
    layer_rates,
    loop,
    older_checkpoints,
    run_checkpoint,
    schedule,
    session,
    settings,
)

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


kept_numbers, kept_arrays = checkpoint.put_state(state)
PATH = Path(tempfile.mkdtemp()) / "x.run"
checkpoint.save_checkpoint(PATH, {"kind": "gpt"}, {"x": flat})
ARCHIVE = zipfile.ZipFile(PATH)


class Settings(NamedTuple):
    n_layers: int = 4
    context: int = 64
    rate: float = 0.1
    peak: float = 3e-3
    decay: float = 0.1
    label_smoothing: float = 0.1
    tied: bool = True
    name: str = "gelu"


class Kind(NamedTuple):
    name: str = "gpt"


class Run(NamedTuple):
    """What the functions on all runs need."""

    kind: Kind
    settings: Settings
    weights: tuple
    state: loop.State
    goal: session.Goal = session.Goal()
    looks: tuple = ()


RUN = Run(Kind(), Settings(), (flat,), state)


def to_read(good):
    wrong = {"None": None, "a number": 3.5, "not there": good.with_name("missing"), "a folder": good.parent}
    return Argument(good, tuple(Bad(what, value) for what, value in wrong.items()), (str(good),), ("checkpoint",))


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
    internal(
        loop.next_gradient,
        state=state,
        plan=loop.Plan(3),
        next_batch=draw_batch,
        loss_and_gradient=loss_and_gradient,
        count=None,
    ),
    internal(loop.look_ahead, state=state, of_step=(loop.Plan(3), draw_batch, loss_and_gradient, None)),
    internal(loop.progress, plan=loop.Plan(3), state=state),
    internal(loop.rate_at, plan=loop.Plan(3), state=state),
    row(loop.check_plan, plan=plan_alone()),
    row(settings.described, settings=given(Settings(), "any NamedTuple")),
    row(
        settings.with_changes,
        settings=given(Settings(), "any NamedTuple of numbers and names"),
        changes=Argument(
            {"n_layers": "3", "tied": "false"},
            tuple(
                Bad(f"{wrong!r}", wrong)
                for wrong in (
                    {"n_heads": "3"},
                    {"n_layers": "three"},
                    {"n_layers": "2.5"},
                    {"tied": "no"},
                    {"tied": "1"},
                    {"peak": "fast"},
                )
            ),
            names=("set",),
        ),
    ),
    internal(settings.as_truth, text="true"),
    row(
        settings.check_settings,
        settings=fields(
            Settings,
            n_layers=integer(4)._replace(bad=(*integer(4).bad, Bad("far too large", 10**9))),
            context=integer(64, 2),
            rate=rate(0.1),
            peak=positive(3e-3),
            decay=not_negative(0.1),
            label_smoothing=fraction(0.1),
            tied=truth(True)._replace(equal=()),
            name=Argument("gelu", (Bad("a number", 3), Bad("None", None), Bad("True", True))),
        ),
    ),
    row(
        checkpoint.save_checkpoint,
        path=Argument(PATH, tuple(Bad(f"{wrong!r}", wrong, told=False) for wrong in (None, 3.5, ["x"]))),
        description=given({"kind": "gpt"}, "what JSON can hold: `json` refuses the rest"),
        arrays=given({"x": flat}, "arrays: NumPy writes what can be read again"),
    ),
    row(checkpoint.load_checkpoint, path=to_read(PATH)),
    internal(checkpoint.not_readable, path=PATH, error=OSError(2, "No such file or directory")),
    internal(checkpoint.read_arrays, path=PATH),
    internal(checkpoint.content, archive=ARCHIVE, entry=ARCHIVE.infolist()[0]),
    internal(checkpoint.array_from, npy=ARCHIVE.read("x.npy")),
    internal(checkpoint.check_numbers, name="weights", tree=(flat,)),
    internal(checkpoint.is_finite, x=flat),
    internal(checkpoint.put_tree, tree=(flat,), name="weights"),
    row(
        checkpoint.take_tree,
        arrays=Argument(
            {"weights.0": flat},
            tuple(
                Bad(what, {"weights.0": wrong})
                for what, wrong in {"longer": np.append(flat, flat), "float64": flat.astype(float)}.items()
            )
            + (Bad("missing", {}),),
            names=("checkpoint",),
        ),
        template=given((flat,), ANYTHING),
        name=given("weights", ANYTHING),
    ),
    internal(checkpoint.put_state, state=state),
    row(
        checkpoint.take_state,
        checkpoint=given(checkpoint.Checkpoint({}, kept_arrays), "what `load_checkpoint` read"),
        numbers=Argument(
            kept_numbers,
            tuple(
                Bad(f"{name}: {wrong!r}", kept_numbers | {name: wrong}, names=("checkpoint",))
                for name, wrong in (
                    ("step", -1),
                    ("step", None),
                    ("seconds", -1.0),
                    ("seconds", NAN),
                    ("batches", -1),
                    ("rng", 3),
                )
            ),
        ),
        weights=given(flat, "of the same file, and checked with it"),
        carry=given(None, ANYTHING),
    ),
    *(
        internal(function, **values)
        for function, values in (
            (checkpoint.damaged, {"path": PATH}),
            (older_checkpoints.with_names_of_now, {"description": {"kind": "gpt", "settings": {}}, "arrays": {}}),
            (older_checkpoints.renamed, {"name": "weights.word.b", "rules": {"weights": "w"}}),
            (older_checkpoints.renamed_settings, {"settings": {}}),
            (run_checkpoint.describe, {"run": RUN}),
            (run_checkpoint.put_training, {"run": RUN}),
            (run_checkpoint.save_training, {"path": PATH.with_name("y.run"), "run": RUN, "own": {}}),
            (run_checkpoint.check_state, {"state": state}),
            (run_checkpoint.take_settings, {"description": {"settings": {"n_layers": 3}}, "default": Settings()}),
            (
                run_checkpoint.take_training,
                {
                    "checkpoint": checkpoint.Checkpoint(*run_checkpoint.put_training(RUN)),
                    "template": (flat,),
                    "carry": lambda weights: None,
                },
            ),
            (session.looked, {"run": RUN, "training_loss": 1.0, "validation": 2.0}),
            (
                session.carry_on,
                {"run": RUN, "steps": iter(()), "look": session.looked, "save": None, "report": lambda report: None},
            ),
            (session.apart, {"run": RUN}),
            (session.kept, {"save": None, "run": lambda: RUN, "check": lambda: None}),
            (session.check_if_possible, {"check": lambda: None}),
            (session.check_ahead, {"step": None}),
            (session.check_finite, {"step": loop.Step(1, 1.0, 1.0, 0.1, 0.5, state)}),
        )
    ),
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
