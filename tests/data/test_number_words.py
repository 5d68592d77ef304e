"""Numbers and dates in words: what they mean, read back by another algorithm, and beside two libraries."""

import datetime
import itertools
import re

import numpy as np
import pytest
from assertions import refuses
from hypothesis import example, given
from hypothesis import strategies as st

from minitransformer.data.number_words import (
    chinese_date,
    chinese_number,
    english_date,
    english_number,
    english_ordinal,
    english_year,
)

LARGEST = 10**16 - 1
YEARS = range(1000, 3000)

with_many_zeros = st.text("00000000123456789", min_size=1, max_size=16).map(int)
round_numbers = st.builds(lambda a, p, b, q: a * 10**p + b * 10**q, *[st.integers(0, 99), st.integers(0, 13)] * 2)
numbers = st.integers(0, LARGEST) | with_many_zeros | round_numbers
dates = st.dates(datetime.date(1000, 1, 1), datetime.date(2999, 12, 31))

CHINESE = [
    (0, "零"),
    (1, "一"),
    (2, "二"),
    (9, "九"),
    # a leading 一十 is 十, and only a leading one
    (10, "十"),
    (11, "十一"),
    (19, "十九"),
    (20, "二十"),
    (22, "二十二"),
    (110, "一百一十"),
    (111, "一百一十一"),
    (1010, "一千零一十"),
    (10_0000, "十万"),
    (12_0012, "十二万零一十二"),
    (110_0000, "一百一十万"),
    (10_0000_0000, "十亿"),
    (1_0010_0000, "一亿零一十万"),
    (10_0000_0000_0000, "十万亿"),
    # 二, never 两
    (200, "二百"),
    (2222, "二千二百二十二"),
    (2_2000, "二万二千"),
    (2_0000_0000, "二亿"),
    # one 零 for any number of empty places
    (100, "一百"),
    (101, "一百零一"),
    (1000, "一千"),
    (1001, "一千零一"),
    (1011, "一千零一十一"),
    (1100, "一千一百"),
    (1110, "一千一百一十"),
    (1_0000, "一万"),
    (1_0001, "一万零一"),
    (1_0010, "一万零一十"),
    (1_0100, "一万零一百"),
    (1_0101, "一万零一百零一"),
    (1_1000, "一万一千"),
    (10_0010, "十万零一十"),
    (10_0100, "十万零一百"),
    (10_1000, "十万一千"),
    (10_1001, "十万一千零一"),
    (100_0001, "一百万零一"),
    (1001_1001, "一千零一万一千零一"),
    (1010_1010, "一千零一十万一千零一十"),
    (1234_5678, "一千二百三十四万五千六百七十八"),
    # groups of four, a whole one of them empty
    (1_0000_0000, "一亿"),
    (1_0000_0001, "一亿零一"),
    (1_0000_1000, "一亿零一千"),
    (1_0001_0000, "一亿零一万"),
    (1_0001_0001, "一亿零一万零一"),
    (1_1000_0000, "一亿一千万"),
    (1_1000_1000, "一亿一千万一千"),
    (10_0001_0000, "十亿零一万"),
    (10_1000_0000, "十亿一千万"),
    (1000_0000_0001, "一千亿零一"),
    # 亿 counted in 万
    (1_0000_0000_0000, "一万亿"),
    (1_0000_0000_0001, "一万亿零一"),
    (1_0000_0000_1000, "一万亿零一千"),
    (1_0000_0001_0000, "一万亿零一万"),
    (1_0000_1000_0000, "一万亿一千万"),
    (1_0001_0000_0000, "一万零一亿"),
    (1_1000_0000_0000, "一万一千亿"),
    (1000_1000_0000_0000, "一千万一千亿"),
    (1234_5678_1234_5678, "一千二百三十四万五千六百七十八亿一千二百三十四万五千六百七十八"),
    (9999_0000_0000_0009, "九千九百九十九万亿零九"),
]

