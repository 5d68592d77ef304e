"""Section 6.1: numbers and dates in Chinese and English words, the translation whose answers can be checked exactly.

Different numbers have different words, and different dates different phrases, in both languages: whoever reads one
can tell which number it was, so that a translation is either right or wrong.
"""

import calendar

from minitransformer.checks import check_integer

LARGEST = 10**16 - 1
FIRST_YEAR, LAST_YEAR = 1000, 2999

CHINESE_DIGITS = "零一二三四五六七八九"
CHINESE_UNITS = (("亿", 10**8), ("万", 10**4), ("千", 1000), ("百", 100), ("十", 10))

ENGLISH_UNITS = (
    ("quadrillion", 10**15),
    ("trillion", 10**12),
    ("billion", 10**9),
    ("million", 10**6),
    ("thousand", 1000),
    ("hundred", 100),
)
BELOW_TWENTY = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MONTHS = (  # calendar.month_name has them in the language of the reader's system
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)


def chinese_number(n: int) -> str:
    """12345678 -> 一千二百三十四万五千六百七十八, for 0 <= n < 10**16.

    The two of 2000 is 二, never 两; 10**12 is 一万亿.
    """
    check_between("n", n, 0, LARGEST)
    words = chinese_words(n)
    return words[1:] if words.startswith("一十") else words  # 十二, but 一百一十二


def chinese_words(n: int) -> str:
    """So many of the largest unit that fits, the unit, and the rest: 120003 = 12 * 万 + 3 -> 一十二 万 零 三.

    零 fills the gap where the place right after the unit is empty, once for any number of empty places: 一百零一;
    一亿零一千, where 千万, 百万, 十万 and 万 are all empty; but 十万一千, where 千 is not. No 零 stands at the end.
    """
    if n < 10:
        return CHINESE_DIGITS[n]
    unit, size = next((unit, size) for unit, size in CHINESE_UNITS if size <= n)
    how_many, rest = divmod(n, size)
    words = chinese_words(how_many) + unit
    if rest == 0:
        return words
    gap = "零" if rest < size // 10 else ""
    return words + gap + chinese_words(rest)


def english_number(n: int) -> str:
    """12345678 -> twelve million three hundred forty-five thousand six hundred seventy-eight, for 0 <= n < 10**16."""
    check_between("n", n, 0, LARGEST)
    return english_words(n)


def english_words(n: int) -> str:
    """So many of the largest unit that fits, the unit, and the rest: 12003 = 12 * 1000 + 3 -> twelve thousand three."""
    if n < 20:
        return BELOW_TWENTY[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        return TENS[tens - 2] + (f"-{BELOW_TWENTY[ones]}" if ones else "")
    unit, size = next((unit, size) for unit, size in ENGLISH_UNITS if size <= n)
    how_many, rest = divmod(n, size)
    words = f"{english_words(how_many)} {unit}"
    return f"{words} {english_words(rest)}" if rest else words


def chinese_date(year: int, month: int, day: int) -> str:
    """2026, 11, 24 -> 二零二六年十一月二十四日. Years 1000 to 2999, digit by digit; month and day are numbers."""
    check_date(year, month, day)
    digits = "".join(CHINESE_DIGITS[int(digit)] for digit in str(year))
    return f"{digits}年{chinese_number(month)}月{chinese_number(day)}日"


def english_date(year: int, month: int, day: int) -> str:
    """2026, 11, 24 -> november twenty-fourth twenty twenty-six. Years 1000 to 2999."""
    check_date(year, month, day)
    return f"{MONTHS[month - 1]} {english_ordinal(day)} {english_year(year)}"


def english_ordinal(day: int) -> str:
    """21 -> twenty-first, for the days of a month, 1 to 31: only the last word of the number changes."""
    check_between("day", day, 1, 31)
    tens, hyphen, last = english_words(day).rpartition("-")
    if last in IRREGULAR_ORDINALS:
        ordinal = IRREGULAR_ORDINALS[last]
    elif last.endswith("y"):
        ordinal = last[:-1] + "ieth"
    else:
        ordinal = last + "th"
    return tens + hyphen + ordinal


def english_year(year: int) -> str:
    """A year from 1000 to 2999 as it is spoken: by centuries, but for the first ten of a millennium.

    nineteen ninety-nine, nineteen oh-five, nineteen hundred; two thousand five, two thousand.
    """
    check_between("year", year, FIRST_YEAR, LAST_YEAR)
    if year % 1000 < 10:
        return english_words(year)
    century, of_century = divmod(year, 100)
    if of_century == 0:
        return f"{english_words(century)} hundred"
    if of_century < 10:
        return f"{english_words(century)} oh-{english_words(of_century)}"
    return f"{english_words(century)} {english_words(of_century)}"


def check_date(year: int, month: int, day: int) -> None:
    """The day must be one of the calendar, the Gregorian even before 1582, as in `datetime.date`."""
    check_between("year", year, FIRST_YEAR, LAST_YEAR)
    check_between("month", month, 1, 12)
    check_integer("day", day, minimum=1)
    _, n_days = calendar.monthrange(year, month)
    if day > n_days:
        raise ValueError(f"day: got {day}, expected 1 to {n_days}, the days of {MONTHS[month - 1]} {year}")


def check_between(name: str, value: int, minimum: int, maximum: int) -> None:
    """`value` must be an integer from `minimum` to `maximum`."""
    check_integer(name, value, minimum)
    if value > maximum:
        raise ValueError(f"{name}: got {value}, expected {maximum} or less")
