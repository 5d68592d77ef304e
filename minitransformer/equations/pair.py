"""A function beside its derivative, for the places where the text leaves a choice: f in 4.1, the activation in 3.1.3."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Pair(NamedTuple):
    """`y, cache = forward(...)` and `dx = backward(dy, cache)`: whoever is given the one can go back by the other."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