ENGLISH = [
    (0, "zero"),
    (7, "seven"),
    (10, "ten"),
    (12, "twelve"),
    (13, "thirteen"),
    (15, "fifteen"),
    (18, "eighteen"),
    (20, "twenty"),
    (21, "twenty-one"),
    (40, "forty"),
    (99, "ninety-nine"),
    (100, "one hundred"),
    (101, "one hundred one"),
    (110, "one hundred ten"),
    (999, "nine hundred ninety-nine"),
    (1_000, "one thousand"),
    (1_001, "one thousand one"),
    (1_100, "one thousand one hundred"),
    (20_020, "twenty thousand twenty"),
    (100_000, "one hundred thousand"),
    (1_000_000, "one million"),
    (1_000_001, "one million one"),
    (12_345_678, "twelve million three hundred forty-five thousand six hundred seventy-eight"),
    (1_000_000_000, "one billion"),
    (1_000_001_000, "one billion one thousand"),
    (1_000_000_000_000, "one trillion"),
    (1_000_000_000_000_000, "one quadrillion"),
    (9_000_000_000_000_011, "nine quadrillion eleven"),
]

DATES = [
    ((2026, 11, 24), "二零二六年十一月二十四日", "november twenty-fourth twenty twenty-six"),
    ((1000, 1, 1), "一零零零年一月一日", "january first one thousand"),
    ((1005, 2, 2), "一零零五年二月二日", "february second one thousand five"),
    ((1010, 3, 3), "一零一零年三月三日", "march third ten ten"),
    ((1066, 10, 14), "一零六六年十月十四日", "october fourteenth ten sixty-six"),
    ((1100, 4, 5), "一一零零年四月五日", "april fifth eleven hundred"),
    ((1900, 5, 8), "一九零零年五月八日", "may eighth nineteen hundred"),
    ((1905, 6, 9), "一九零五年六月九日", "june ninth nineteen oh-five"),
    ((1999, 12, 31), "一九九九年十二月三十一日", "december thirty-first nineteen ninety-nine"),
    ((2000, 2, 29), "二零零零年二月二十九日", "february twenty-ninth two thousand"),
    ((2005, 7, 12), "二零零五年七月十二日", "july twelfth two thousand five"),
    ((2010, 8, 20), "二零一零年八月二十日", "august twentieth twenty ten"),
    ((2100, 9, 30), "二一零零年九月三十日", "september thirtieth twenty-one hundred"),
    ((2999, 12, 11), "二九九九年十二月十一日", "december eleventh twenty-nine ninety-nine"),
]


