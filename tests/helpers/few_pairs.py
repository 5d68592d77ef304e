"""A small translation for models that learn in seconds: letters, to be written the other way round and in capitals."""

import functools
import itertools

import numpy as np

from minitransformer.tasks.translation.language import language_of
from minitransformer.tasks.translation.pairs import Pairs
from minitransformer.tasks.translation.run import KINDS, new_run
from minitransformer.training.session import Goal

SMALL = {
    "transformer": KINDS["transformer"].settings._replace(n_layers=1, d_model=16, h=2, d_ff=32, B=32, warmup=50),
    "rnn": KINDS["rnn"].settings._replace(d=8, d_h=24, B=32, warmup=50),
}


def few_pairs():
    """All words of one to three of four letters; every seventh is for the test."""
    words = [" ".join(letters) for n in (1, 2, 3) for letters in itertools.product("abcd", repeat=n)]
    pairs = [(word, word[::-1].upper()) for word in words]
    test, training = pairs[::7], [pair for i, pair in enumerate(pairs) if i % 7]

    def draw(size, rng):
        return [training[i] for i in rng.integers(0, len(training), size)]

    sources, targets = zip(*pairs, strict=True)
    return Pairs("letters", language_of(sources), language_of(targets), draw, test, test, [])


@functools.cache
def sided_pairs():
    """One to five letters, of each side its own: a to d to learn from, e besides in validation, f in the test."""
    rng = np.random.default_rng(0)
    letters = {"training": ("abcd", 40), "validation": ("abe", 7), "test": ("cdf", 6), "longer": ("bef", 5)}
    sides = {}
    for side, (of_side, n) in letters.items():
        words = [" ".join([of_side[-1], *rng.choice([*of_side], rng.integers(0, 5))]) for _ in range(n)]
        sides[side] = [(word, word[::-1].upper()) for word in words]
    training, *others = sides.values()
    sources, targets = zip(*(pair for side in sides.values() for pair in side), ("a b c", "A B C D"), strict=True)

    def draw(size, rng):
        return [training[i] for i in rng.integers(0, len(training), size)]

    return Pairs("letters by side", language_of(sources), language_of(targets), draw, *others)


def small_run(kind, pairs, steps=40, seed=0):
    return new_run(KINDS[kind], SMALL[kind], pairs, "letters", seed=seed)._replace(goal=Goal(steps=steps))
