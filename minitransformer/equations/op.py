"""A function beside its backward, where the text leaves a choice: f in 4.1, the activation in 3.1.3."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Op(NamedTuple):
    """`y, cache = forward(...)` and `dx = backward(dy, cache)`: a caller of one can differentiate by the other."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
