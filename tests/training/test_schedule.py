"""The learning rate: linear warm-up, then a cosine."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitransformer.training.schedule import vaswani_peak, warmup_cosine, warmup_inverse_root

schedules = st.tuples(st.integers(2, 200), st.integers(1, 100), st.floats(1e-5, 1.0)).filter(lambda s: s[1] < s[0] - 1)


@given(schedules)
def test_warm_up_rises_by_equal_steps_to_the_peak(schedule):
    """peak / warmup, 2 peak / warmup, ..., peak."""
    steps, warmup, peak = schedule
    for step in range(warmup):
        assert warmup_cosine(step, steps, peak, warmup) == pytest.approx(peak * (step + 1) / warmup, rel=1e-12)


@given(schedules, st.floats(0, 1))
def test_after_the_peak_it_only_falls_to_the_floor(schedule, floor):
    """From peak to floor * peak at the last step."""
    steps, warmup, peak = schedule
    rates = [warmup_cosine(step, steps, peak, warmup, floor) for step in range(warmup, steps)]
    assert rates[0] == pytest.approx(peak, rel=1e-12)
    assert rates[-1] == pytest.approx(floor * peak, rel=1e-9, abs=1e-12)
    assert rates == sorted(rates, reverse=True)


def test_half_way_down_it_is_the_middle():
    """A cosine: half-way between peak and floor; a quarter of the way it has fallen by (1 - cos 45)/2."""
    assert warmup_cosine(10 + 20, 51, 1.0, 10, floor=0.2) == pytest.approx(0.6)
    assert warmup_cosine(10 + 10, 51, 1.0, 10, floor=0.0) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_the_floor_is_a_tenth_by_default():
    assert warmup_cosine(99, 100, 1.0, 10) == pytest.approx(0.1)


def test_beyond_the_last_step_it_stays_at_the_floor():
    """Whoever trains longer than planned."""
    assert warmup_cosine(500, 100, 1.0, 10) == pytest.approx(0.1)


def test_a_single_step_after_the_warm_up():
    """No division by zero."""
    assert warmup_cosine(1, 2, 1.0, 1) == pytest.approx(1.0)


@given(st.integers(1, 500), st.floats(1e-5, 1.0))
def test_the_inverse_root_rises_by_equal_steps_and_falls_with_the_root(warmup, peak):
    """peak / warmup, 2 peak / warmup, ..., peak at step `warmup`; four times as many steps: half of it."""
    assert warmup_inverse_root(0, peak, warmup) == pytest.approx(peak / warmup, rel=1e-12)
    assert warmup_inverse_root(warmup - 1, peak, warmup) == pytest.approx(peak, rel=1e-12)
    assert warmup_inverse_root(4 * warmup - 1, peak, warmup) == pytest.approx(peak / 2, rel=1e-12)
    rates = [warmup_inverse_root(step, peak, warmup) for step in range(3 * warmup)]
    assert max(rates) == rates[warmup - 1]


def test_the_rate_of_vaswani_et_al():
    """d_model^-0.5 min(t^-0.5, t warmup^-1.5), t from 1, is that of peak (d_model warmup)^-0.5."""
    d_model, warmup = 512, 4000
    for t in (1, 10, 4000, 4001, 100_000):
        expected = d_model**-0.5 * min(t**-0.5, t * warmup**-1.5)
        assert warmup_inverse_root(t - 1, (d_model * warmup) ** -0.5, warmup) == pytest.approx(expected, rel=1e-12)


@given(st.integers(0, 10**5), st.integers(1, 1024), st.integers(1, 8000))
def test_the_schedule_of_vaswani(step, d_model, warmup):
    """d_model^(-1/2) min(t^(-1/2), t warmup^(-3/2)), with t from 1."""
    t = step + 1
    expected = d_model**-0.5 * min(t**-0.5, t * warmup**-1.5)
    assert warmup_inverse_root(step, vaswani_peak(d_model, warmup), warmup) == pytest.approx(expected, rel=1e-12)
