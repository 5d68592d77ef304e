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


def assert_float32(*trees):
    """Every floating-point array in results, caches and gradients is float32, and there is at least one."""
    arrays = [leaf for leaf in leaves(trees) if isinstance(leaf, np.ndarray | np.floating)]
    assert {array.dtype for array in arrays if array.dtype.kind in "fc"} == {np.dtype("float32")}


def refuses(error, message):
    """A `with` block that must raise `error` with exactly this message."""
    return pytest.raises(error, match=f"^{re.escape(message)}$")
