"""Code that is awkward to trace, one case a function. Each line's place matters to test_recorder.py."""

# ruff: noqa: RET504

import contextlib
import functools

import numpy as np


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@decorate
def decorated(a):
    b = a * 2
    return b


def same_numbers(a):
    b = a * 1
    return b


def in_place(a):
    view = a[0]
    view[:] = 7
    np.add(a, 1, out=a)
    a[1, 0] = 99
    return a


def multiline(a):
    b = np.where(
        a > 0,
        a,
        np.exp(
            a
        ),
    )  # fmt: skip
    return b


def loops(xs):
    total = 0
    for x in xs:
        total = total + x
    with contextlib.nullcontext(total) as t:
        u = t + 1
    return u


def inner_frames(a):
    rows = [row * 2 for row in a]
    total = sum(row.sum() for row in a)
    twice = (lambda x: x * 2)(total)
    return rows, twice


def raises(a):
    b = a + 1
    c = a @ np.ones(17)
    return b, c


def catches(a):
    try:
        b = raises(a)
    except ValueError:
        b = None
    return b


def recursive(n):
    if n == 0:
        return 0
    m = recursive(n - 1)
    return m + 1


def unpacks(pair):
    (first, *rest), last = pair
    return first, rest, last


def two_calls(a):
    return same_numbers(a) + same_numbers(a + 1)


def forever():
    n = 0
    while True:
        n += 1
