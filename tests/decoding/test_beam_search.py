"""The likeliest translation, looked for among a few beginnings at a time (6.1)."""

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
from assertions import refuses
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from minitransformer.decoding.beam_search import beam_search, greedy, likeliest

ALPHAS = (0.0, 0.6, 1.0)
NEVER = -math.inf

alphas = st.sampled_from(ALPHAS)
widths = st.integers(1, 6)


class Task(NamedTuple):
    """A tiny model and three sequences to be written with it."""

    seed: int
    V: int
    longest: int
    end: int
    start: np.ndarray
    sources: tuple[int, ...] = (1, 2, 3)

    @property
    def everything(self):
        """A width at which no hypothesis is ever dropped."""
        return self.V**self.longest


@st.composite
def tasks(draw):
    """Three starts, of which some may be equal and one may be the end; the sources differ."""
    V = draw(st.integers(3, 4))
    start = draw(st.lists(st.integers(0, V - 1), min_size=3, max_size=3))
    return Task(draw(seeds), V, draw(st.integers(3, 4)), draw(st.integers(0, V - 1)), np.array(start))


@functools.lru_cache(maxsize=100_000)
def conditional(seed, V, source, history):
    """log P of the token after this history, start included: another distribution for each. Some tokens never come."""
    rng = np.random.default_rng([seed, source, *(token + 1 for token in history)])  # + 1: (0,) and (0, 0) must differ
    p = np.exp(2 * rng.standard_normal(V))
    p[rng.random(V) < 0.1] = 0
    p[rng.integers(V)] += 0.1
    with np.errstate(divide="ignore"):
        return np.log(p / p.sum())


class Model:
    """The state is what each sequence has read: its source, and its tokens. Counts what it is asked."""

    def __init__(self, distribution):
        self.distribution = distribution  # (source, history) -> (V,)
        self.sizes = []  # of the batch, at each step
        self.reordered = []  # the indices of each reordering

    def step(self, tokens, state):
        assert tokens.shape == (len(state),)
        self.sizes.append(len(tokens))
        longer = [(source, (*history, int(token))) for (source, history), token in zip(state, tokens, strict=True)]
        return np.array([self.distribution(source, history) for source, history in longer]), longer

    def reorder(self, state, indices):
        assert indices.tolist() != list(range(len(state)))  # what stays in place is not moved
        self.reordered.append(indices.tolist())
        return [state[i] for i in indices]

    def search(self, start, end, longest, width=4, alpha=0.6, sources=(1, 2, 3)):
        state = [(source, ()) for source in sources]
        return beam_search(self.step, self.reorder, state, start, end, longest, width, alpha)

    def greedy(self, start, end, longest, sources=(1, 2, 3)):
        return greedy(self.step, self.reorder, [(source, ()) for source in sources], start, end, longest)


def random_model(task):
    return Model(functools.partial(conditional, task.seed, task.V))


def search(task, width, alpha):
    return random_model(task).search(task.start, task.end, task.longest, width, alpha, task.sources)


def greedy_search(task):
    return random_model(task).greedy(task.start, task.end, task.longest, task.sources)


def table_model(table, V):
    """The same for each source. table: what was written, without the start -> probabilities; tokens else by chance."""
    uniform = np.full(V, 1 / V)

    def distribution(source, history):
        with np.errstate(divide="ignore"):
            return np.log(table.get(history[1:], uniform))

    return Model(distribution)


def members(task):
    return [task._replace(start=task.start[b : b + 1], sources=task.sources[b : b + 1]) for b in range(3)]


def log_probability(task, b, tokens):
    """The chain rule, token by token."""
    histories = [(int(task.start[b]), *tokens[:i]) for i in range(len(tokens))]
    return sum(
        conditional(task.seed, task.V, task.sources[b], history)[w]
        for history, w in zip(histories, tokens, strict=True)
    )


def exhaustive(task, b, alpha):
    """The best score of all sequences that end within `longest` tokens, and the sequence."""
    others = [word for word in range(task.V) if word != task.end]
    best = (NEVER, ())
    for n in range(1, task.longest + 1):
        for tokens in itertools.product(others, repeat=n - 1):
            score = log_probability(task, b, (*tokens, task.end)) / n**alpha
            best = max(best, (score, tokens), key=lambda one: one[0])
    return best


