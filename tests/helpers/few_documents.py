"""A small BERT and a small corpus, through files of one's own, as readers have them."""

import functools

import numpy as np

from minitransformer.data.corpus import Document, text_files, with_elsewhere
from minitransformer.tasks.pretraining import bert
from minitransformer.training.session import Goal

SMALL = bert.BERT.settings._replace(
    n_layers=1, d_model=16, h=2, d_ff=32, context=48, short=24, vocabulary=150, B=4, peak=1e-2, warmup=10
)
THINGS, PLACES = ("cat", "dog", "bird", "fish"), ("house", "garden", "water", "tree")


def write_texts(directory):
    """Two files of sentences in which the words around a word say much about it. -> their paths"""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(2):
        documents = []
        for i in range(60):
            thing, place = THINGS[rng.integers(4)], PLACES[rng.integers(4)]
            documents.append(
                f"The {thing} {i} is in the {place}. It was {number + 2 * i} there. We saw the {thing} go."
            )
        path = directory / f"text{number}.txt"
        path.write_text("\n\n".join(documents), encoding="utf-8")
        paths.append(str(path))
    return paths


def few_documents(directory):
    return bert.prepare(text_files(write_texts(directory)), SMALL.vocabulary)


@functools.cache
def sided_documents():
    """Of each side its own things: cats to learn from, dogs in validation, fish in the test."""
    rng = np.random.default_rng(0)
    documents = []
    for side, thing, n in (("training", "cat", 12), ("validation", "dog", 5), ("test", "fish", 4)):
        for i in range(n):
            place, other = PLACES[rng.integers(4)], PLACES[rng.integers(4)]
            text = f"The {thing} {i} is in the {place}. It was there. We saw the {thing} {other}. So {thing} {2 * i}."
            documents.append(Document(side, text))
    return bert.prepare(with_elsewhere("things by side", (), lambda: documents), 90)


def random_documents(seed):
    """Sentences of random letters, in which neighbours tell nothing about a word but by chance."""
    rng = np.random.default_rng(seed)
    documents = []
    for side, n in (("training", 8), ("validation", 3), ("test", 3)):
        for i in range(n):
            letters = rng.choice([*"abcdef"], 24)
            documents.append(Document(side, f"{side} {i}. {' '.join(letters[:12])}. {' '.join(letters[12:])}."))
    return bert.prepare(with_elsewhere("random letters", (), lambda: documents), 60)


def small_run(text, n_steps=1, **changes):
    return bert.begin(SMALL._replace(**changes), text)._replace(goal=Goal(steps=n_steps))
