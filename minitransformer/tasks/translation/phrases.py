"""Numbers and dates as pairs of phrases, drawn without end; a checksum of each decides which are for the test."""

import datetime
import zlib
from typing import NamedTuple

import numpy as np

from minitransformer.data.number_words import chinese_date, chinese_number, english_date, english_number

MOST_DIGITS = 12  # of the numbers to learn from
LONGER = range(13, 17)  # digits, of the second test
DATES = 0.2  # part of the phrases
SPARSE = 0.3  # part of the numbers in which each digit is 0 with probability 1/2: the rules for zeros are the hard ones
PERIOD = 20  # of so many phrases, one is for validation and one for the test
FIRST_YEAR, LAST_YEAR = 1000, 2999
OUR_YEARS = (1900, 2099)  # in which half of the dates lie: else those that people write would be rare

TRAINING, VALIDATION, TEST = SIDES = ("training", "validation", "test")


class Pair(NamedTuple):
    chinese: str
    english: str


def number_pair(n: int) -> Pair:
    return Pair(chinese_number(n), english_number(n))


def date_pair(date: datetime.date) -> Pair:
    parts = (date.year, date.month, date.day)
    return Pair(chinese_date(*parts), english_date(*parts))


def side_of(pair: Pair) -> str:
    """The same on every machine, whatever was drawn before."""
    return {0: VALIDATION, 1: TEST}.get(zlib.crc32(pair.chinese.encode()) % PERIOD, TRAINING)


def draw(side: str, size: int, rng: np.random.Generator) -> list[Pair]:
    """`size` phrases of one side, numbers below 10^12 and dates.

    All numbers of digits are equally likely: else nearly all numbers would have twelve.
    """
    pairs: list[Pair] = []
    while len(pairs) < size:
        pair = date_pair(draw_date(rng)) if rng.random() < DATES else number_pair(draw_number(rng, 1, MOST_DIGITS))
        if side_of(pair) == side:
            pairs.append(pair)
    return pairs


def draw_longer(size: int, rng: np.random.Generator) -> list[Pair]:
    """Numbers longer than any to learn from."""
    return [number_pair(draw_number(rng, LONGER[0], LONGER[-1])) for _ in range(size)]


def draw_number(rng: np.random.Generator, fewest: int, most: int) -> int:
    digits = rng.integers(0, 10, rng.integers(fewest, most + 1))
    if rng.random() < SPARSE:
        digits = digits * rng.integers(0, 2, len(digits))
    if len(digits) > 1:
        digits[0] = rng.integers(1, 10)
    return int("".join(map(str, digits)))


def draw_date(rng: np.random.Generator) -> datetime.date:
    first_year, last_year = OUR_YEARS if rng.random() < 0.5 else (FIRST_YEAR, LAST_YEAR)
    first, last = datetime.date(first_year, 1, 1).toordinal(), datetime.date(last_year, 12, 31).toordinal()
    return datetime.date.fromordinal(int(rng.integers(first, last + 1)))


def all_words() -> list[Pair]:
    """Phrases that together have every word there is."""
    numbers = [*range(100), *(10**k for k in range(2, LONGER[-1]))]
    days = [datetime.date(2000, 1, 1) + datetime.timedelta(k) for k in range(366)]
    years = [datetime.date(year, 1, 1) for year in range(FIRST_YEAR, LAST_YEAR + 1)]
    return [*map(number_pair, numbers), *map(date_pair, days), *map(date_pair, years)]
