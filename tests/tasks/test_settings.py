"""Every setting that a user can give changes what it should, and nothing else; none is lost on its way.

A field of any settings class that has no row here fails.
"""

import functools

import numpy as np
import pytest
from every_task import NAMES, lively_run, loud_run, same, task_named, training_of

from minitransformer.tasks import finetuning
from minitransformer.tasks.classification.classifiers import CLASSIFIERS
from minitransformer.tasks.language_modelling import kinds as language_models
from minitransformer.tasks.language_modelling.run import costs, new_run
from minitransformer.tasks.pretraining.bert import BERT
from minitransformer.tasks.reading.readers import READERS
from minitransformer.tasks.translation import run as translation
from minitransformer.training.loop import Plan
from minitransformer.training.session import Goal
from minitransformer.training.settings import with_changes
from minitransformer.tree import leaves, named_leaves, tree_map, unflatten

DEFAULTS = [
    *(kind.settings for kind in (*language_models.KINDS.values(), *translation.KINDS.values(), BERT)),
    *(of_task.kind.settings for of_task in (*READERS.values(), *CLASSIFIERS.values())),
]

# Of each field another value, and all that is another with it. Where shapes change, what depends on weights is not
# compared. What the end of a training is (`steps`) and what a vocabulary has, commands decide.
SHAPE_OF_A_STACK = {"n_layers": (2, "shapes"), "d_model": (12, "shapes"), "d_ff": (11, "shapes")}
HOW_TO_LEARN = {"peak": (0.5, "peak"), "decay": (0.25, "decay"), "warmup": (7, "warmup"), "steps": (77, "")}
TUNED = {"layer_decay": (0.5, "share"), "frozen": (True, "share")}
BERT_STACK = SHAPE_OF_A_STACK | {
    "h": (4, "first weights, loss, evaluation"),
    "norm_first": (False, "shapes"),
    "looking": (False, "first weights"),
    "rate": (0.5, "loss"),
    "context": (30, "shapes, batches"),
    "B": (5, "batches"),
}
GPT_STACK = SHAPE_OF_A_STACK | {
    "h": (4, "loss, evaluation"),
    "rate": (0.5, "loss"),
    "activation": ("relu", "loss, evaluation"),
    "norm_first": (False, "shapes"),
    "positions": ("sinusoidal", "shapes"),
    "h_kv": (1, "shapes"),
    "context": (8, "shapes, batches"),
    "B": (5, "batches"),
}
EFFECTS = {
    "fnn": HOW_TO_LEARN
    | {"n": (5, "shapes, batches"), "d": (6, "shapes"), "d_hidden": (8, "shapes"), "B": (5, "batches")},
    "rnn, elman": HOW_TO_LEARN
    | {"cell": ("lstm", "shapes, carry"), "d": (6, "shapes"), "d_h": (7, "shapes, carry")}
    | {"context": (5, "batches"), "B": (4, "batches, carry")},
    "gpt": GPT_STACK | HOW_TO_LEARN | {"tied": (False, "shapes")},
    "translation, transformer": SHAPE_OF_A_STACK
    | {"d_model": (12, "shapes, peak"), "h": (4, "loss, evaluation"), "rate": (0.5, "loss")}
    | {"norm_first": (True, "shapes"), "tied": (False, "shapes"), "label_smoothing": (0.3, "loss")}
    | {"B": (5, "batches"), "warmup": (7, "warmup, peak"), "steps": (77, "")},
    "translation, rnn": {"d": (6, "shapes"), "d_h": (7, "shapes, peak"), "label_smoothing": (0.3, "loss")}
    | {"B": (5, "batches"), "warmup": (7, "warmup, peak"), "steps": (77, "")},
    "pretraining, bert": BERT_STACK
    | HOW_TO_LEARN
    | {"short": (10, "batches"), "long_every": (3, "batches"), "vocabulary": (99, ""), "B": (5, "batches, evaluation")},
    "reading, bert": BERT_STACK
    | HOW_TO_LEARN
    | TUNED
    | {"renamed": (0.1, "batches"), "misnamed": (0.9, "batches"), "with_answer": (0.1, "batches")}
    | {"fresh_layers": (True, "fine-tuned weights"), "context": (44, "shapes, batches")},
    "reading, rnn": HOW_TO_LEARN
    | {"d": (6, "shapes"), "d_h": (7, "shapes"), "context": (44, "batches, evaluation")}
    | {"renamed": (0.5, "batches"), "misnamed": (0.5, "batches"), "with_answer": (0.9, "batches"), "B": (5, "batches")},
    "classification, bert": BERT_STACK | HOW_TO_LEARN | TUNED,
    "classification, gpt": GPT_STACK | HOW_TO_LEARN | TUNED,
}
ROWS = [(name, field) for name, fields in EFFECTS.items() for field in fields]