def by_hand(task, b, width, alpha):
    """Beam search of one sequence with lists, which goes on until none is open."""
    hypotheses = [(0.0, ())]
    finished = []
    for n in range(1, task.longest + 1):
        longer = []
        for log_P, tokens in hypotheses:
            log_p = conditional(task.seed, task.V, task.sources[b], (int(task.start[b]), *tokens))
            allowed = range(task.V) if n < task.longest else [task.end]
            longer += [(log_P + log_p[w], (*tokens, w)) for w in allowed]
        if n < task.longest:
            longer = sorted((one for one in longer if one[0] > NEVER), key=lambda one: -one[0])[:width]
        finished += [(log_P / n**alpha, tokens[:-1]) for log_P, tokens in longer if tokens[-1] == task.end]
        hypotheses = [one for one in longer if one[1][-1] != task.end]
        if not hypotheses:
            break
    return max(finished, key=lambda one: one[0])


def greedy_by_hand(task, b):
    tokens = []
    for _ in range(task.longest - 1):
        log_p = conditional(task.seed, task.V, task.sources[b], (int(task.start[b]), *tokens))
        if log_p.argmax() == task.end:
            break
        tokens.append(int(log_p.argmax()))
    return tokens


def same(found, others):
    return [(f.ids.tolist(), f.score, f.log_probability) for f in found] == [
        (f.ids.tolist(), f.score, f.log_probability) for f in others
    ]


@given(tasks(), alphas)
def test_a_beam_that_is_wide_enough_searches_everything(task, alpha):
    """width >= V^longest: the best of all sequences that end within `longest` tokens."""
    for b, found in enumerate(search(task, task.everything, alpha)):
        score, tokens = exhaustive(task, b, alpha)
        assert found.score == pytest.approx(score, rel=1e-12)
        assert score == NEVER or found.ids.tolist() == list(tokens)


@given(tasks(), widths, alphas)
def test_a_narrow_beam_equals_the_search_by_hand(task, width, alpha):
    """Which does not stop before none is open: that nothing better can come is no guess."""
    for b, found in enumerate(search(task, width, alpha)):
        assert (found.score, tuple(found.ids)) == by_hand(task, b, width, alpha)


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_early_ends_do_not_crowd_out_a_sure_translation(alpha):
    """A model that is sure of ten tokens, and finds nothing else but the end at all likely, is heard to its end."""
    log_p = np.log(np.array([0.9, 1e-3, 0.099]))  # the token, the end, another token
    at_last = np.log(np.array([1e-3, 0.9, 0.099]))

    def step(tokens, n):
        return np.tile(at_last if n == 10 else log_p, (len(tokens), 1)), n + 1

    (found,) = beam_search(step, lambda n, indices: n, 0, np.array([0]), end=1, longest=20, width=2, alpha=alpha)
    assert found.ids.tolist() == [0] * 10
    assert found.log_probability == pytest.approx(11 * np.log(0.9))


@given(tasks())
def test_greedy_equals_the_loop_by_hand(task):
    for b, found in enumerate(greedy_search(task)):
        assert found.ids.tolist() == greedy_by_hand(task, b)


@given(tasks())
def test_a_beam_of_one_is_greedy(task):
    """With alpha = 0 in its score, too; with any other alpha it still writes the same."""
    assert same(search(task, 1, 0.0), greedy_search(task))
    assert [f.ids.tolist() for f in search(task, 1, 1.0)] == [f.ids.tolist() for f in greedy_search(task)]


@given(tasks(), widths, alphas)
def test_a_batch_equals_its_members_one_by_one(task, width, alpha):
    assert same(search(task, width, alpha), [search(member, width, alpha)[0] for member in members(task)])
    assert same(greedy_search(task), [greedy_search(member)[0] for member in members(task)])


@given(tasks(), widths, alphas)
def test_no_beam_beats_the_one_that_drops_nothing(task, width, alpha):
    """Not so for two narrow ones: the wider of them can lose the way that the other takes."""
    pairs = zip(search(task, width, alpha), search(task, task.everything, alpha), strict=True)
    assert all(narrow.score <= wide.score for narrow, wide in pairs)


