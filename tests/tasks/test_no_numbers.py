"""A model that diverged gives no numbers: nothing is chosen from them without a word."""

import numpy as np
import pytest
from assertions import refuses
from few_documents import few_documents, small_run
from few_topics import DOCSTRINGS, VOCABULARY

from minitransformer.tasks.classification.classification import accuracy as topics_right
from minitransformer.tasks.classification.classification import as_ids
from minitransformer.tasks.classification.classifiers import CLASSIFIERS
from minitransformer.tasks.classification.topics import TOPICS, labelled
from minitransformer.tasks.pretraining.bert import accuracy, held_out
from minitransformer.tasks.pretraining.filling import fill
from minitransformer.tasks.run import new_run
from minitransformer.tree import tree_map

SMALL = {"n_layers": 1, "d_model": 16, "h": 2, "d_ff": 32, "context": 24}


def diverged(run):
    """The run with one weight of each array NaN."""

    def spoil(leaf):
        spoilt = leaf.copy()
        spoilt.flat[0] = np.nan
        return spoilt

    return run._replace(weights=tree_map(spoil, run.weights))


def told(x):
    return refuses(ValueError, f"logits: got nan among {x} numbers, expected only finite ones")


def test_masks_are_not_filled(tmp_path):
    text = few_documents(tmp_path)
    run = small_run(text)
    with told(run.vocabulary.size):
        fill(diverged(run), "The [MASK].")
    with pytest.raises(ValueError, match=r"^logits: got nan among \d+ numbers, expected only finite ones$"):
        accuracy(diverged(run), held_out(text.test, run, 1))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_topics_are_not_told(name):
    kind = CLASSIFIERS[name].kind
    run = new_run(kind, kind.settings._replace(**SMALL), VOCABULARY, 1, TOPICS)
    texts = as_ids(labelled(DOCSTRINGS)[:3], VOCABULARY)
    with told(3 * len(TOPICS)):
        topics_right(diverged(run), texts)