def base_of(name):
    settings = task_named(name).settings
    return settings._replace(fresh_layers=False) if "fresh_layers" in settings._fields else settings


def shapes(tree):
    return [(path, leaf.shape) for path, leaf in named_leaves(tree)]


def numbers_of(per_weight, weights):
    """What of a plan is a number for each weight: whether a matrix has it, and the number, each pair once."""
    if isinstance(per_weight, float):
        return {per_weight}
    return {
        (leaf.ndim > 1, value)
        for leaf, of_leaf in zip(leaves(weights), leaves(unflatten(per_weight, weights)), strict=True)
        for value in np.unique(of_leaf).tolist()
    }


def observed(task, settings, weights, batch, carry):
    """All that can be seen of a training that is about to begin; loss and evaluation with weights that are given."""
    run = task.new(settings, 0)._replace(goal=Goal(steps=9))
    training = training_of(task, run)
    seen = training.plan._asdict() | {
        "decay": numbers_of(training.plan.decay, run.weights),
        "share": numbers_of(training.plan.share, run.weights),
        "shapes": shapes(run.weights),
        "carry": shapes(run.state.carry),
        "batches": [training.next_batch(number, np.random.default_rng(number)) for number in range(5)],
    }
    if seen["shapes"] == shapes(weights):
        filled = run._replace(weights=weights)
        step = training_of(task, filled).loss_and_gradient
        seen |= {
            "first weights": leaves(run.weights),
            "loss": float(step(batch, carry, np.random.default_rng(1))[0]),
            "evaluation": task.evaluate(filled, task.data),
            "fine-tuned weights": fine_tuned(run, settings),
        }
    return seen


def fine_tuned(run, settings):
    """The first weights of a model that comes from a pretrained one."""
    tuned = {"reading comprehension": finetuning.reader, "classification": finetuning.bert_classifier}
    if run.kind.name != "bert" or run.kind.task not in tuned:
        return []
    pretrained = loud_run(task_named("pretraining, bert"))
    return leaves(tuned[run.kind.task](pretrained, settings, 0).weights)


@functools.cache
def before(name):
    """-> weights, batch and carry that are given, and what is seen as long as no setting is another."""
    task = task_named(name)
    run = lively_run(task)
    given = run.weights, training_of(task, run).next_batch(1, np.random.default_rng(0)), run.state.carry
    return given, observed(task, base_of(name), *given)


def changed_by(name, **changes):
    given, ours = before(name)
    theirs = observed(task_named(name), base_of(name)._replace(**changes), *given)
    return {what for what in theirs if not same(ours[what], theirs[what])}


@pytest.mark.parametrize(("name", "field"), ROWS)
def test_a_setting_changes_what_it_should_and_nothing_else(name, field):
    value, effects = EFFECTS[name][field]
    assert value != getattr(base_of(name), field)
    assert changed_by(name, **{field: value}) == set(filter(None, effects.split(", ")))


@pytest.mark.parametrize("settings", DEFAULTS, ids=lambda settings: type(settings).__name__)
def test_every_setting_has_a_row(settings):
    """In the table above, or, of a model that is counted, below."""
    rows = [set(fields) for name, fields in EFFECTS.items() if type(task_named(name).settings) is type(settings)]
    if type(settings) is type(language_models.KINDS["ngram"].settings):
        rows = [{"n", "smoothing", "k"}]
    assert rows == [set(settings._fields)]


def test_the_settings_of_a_model_that_is_counted():
    """Each costs the text something else; k is that of add-k alone."""
    text, kind = task_named("gpt").data, language_models.KINDS["ngram"]

    def cost(**changes):
        return costs(new_run(kind, kind.settings._replace(n=3, **changes), text), text.test).mean()

    assert len({cost(), cost(smoothing="add-k"), cost(smoothing="add-k", k=0.7)}) == 3
    assert cost(k=0.7) == cost()
    assert [len(new_run(kind, kind.settings._replace(n=n), text).weights.orders) for n in (2, 4)] == [2, 4]


def test_without_learned_positions_the_context_is_how_far_it_sees():
    """A GPT with sines and cosines has no weights for it."""
    assert changed_by("gpt, post-norm", context=8) == {"batches", "evaluation"}


