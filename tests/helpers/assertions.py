"""What the theorems share: agreement with the complex step, float32 throughout, the full message of an error."""

import re

import numpy as np
import pytest

from minitransformer.tree import leaves
from minitransformer.verify.gradient_check import TOLERANCE, Case, gradient_error


def assert_gradients(forward, backward, inputs, rng):
    """<dy, J v> = <J^T dy, v> below the tolerance, and a gradient of the same shape, for each input and each weight.

    The gradient of a single input may come alone; those of several come as a tuple.
    """
    gradients = (lambda dy, cache: (backward(dy, cache),)) if len(inputs) == 1 else backward
    assert gradient_error(Case(forward, gradients, inputs), rng) < TOLERANCE


def assert_module_gradients(module, inputs, rng, **given):
    """The same for a module: of each input, and of each parameter that its state dict has, at loud weights.

    `given` are further arguments of its forward. A bias that is not in the state dict stays zero.
    """
    state = module.state_dict()

    def forward(*arrays):
        module.weights = module.from_named(dict(zip(state, arrays[len(inputs) :], strict=True)))
        return module.forward(*arrays[: len(inputs)], **given)

    def backward(dy, cache):
        d, grads = module.backward(dy, cache)
        assert list(grads) == list(state)
        return *(d if isinstance(d, tuple) else (d,)), *grads.values()

    parameters = [rng.standard_normal(array.shape) for array in state.values()]
    assert gradient_error(Case(forward, backward, (*inputs, *parameters)), rng) < TOLERANCE


def assert_float32(*trees):
    """Every floating-point array in results, caches and gradients is float32, and there is at least one."""
    arrays = [leaf for leaf in leaves(trees) if isinstance(leaf, np.ndarray | np.floating)]
    assert {array.dtype for array in arrays if array.dtype.kind in "fc"} == {np.dtype("float32")}


def refuses(error, message):
    """A `with` block that must raise `error` with exactly this message."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")
