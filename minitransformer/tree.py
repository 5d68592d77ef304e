"""Trees of arrays: weights, gradients and caches are NamedTuples whose leaves are NumPy arrays.

A node is a tuple (a NamedTuple or a plain tuple, such as the layers of a stack); a leaf is anything else. `None` is an
empty branch: it has no leaves and maps to itself.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Tree = Any


def leaves(tree: Tree) -> list[Any]:
    """The leaves from left to right."""
    found, pending = [], [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, tuple):
            pending.extend(reversed(node))
        elif node is not None:
            found.append(node)
    return found


def named_leaves(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, leaf) from left to right; a path joins field names and positions by dots: `layers.0.norm1.gamma`."""
    if tree is None:
        return
    if not isinstance(tree, tuple):
        yield prefix, tree
        return
    names = getattr(tree, "_fields", range(len(tree)))
    for name, branch in zip(names, tree, strict=True):
        path = f"{prefix}.{name}" if prefix else str(name)
        yield from named_leaves(branch, path)


def tree_map(f: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """`f(leaf, *other_leaves)` at each leaf, in a tree of the same shape."""
    if tree is None:
        return None
    if not isinstance(tree, tuple):
        return f(tree, *others)
    return like(tree, [tree_map(f, *branches) for branches in zip(tree, *others, strict=True)])


def like(tree: tuple, branches: list) -> tuple:
    """The same kind of node (NamedTuple or plain tuple) with other branches."""
    if hasattr(tree, "_make"):
        return tree._make(branches)
    return tuple(branches)


def flatten(tree: Tree) -> tuple[Array, Tree]:
    """One flat copy of all leaves, and the tree again as views into it.

    What changes the flat array changes the views: an optimizer updates a whole model in one operation.
    """
    flat = concatenate(tree)
    return flat, unflatten(flat, tree)


def concatenate(tree: Tree) -> Array:
    """All leaves as one flat array, from left to right."""
    return np.concatenate([leaf.reshape(-1) for leaf in leaves(tree)])


def unflatten(flat: Array, tree: Tree) -> Tree:
    """A tree with the shapes of `tree`, its leaves views into `flat`."""
    sizes = [leaf.size for leaf in leaves(tree)]
    ends = np.cumsum(sizes).tolist()
    starts = iter([end - size for end, size in zip(ends, sizes, strict=True)])

    def view(leaf: Array) -> Array:
        start = next(starts)
        return flat[start : start + leaf.size].reshape(leaf.shape)

    return tree_map(view, tree)