@pytest.mark.parametrize("positions", ["rotary", "alibi"])
def test_positions_that_have_no_weights_are_told_in_the_layers(positions):
    """From the same weights comes another loss."""
    for name in ("gpt, post-norm", "classification, plain gpt"):
        assert changed_by(name, positions=positions) == {"loss", "evaluation"}


GOAL = Goal(steps=7, seconds=2.5, accumulate=3)
LEARNS = {"peak": 0.25, "decay": 0.125, "warmup": 5}


def expected_plan(name, settings):
    """By name: what the settings say, and what is fixed for the task."""
    goal = GOAL._asdict()
    if name.startswith("translation"):
        width = settings.d_h if name.endswith("rnn") else settings.d_model
        peak = (width * settings.warmup) ** -0.5  # Vaswani et al. 2017, 5.3
        how = {"schedule": "inverse root", "cooldown": 0.2, "beta2": 0.98}
        return Plan(**goal, peak=pytest.approx(peak), warmup=settings.warmup, **how)
    if name.startswith("pretraining"):
        fixed = {"floor": 0.0, "beta2": 0.98}
    elif name.startswith(("reading", "classification")):
        fixed = {"floor": 0.0}
    else:
        fixed = {"floor": 0.02, "beta2": 0.99}
    return Plan(**goal, peak=settings.peak, warmup=settings.warmup, **fixed)


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_what_settings_and_goal_say(name):
    """All of it: what is not named here is as it is by default. Weight decay is of matrices alone."""
    task = task_named(name)
    settings = task.settings._replace(**{k: v for k, v in LEARNS.items() if k in task.settings._fields})
    run = task.new(settings, 0)._replace(goal=GOAL)
    training = training_of(task, run)
    decay = getattr(settings, "decay", 0.01)  # translation has no setting for it
    matrices = tree_map(lambda leaf: np.full(leaf.shape, decay if leaf.ndim > 1 else 0, leaf.dtype), run.weights)
    assert np.array_equal(training.plan.decay, np.concatenate([leaf.ravel() for leaf in leaves(matrices)]))
    share = training.plan.share
    assert np.all(share == 1)
    assert training.plan._replace(decay=0.0, share=1.0) == expected_plan(name, settings)
    assert training.state is run.state


@pytest.mark.parametrize("name", [name for name in NAMES if "layer_decay" in task_named(name).settings._fields])
@pytest.mark.parametrize(("frozen", "factors"), [(False, (0.5, 0.25)), (True, (0.0, 0.0))])
def test_the_lower_layers_of_a_pretrained_body_learn_more_slowly(name, frozen, factors):
    """Or not at all. Heads learn as the learning rate says."""
    task = task_named(name)
    run = task.new(base_of(name)._replace(layer_decay=0.5, frozen=frozen), 0)._replace(goal=GOAL)
    body = {"gpt": "body"}.get(run.kind.name, run.kind.name)
    of_layer, of_embedding = factors
    share = unflatten(training_of(task, run).plan.share, run.weights)
    for path, of_leaf in named_leaves(share):
        in_body = path.startswith(f"{body}.")
        expected = (of_layer if path.startswith(f"{body}.layers.") else of_embedding) if in_body else 1.0
        assert (of_leaf == expected).all(), path


@pytest.mark.parametrize("settings", DEFAULTS, ids=lambda settings: type(settings).__name__)
def test_every_setting_can_be_given_as_text(settings):
    """As `--set` gives it: it alone is another then, and of the same kind."""
    for field, old in settings._asdict().items():
        new = (not old) if isinstance(old, bool) else old + "x" if isinstance(old, str) else old * 2 + 3
        changed = with_changes(settings, {field: str(new)})
        assert changed == settings._replace(**{field: new})
        assert type(getattr(changed, field)) is type(old)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_draws_the_weights_and_what_comes_after(name):
    """The same seed the same; another one others, and other batches or other dropout after them."""
    task = task_named(name)
    first, again, other = (task.new(task.settings, seed) for seed in (1, 1, 2))
    assert same(first.state.weights, again.state.weights)
    assert not same(first.state.weights, other.state.weights)
    batches = [training_of(task, run._replace(goal=GOAL)).next_batch(0, run.state.rng) for run in (first, again, other)]
    assert same(batches[0], batches[1])
    if not name.startswith("rnn"):  # which reads its text in its order
        assert not same(batches[0], batches[2])
