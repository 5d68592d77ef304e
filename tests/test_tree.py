"""Trees of arrays: order, names, and one flat buffer with views."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minitransformer.tree import concatenate, flatten, leaves, named_leaves, tree_map, unflatten


class Node(NamedTuple):
    a: object
    b: object = None


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
trees = st.recursive(
    st.one_of(st.none(), shapes.map(np.ones)),
    lambda branches: st.one_of(st.builds(Node, branches, branches), st.lists(branches, max_size=3).map(tuple)),
)


def test_paths_join_field_names_and_positions():
    """Left to right; None is an empty branch."""
    tree = Node((1, Node(2, None)), 3)
    assert list(named_leaves(tree)) == [("a.0", 1), ("a.1.a", 2), ("b", 3)]
    assert list(named_leaves(tree, "model")) == [("model.a.0", 1), ("model.a.1.a", 2), ("model.b", 3)]
    assert list(named_leaves(7)) == [("", 7)]
    assert leaves(tree) == [1, 2, 3]


@given(trees)
def test_mapping_keeps_the_shape_of_the_tree(tree):
    """The same nodes, the leaves one by one."""
    mapped = tree_map(lambda x: np.asarray(x + 1), tree)
    assert [path for path, _ in named_leaves(mapped)] == [path for path, _ in named_leaves(tree)]
    assert type(mapped) is type(tree)
    for before, after in zip(leaves(tree), leaves(mapped), strict=True):
        assert_array_equal(after, before + 1)


def test_mapping_several_trees():
    """f gets the leaves that stand at the same place; trees of different shapes are an error."""
    assert tree_map(lambda x, y: x * y, Node(2, (3,)), Node(5, (7,))) == Node(10, (21,))
    with pytest.raises(ValueError, match="zip"):
        tree_map(lambda x, y: x, (1, 2), (1,))


@given(trees.filter(leaves))
def test_flattening_gives_the_same_numbers_as_views(tree):
    """What changes the flat array changes the tree, and the original stays as it was."""
    numbered = tree_map(lambda x: x.copy(), tree)
    flat, views = flatten(numbered)
    assert flat.size == sum(leaf.size for leaf in leaves(tree))
    assert_array_equal(flat, concatenate(numbered))
    flat += 1
    for view, leaf in zip(leaves(views), leaves(numbered), strict=True):
        assert_array_equal(view, leaf + 1, strict=True)
        assert_array_equal(leaf, 1)


def test_flat_order_is_the_order_of_the_leaves():
    tree = Node(np.array([[1.0, 2.0], [3.0, 4.0]]), (np.array([5.0]), np.array(6.0)))
    flat, views = flatten(tree)
    assert flat.tolist() == [1, 2, 3, 4, 5, 6]
    assert views.a.tolist() == [[1, 2], [3, 4]]
    assert unflatten(np.arange(6.0), tree).b[0].tolist() == [4]
