"""A point to check each forward/backward pair at, by the name of the function."""

from collections.abc import Callable

import numpy as np

from minitransformer.verify.cases import equations, layers, models, readers
from minitransformer.verify.gradient_check import Case

CASES: dict[str, Callable[[np.random.Generator], Case]] = equations.CASES | layers.CASES | models.CASES | readers.CASES