ENGLISH_WORDS = [
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    *("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
]
ENGLISH_VALUES = dict(zip(ENGLISH_WORDS, [*range(1, 20), *range(20, 100, 10)], strict=True))
ORDINALS = [
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh"),
    *("twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"),
    *("twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth"),
    *("twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first"),
]
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def read_chinese(words):
    """From left to right: a digit waits for its unit, 万 multiplies its group of four, 亿 all that stands before it."""
    yi = wan = group = 0
    digit = int(words[0] == "十")
    for character in words:
        if character == "亿":
            yi, wan, group, digit = (wan + group + digit) * 10**8, 0, 0, 0
        elif character == "万":
            wan, group, digit = (group + digit) * 10**4, 0, 0
        elif character in "千百十":
            group, digit = group + digit * {"千": 1000, "百": 100, "十": 10}[character], 0
        else:
            assert digit == 0
            digit = "零一二三四五六七八九".index(character)
    return yi + wan + group + digit


def write_chinese_by_places(n):
    """Every digit with the unit of its place, 一亿零千零百零十零万一千零百零十零, then too many 零 are struck out."""
    places = [*"千百十万千百十亿千百十万千百十", ""]
    digits = str(n)
    words = "".join(
        "零一二三四五六七八九"[int(digit)] + place for digit, place in zip(digits, places[-len(digits) :], strict=True)
    )
    for pattern, replacement in (
        ("零[千百十]", "零"),
        ("零+", "零"),
        ("亿零万", "亿零"),  # an empty group has no 万
        ("零([万亿])", r"\1"),
        ("零+", "零"),
        ("(?<=.)零$", ""),
        ("^一十", "十"),
    ):
        words = re.sub(pattern, replacement, words)
    return words


def read_english(words):
    """From left to right: hundred multiplies what its group has so far, a larger unit closes the group."""
    if words == "zero":
        return 0
    total = group = 0
    for word in re.split("[ -]", words):
        if word == "hundred":
            group *= 100
        elif word in ENGLISH_VALUES:
            group += ENGLISH_VALUES[word]
        else:
            power = ["thousand", "million", "billion", "trillion", "quadrillion"].index(word) + 1
            total, group = total + group * 1000**power, 0
    return total + group


def read_chinese_date(phrase):
    year, month, day = re.fullmatch("(....)年(.+)月(.+)日", phrase).groups()
    digits = ["零一二三四五六七八九".index(digit) for digit in year]
    return int("".join(map(str, digits))), read_chinese(month), read_chinese(day)


def read_english_year(words):
    first, _, last = words.partition(" ")
    if "thousand" in words or last == "hundred":
        return read_english(words)
    return read_english(first) * 100 + read_english(last.removeprefix("oh-"))


def read_english_date(phrase):
    month, day, year = phrase.split(" ", 2)
    return read_english_year(year), MONTHS.index(month[:3]) + 1, ORDINALS.index(day) + 1


@pytest.mark.parametrize(("n", "words"), CHINESE)
def test_chinese_numbers(n, words):
    assert chinese_number(n) == words


@pytest.mark.parametrize(("n", "words"), ENGLISH)
def test_english_numbers(n, words):
    assert english_number(n) == words


@pytest.mark.parametrize(("date", "chinese", "english"), DATES)
def test_dates(date, chinese, english):
    assert chinese_date(*date) == chinese
    assert english_date(*date) == english


@given(numbers)
@example(0)
@example(LARGEST)
def test_a_number_can_be_read_back(n):
    """So different numbers have different words."""
    assert read_chinese(chinese_number(n)) == n
    assert read_english(english_number(n)) == n


@given(dates)
def test_a_date_can_be_read_back(date):
    """So different dates have different phrases; and the calendar is that of `datetime.date`."""
    parts = (date.year, date.month, date.day)
    assert read_chinese_date(chinese_date(*parts)) == parts
    assert read_english_date(english_date(*parts)) == parts


def test_all_small_numbers_years_and_days_can_be_read_back():
    for n in range(10_001):
        assert read_chinese(chinese_number(n)) == n
        assert read_english(english_number(n)) == n
    assert [read_english_year(english_year(year)) for year in YEARS] == list(YEARS)
    assert [english_ordinal(day) for day in range(1, 32)] == ORDINALS
    leap_year = [datetime.date(2000, 1, 1) + datetime.timedelta(days) for days in range(366)]
    for date in leap_year:
        parts = (date.year, date.month, date.day)
        assert read_chinese_date(chinese_date(*parts)) == parts
        assert read_english_date(english_date(*parts)) == parts


@given(numbers)
@example(1_0000_1000)
def test_where_zeros_are_said(n):
    """The recursion has the zeros that are left when every place is written and each run of 零 becomes one or none."""
    assert chinese_number(n) == write_chinese_by_places(n)


@given(numbers)
def test_english_numbers_are_those_of_num2words(n):
    """Which writes one thousand, two hundred and one."""
    num2words = pytest.importorskip("num2words", reason="num2words is not installed").num2words
    assert english_number(n) == num2words(n).replace(",", "").replace(" and ", " ")


def test_english_ordinals_and_years_are_those_of_num2words():
    """Which writes two thousand and five, and else the same: nineteen oh-five."""
    num2words = pytest.importorskip("num2words", reason="num2words is not installed").num2words
    for day in range(1, 32):
        assert english_ordinal(day) == num2words(day, to="ordinal")
    for year in YEARS:
        assert english_year(year) == num2words(year, to="year").replace(" and ", " ")


@given(numbers)
@example(1_0000_1000)
def test_chinese_numbers_are_those_of_cn2an(n):
    """But for 零 between 万 or 亿 and 千, about which its versions differ from each other.

    We write 十万一千 and 一亿零一千; its 0.5.24 writes 十万一千 and 一亿一千, its 0.5.22 十万零一千 and 一亿零一千.
    """
    an2cn = pytest.importorskip("cn2an", reason="cn2an is not installed").an2cn
    ours, theirs = (re.sub("(?<=[万亿])零(?=.千)", "", words) for words in (chinese_number(n), an2cn(n)))
    assert ours == theirs


@given(dates)
def test_chinese_dates_are_those_of_cn2an(date):
    transform = pytest.importorskip("cn2an", reason="cn2an is not installed").transform
    numerals = f"{date.year}年{date.month}月{date.day}日"
    assert chinese_date(date.year, date.month, date.day) == transform(numerals, "an2cn")


@given(st.integers(1000, 2999), st.integers(1, 12), st.integers(1, 31))
@example(1900, 2, 29)
@example(2000, 2, 29)
def test_a_date_is_refused_where_the_calendar_has_none(year, month, day):
    try:
        datetime.date(year, month, day)
    except ValueError:
        for words in (chinese_date, english_date):
            with pytest.raises(ValueError, match=r"^day: got"):
                words(year, month, day)
    else:
        assert chinese_date(year, month, day)
        assert english_date(year, month, day)


@pytest.mark.parametrize("words", [chinese_number, english_number])
def test_bad_numbers_are_refused(words):
    with refuses(ValueError, "n: got -1, expected 0 or more"):
        words(-1)
    with refuses(ValueError, "n: got 10000000000000000, expected 9999999999999999 or less"):
        words(10**16)
    for not_an_integer in (True, 1.0, "1", None):
        with refuses(TypeError, f"n: got {not_an_integer!r}, expected an integer"):
            words(not_an_integer)


@pytest.mark.parametrize("words", [chinese_date, english_date])
def test_bad_dates_are_refused(words):
    with refuses(ValueError, "year: got 999, expected 1000 or more"):
        words(999, 1, 1)
    with refuses(ValueError, "year: got 3000, expected 2999 or less"):
        words(3000, 1, 1)
    with refuses(ValueError, "month: got 0, expected 1 or more"):
        words(2026, 0, 1)
    with refuses(ValueError, "month: got 13, expected 12 or less"):
        words(2026, 13, 1)
    with refuses(ValueError, "day: got 0, expected 1 or more"):
        words(2026, 1, 0)
    with refuses(ValueError, "day: got 31, expected 1 to 30, the days of november 2026"):
        words(2026, 11, 31)
    with refuses(ValueError, "day: got 29, expected 1 to 28, the days of february 1900"):
        words(1900, 2, 29)
    date = {"year": 2026, "month": 11, "day": 24}
    for name, not_an_integer in itertools.product(date, (True, 1.0, "1", None)):
        with refuses(TypeError, f"{name}: got {not_an_integer!r}, expected an integer"):
            words(**{**date, name: not_an_integer})


def test_numbers_of_numpy_are_numbers():
    """Of few bits too: 8 of them hold 200, but not 10**8."""
    assert chinese_number(np.uint8(200)) == chinese_number(200)
    assert english_number(np.uint8(200)) == english_number(200)
    date = (np.int16(2026), np.int8(11), np.uint8(24))
    assert chinese_date(*date) == chinese_date(2026, 11, 24)
    assert english_date(*date) == english_date(2026, 11, 24)


def test_no_month_has_more_than_31_days():
    assert english_ordinal(31) == "thirty-first"
    for day in (0, 32):
        with pytest.raises(ValueError, match=r"^day: "):
            english_ordinal(day)