@given(tasks(), widths, alphas)
def test_the_log_probability_is_the_sum_of_the_conditionals(task, width, alpha):
    """Of the tokens and the end; the score divides it by how many they are."""
    for b, found in enumerate(search(task, width, alpha)):
        tokens = (*found.ids.tolist(), task.end)
        assert found.log_probability == pytest.approx(log_probability(task, b, tokens), rel=1e-12)
        assert found.score == found.log_probability / len(tokens) ** alpha
        assert type(found.log_probability) is type(found.score) is float


@given(tasks(), widths, alphas)
def test_the_ids_have_neither_start_nor_end_and_are_not_too_long(task, width, alpha):
    for found in search(task, width, alpha) + greedy_search(task):
        assert task.end not in found.ids
        assert len(found.ids) + 1 <= task.longest
        assert found.ids.dtype == np.int64


@given(tasks(), widths, alphas)
def test_the_model_is_asked_no_more_than_it_must(task, width, alpha):
    """One step per token, of the open hypotheses alone: B at first, B * width at most."""
    model = random_model(task)
    model.search(task.start, task.end, task.longest, width, alpha)
    assert len(model.sizes) <= task.longest
    assert model.sizes[0] == 3
    assert max(model.sizes) <= 3 * width
    assert len(model.reordered) < len(model.sizes)


@given(tasks())
def test_the_larger_alpha_the_longer_is_the_best(task):
    """Of all sequences: c / n^alpha with c = -log P; what is longer gains more if alpha grows."""
    by_alpha = [search(task, task.everything, alpha) for alpha in ALPHAS]
    for shorter, longer in itertools.pairwise(by_alpha):
        assert all(len(s.ids) <= len(t.ids) for s, t in zip(shorter, longer, strict=True))


def test_a_normalized_score_can_prefer_the_longer():
    """log 0.5 / 1 against log 0.45 / 2^alpha: the end at once is likelier, but a token of the other costs less."""
    model = table_model({(): [0.5, 0.0, 0.5], (2,): [0.9, 0.1, 0.0]}, V=3)
    (short,) = model.search(np.array([1]), 0, 3, alpha=0.0, sources=(1,))
    (long,) = model.search(np.array([1]), 0, 3, alpha=0.6, sources=(1,))
    assert short.ids.tolist() == []
    assert short.score == pytest.approx(math.log(0.5), rel=1e-12)
    assert long.ids.tolist() == [2]
    assert long.score == pytest.approx(math.log(0.45) / 2**0.6, rel=1e-12)


def test_two_hypotheses_escape_a_trap_that_greedy_falls_into():
    """After the likeliest first token, 1, nothing is likely: 0.6 / 4. After the other, 2, the end is sure: 0.4."""
    model = table_model({(): [0.0, 0.6, 0.4, 0.0], (2,): [1.0, 0.0, 0.0, 0.0]}, V=4)
    (trapped,) = model.greedy(np.array([3]), 0, 5, sources=(1,))
    (escaped,) = model.search(np.array([3]), 0, 5, width=2, alpha=0.0, sources=(1,))
    assert trapped.ids.tolist() == [1]
    assert trapped.log_probability == pytest.approx(math.log(0.6 / 4), rel=1e-12)
    assert escaped.ids.tolist() == [2]
    assert escaped.log_probability == pytest.approx(math.log(0.4), rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_model_that_never_ends_is_cut_off(width):
    """At `longest` tokens, the end included, whose probability is 0: the likeliest open hypothesis is what there is."""
    model = Model(lambda source, history: np.array([math.log(0.3), math.log(0.7), NEVER]))
    (found,) = model.search(np.array([0]), 2, 6, width, sources=(1,))
    assert found.ids.tolist() == [1, 1, 1, 1, 1]
    assert found.log_probability == found.score == NEVER
    assert len(model.sizes) == 6


def test_at_the_cut_off_the_end_costs_what_it_costs():
    """Of two open hypotheses the one that ends more easily: 0.6 * 0.1 against 0.4 * 0.9, then the end."""
    model = table_model({(): [0.0, 0.6, 0.4], (1,): [0.1, 0.9, 0.0], (2,): [0.9, 0.1, 0.0]}, V=3)
    (found,) = model.search(np.array([0]), 0, 2, width=2, alpha=0.0, sources=(1,))
    assert found.ids.tolist() == [2]
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.9), rel=1e-12)


def test_if_only_the_end_fits_it_is_written():
    model = table_model({(): [0.1, 0.9]}, V=2)
    (found,) = model.search(np.array([1]), 0, longest=1, sources=(1,))
    assert found.ids.tolist() == []
    assert found.log_probability == pytest.approx(math.log(0.1), rel=1e-12)


