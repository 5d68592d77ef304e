"""What PyTorch-named classes share: weights of the package, exchanged under PyTorch's names and in its shapes."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_dtype, check_finite, check_reals, check_rng, check_shape
from minitransformer.tree import tree_map

Array = np.ndarray
Named = dict[str, Array]


class Module:
    """What the classes share: their weights, a NamedTuple of the package, and its exchange under PyTorch's names."""

    weights: Any
    has_bias: bool = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate: the result of `forward`, which takes the same arguments, without the cache for the backward."""
        return self.forward(*args, **kwargs)[0]

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """-> the result, and the cache that `backward` takes"""
        raise NotImplementedError

    def all_named(self, weights: Any) -> Named:
        """Weights, or gradients (they have the same type), under PyTorch's names and in its shapes, biases included."""
        raise NotImplementedError

    def from_named(self, arrays: Mapping[str, Array]) -> Any:
        """The inverse of `named`: what has no bias there has a bias of zeros here."""
        raise NotImplementedError

    def named(self, weights: Any) -> Named:
        """What PyTorch's module has of these weights, or gradients, under its names and in its shapes."""
        return self.all_named(weights) if self.has_bias else without_biases(self.all_named(weights))

    def state_dict(self) -> Named:
        """A copy of all weights under PyTorch's names and in its shapes."""
        return {name: array.copy() for name, array in self.named(self.weights).items()}

    def load_state_dict(self, state_dict: Mapping[str, Array]) -> None:
        """Take over a copy of these weights, in the dtype that they come in; if one does not fit, nothing changes.

        Raises KeyError for missing or unknown names, ValueError for a wrong shape and for NaN or infinity, TypeError
        for anything but a NumPy array of real floating-point numbers (PyTorch's tensors become arrays by
        `tensor.numpy(force=True)`).
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict: got {type(state_dict).__name__}, expected a dict of NumPy arrays by name")
        own = self.named(self.weights)
        missing = [name for name in own if name not in state_dict]
        unknown = [name for name in state_dict if name not in own]
        if missing or unknown:
            raise KeyError(
                f"state_dict: missing {missing}, unknown {unknown}; expected the {len(own)} keys of state_dict()"
            )
        for name, array in own.items():
            check_shape(f"state_dict[{name!r}]", state_dict[name], array.shape)
            check_reals(f"state_dict[{name!r}]", state_dict[name])
            check_finite(f"state_dict[{name!r}]", state_dict[name])
        views = self.from_named(state_dict)
        self.weights = tree_map(lambda view: np.array(view, order="C"), views)


def without_weights(module: Module) -> Module:
    """The module to name weights by, without its own."""
    names = copy.copy(module)
    names.weights = None
    return names


def without_biases(named: Named) -> Named:
    """What `bias=False` leaves. (MultiheadAttention's bias_k and bias_v are a key and a value.)"""
    return {name: array for name, array in named.items() if not name.endswith("bias")}


def bias_or_zeros(named: Mapping[str, Array], name: str, d: int, dtype: np.dtype) -> Array:
    """The bias of this name, (d,), or zeros, which do the same as none."""
    return named[name] if name in named else np.zeros(d, dtype)


def present(**named: Array | None) -> Named:
    """Those that there are."""
    return {name: array for name, array in named.items() if array is not None}


def prefix(path: str, named: Named) -> Named:
    return {f"{path}.{name}": array for name, array in named.items()}


def under(path: str, named: Mapping[str, Array]) -> Named:
    start = f"{path}."
    return {name.removeprefix(start): array for name, array in named.items() if name.startswith(start)}


def generator(rng: np.random.Generator | None) -> np.random.Generator:
    """The generator of the start values: the caller's, or a fresh, unseeded one."""
    check_rng(rng)
    return np.random.default_rng() if rng is None else rng


def floating(dtype: DTypeLike) -> np.dtype:
    """`dtype` as a NumPy dtype of real floating-point numbers."""
    check_dtype(dtype)
    resolved = np.dtype(dtype)
    if resolved.kind != "f":
        raise TypeError(f"dtype: got {resolved}, expected a floating-point type such as float32")
    return resolved
