"""The topics of docstrings (3.5.2): which module is about what, and how they are split."""

import pytest
from assertions import refuses
from few_topics import DOCSTRINGS

from minitransformer.data.docstrings import Docstring
from minitransformer.tasks.classification import topics
from minitransformer.tasks.classification.topics import MODULES, SHORTEST, TOPICS, labelled, load_topics


@pytest.fixture(scope="module")
def loaded():
    return load_topics()


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(topics, "library_docstrings", lambda: DOCSTRINGS)


def test_no_text_is_on_two_sides(loaded):
    sides = [{row.text for row in side} for side in loaded]
    assert not any(sides[i] & sides[j] for i in range(3) for j in range(i))
    assert [len(side) for side in sides] == [len(rows) for rows in loaded]
    assert min(len(side) for side in sides) > 100


def test_every_topic_occurs_on_every_side(loaded):
    """So that each can be learned, and each is asked for; and none is half of the test."""
    for side in loaded:
        found = [row.topic for row in side]
        assert set(found) == set(range(len(TOPICS)))
        assert max(map(found.count, set(found))) < 0.5 * len(found)


def test_a_module_has_one_topic():
    modules = [module for of_topic in MODULES.values() for module in of_topic]
    assert len(set(modules)) == len(modules)


def test_the_topic_is_that_of_the_outermost_module():
    """Other modules have none; nor has a docstring that says too little."""
    long = "x" * SHORTEST
    names = ["xml.dom.Node", "email.message.walk", "xmlrpc.client.f", "nothing.xml.f", "os.path.f"]
    rows = labelled([Docstring(name, long) for name in names] + [Docstring("xml.f", long[1:])])
    assert [TOPICS[row.topic] for row in rows] == ["xml", "mail", "web", "files"]


def test_labels_are_limited_and_drawn_by_the_seed(few):
    """Fewer are the first of more; another seed draws others of the same; the test stays as it is."""
    whole = load_topics()
    n = len(whole.training)
    for rows, side in zip(whole, ("training", "validation", "test"), strict=True):
        assert {row.text for row in rows} == {d.text for d in DOCSTRINGS if d.side == side}
    assert load_topics(0, 7) == whole._replace(training=whole.training[:7])
    other = load_topics(1)
    assert other.training != whole.training and sorted(other.training) == sorted(whole.training)
    assert other[1:] == whole[1:]
    for labels in (0, -1, n + 1):
        with refuses(ValueError, f"labels: got {labels}, expected 1 to {n}"):
            load_topics(0, labels)
    assert load_topics(0, n) == whole