def test_sequences_that_are_done_leave_the_batch():
    """The first ends for sure after one token, the second after two, the third after three."""
    model = Model(lambda source, history: np.array([0.0, NEVER] if len(history) > source else [NEVER, 0.0]))
    found = model.search(np.array([1, 1, 1]), 0, 9)
    assert [f.ids.tolist() for f in found] == [[1], [1, 1], [1, 1, 1]]
    assert model.sizes == [3, 3, 2, 1]
    assert model.reordered == [[1, 2], [1]]


def test_a_search_ends_when_nothing_better_can_come():
    """The end has 0.9 at once; what is open has 0.1 at most. With alpha = 1 it may still get log 0.1 / longest."""
    model = table_model({(): [0.9, 0.1]}, V=2)
    model.search(np.array([0]), 0, 9, alpha=0.0, sources=(1,))
    assert model.sizes == [1]
    hopeful = table_model({(): [0.9, 0.1]}, V=2)
    hopeful.search(np.array([0]), 0, 25, alpha=1.0, sources=(1,))  # log 0.1 / 25 > log 0.9 > log 0.05 / 25
    assert hopeful.sizes == [1, 1]
    hopeless = table_model({(): [0.9, 0.1]}, V=2)
    hopeless.search(np.array([0]), 0, 20, alpha=1.0, sources=(1,))  # log 0.1 / 20 < log 0.9
    assert hopeless.sizes == [1]
    tied = table_model({}, V=2)
    tied.search(np.array([0]), 0, 9, alpha=0.0, sources=(1,))  # log 0.5 is no better than log 0.5
    assert tied.sizes == [1]


def test_what_has_ended_leaves_its_place_to_others():
    """Of two, one ends at once; the other goes on in two ways, and the second of them is the best."""
    table = {(): [0.5, 0.5, 0.0], (1,): [0.0, 0.6, 0.4], (1, 1): [0.1, 0.5, 0.4], (1, 2): [1.0, 0.0, 0.0]}
    model = table_model(table, V=3)
    (found,) = model.search(np.array([0]), 0, 9, width=2, alpha=1.0, sources=(1,))
    assert model.sizes[:3] == [1, 1, 2]
    assert found.ids.tolist() == [1, 2]


def test_of_equals_the_first_stays():
    """Earlier hypothesis, then lower token; of equal scores, what was finished first."""
    model = table_model({}, V=3)  # all tokens are equally likely
    assert model.search(np.array([0]), 2, 4, width=2, alpha=0.0, sources=(1,))[0].ids.tolist() == [0, 0, 0]
    assert model.search(np.array([0]), 0, 4, width=2, alpha=1.0, sources=(1,))[0].ids.tolist() == []
    assert model.greedy(np.array([0]), 1, 4, sources=(1,))[0].ids.tolist() == [0, 0, 0]


@given(st.lists(st.sampled_from([NEVER, -2.0, -1.0, 0.0]), min_size=1, max_size=12), st.integers(1, 14))
def test_the_likeliest_are_those_of_a_stable_sort(values, k):
    expected = sorted((i for i, value in enumerate(values) if value > NEVER), key=lambda i: -values[i])[:k]
    assert likeliest(np.array(values), k).tolist() == expected


@given(seeds, st.integers(1, 2000))
def test_the_likeliest_of_a_vocabulary_are_those_of_a_stable_sort(seed, k):
    """Of 2000 tokens, of which some are equally likely."""
    values = np.random.default_rng(seed).integers(-9999, 0, 2000).astype(float)
    assert likeliest(values, k).tolist() == sorted(range(2000), key=lambda i: -values[i])[:k]


