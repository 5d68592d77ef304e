"""A small language for models that learn in a second: "ababcb" again and again, a few letters a paragraph.

After a comes b, and after b either a or c: which of them, the four letters before it tell, and no bigram can.
"""

import functools

import numpy as np

from minitransformer.data.corpus import Document, with_elsewhere
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.text import prepare

SMALL = {
    "ngram": KINDS["ngram"].settings._replace(n=5),
    "fnn": KINDS["fnn"].settings._replace(n=6, d=8, d_hidden=16, B=32, peak=2e-2, decay=0.0, warmup=10, steps=150),
    "rnn": KINDS["rnn"].settings._replace(d=8, d_h=16, context=16, B=8, peak=2e-2, decay=0.0, warmup=10, steps=150),
    "gpt": KINDS["gpt"].settings._replace(
        n_layers=1, d_model=16, h=2, d_ff=32, rate=0.0, context=12, peak=1e-2, decay=0.0, warmup=10, steps=150
    ),
}


def small_text():
    """Each side is one document, of its own length, so that no paragraph is on two sides."""

    def documents():
        for side, n in (("training", 300), ("validation", 50), ("test", 60)):
            yield Document(side, "ababcb" * n)

    return prepare(with_elsewhere("a language of three letters", (), documents))


@functools.cache
def sided_text():
    """Random letters, of each side its own: a to d to learn from, e besides in validation, f in the test.

    e and f are unknown words. The letters before a letter say nothing about it, so that no two models agree by chance.
    """
    rng = np.random.default_rng(0)
    letters = {"training": ("abcd", 300), "validation": ("abe", 110), "test": ("bcdf", 90)}
    documents = [Document(side, "".join(rng.choice([*of_side], n))) for side, (of_side, n) in letters.items()]
    return prepare(with_elsewhere("random letters", (), lambda: documents))
