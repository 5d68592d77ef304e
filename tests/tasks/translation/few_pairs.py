"""A small translation for models that learn in seconds: letters, to be written the other way round and in capitals."""

import itertools

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


def small_run(kind, pairs, steps=40, seed=0):
    return new_run(KINDS[kind], SMALL[kind], pairs, "letters", seed=seed)._replace(goal=Goal(steps=steps))