def test_by_default_four_hypotheses_compete_for_the_best_score_at_alpha_0_6():
    """One token after the other, where the end is unlikely: four are open, and the score is log P / n^0.6."""
    model = Model(lambda source, history: np.log(np.array([0.1, 0.2, 0.15, 0.3, 0.15, 0.1])))
    (found,) = beam_search(model.step, model.reorder, [(1, ())], np.array([1]), 0, 6)
    assert max(model.sizes) == 4
    assert found.score == found.log_probability / (len(found.ids) + 1) ** 0.6


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_half_and_single_precision_are_summed_in_double(dtype):
    """The sum of 2000 logarithms is as exact as they are, and one that is rounded above 0 is no error."""

    def step(tokens, state):
        return np.array([[-30.0, -0.01, 1e-3]] * len(tokens), dtype), None

    (found,) = greedy(step, lambda state, indices: state, None, np.array([0]), 0, 2001)
    assert found.ids.tolist() == [2] * 2000
    assert found.log_probability == pytest.approx(2000 * float(dtype(1e-3)) - 30, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_tokens_stay_integers(dtype):
    """Whatever the start's type: uint64 beside int64 would become floating-point."""
    read = []

    def step(tokens, state):
        read.append(tokens.dtype)
        return np.log([[0.2, 0.8]]), None

    (found,) = greedy(step, lambda state, indices: state, None, np.array([1], dtype), 0, 4)
    assert found.ids.dtype == np.int64
    assert set(read) == {np.dtype(np.int64)}


def test_bad_input_is_refused():
    def refused(start=np.array([1]), end=0, longest=3, log_p=None, **kwargs):  # noqa: B008
        def step(tokens, state):
            return np.log(np.full((1, 4), 0.25)) if log_p is None else log_p, None

        return beam_search(step, lambda state, indices: state, None, start, end, longest, **kwargs)

    with refuses(ValueError, "width: got 0, expected 1 or more"):
        refused(width=0)
    with refuses(TypeError, "width: got 2.0, expected an integer"):
        refused(width=2.0)
    with refuses(ValueError, "longest: got 0, expected 1 or more"):
        refused(longest=0)
    with refuses(ValueError, "alpha: got -0.1, expected a finite number, 0 or more"):
        refused(alpha=-0.1)
    with refuses(ValueError, "alpha: got nan, expected a finite number, 0 or more"):
        refused(alpha=math.nan)
    with refuses(ValueError, "alpha: got inf, expected a finite number, 0 or more"):
        refused(alpha=math.inf)
    with refuses(TypeError, "start: got dtype float64, expected an array of integers"):
        refused(start=np.array([1.0]))
    with refuses(TypeError, "start: got list, expected an array of integers"):
        refused(start=[1])
    with refuses(ValueError, "start: got shape (0,), expected one axis with at least one id"):
        refused(start=np.empty(0, int))
    with refuses(ValueError, "start: got shape (1, 1), expected one axis with at least one id"):
        refused(start=np.array([[1]]))
    with refuses(TypeError, "end: got None, expected an integer"):
        refused(end=None)
    with refuses(ValueError, "end: got -1, expected 0 or more"):
        refused(end=-1)
    with refuses(ValueError, "end: got 4, expected 0 to 3, one of the tokens"):
        refused(end=4)


def test_a_step_that_gives_no_log_probabilities_is_refused():
    """Logits, above all: their sum is no log P, and a search would go wrong in silence."""

    def refused(log_p):
        beam_search(lambda tokens, state: (log_p, None), lambda state, indices: state, None, np.array([1]), 0, 3)

    with refuses(ValueError, "log-probabilities: got 2.0 as the highest of a row, expected a number of 0 or less"):
        refused(np.array([[2.0, -1.0]]))
    with refuses(ValueError, "log-probabilities: got nan as the highest of a row, expected a number of 0 or less"):
        refused(np.array([[math.nan, -1.0]]))
    with refuses(ValueError, "log-probabilities: got -inf as the highest of a row, expected a number of 0 or less"):
        refused(np.array([[NEVER, NEVER]]))
    good, wrong = [math.log(0.5)] * 2, [NEVER, NEVER]
    for rows in ([good, wrong], [wrong, good]):  # one row of two is enough

        def step(tokens, state, rows=rows):
            return np.array(rows), None

        with pytest.raises(ValueError, match=r"^log-probabilities: "):
            beam_search(step, lambda state, indices: state, None, np.array([1, 1]), 0, longest=1)
    with refuses(ValueError, "log-probabilities: got shape (2, 4), expected 1 rows, one for each token read"):
        refused(np.zeros((2, 4)))
    with refuses(ValueError, "log-probabilities: got shape (4,), expected at least 2 axes"):
        refused(np.zeros(4))
    with refuses(TypeError, "log-probabilities: got dtype int64, expected floating-point numbers such as float32"):
        refused(np.zeros((1, 4), np.int64))
