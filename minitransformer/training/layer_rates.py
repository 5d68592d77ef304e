"""Section 2.3.2: how fast each layer learns when a model is fine-tuned: the lower, the slower; or not at all."""

import re

import numpy as np

from minitransformer.checks import check_positive, check_truth
from minitransformer.tree import Tree, named_leaves

Array = np.ndarray

LAYER = re.compile(r"\.layers\.layers\.(\d+)\.")


def layer_rates(weights: Tree, body: str, factor: float, frozen: bool = False) -> Array:
    """A factor on the learning rate for each weight: 1 for the heads, `factor` for the body's last layer, and so on.

    `factor`^2 for the layer below it, down to the embedding, which has one power more than the first layer (Howard,
    Ruder 2018). body: the name of the field that holds the pretrained model; frozen: it does not learn at all. -> (n,)
    """
    check_positive("factor", factor)
    check_truth("frozen", frozen)
    named = list(named_leaves(weights))
    numbers = [int(found[1]) for path, _ in named if (found := LAYER.search(path)) and path.startswith(f"{body}.")]
    if not numbers:
        raise ValueError(f"body: got {body!r}, expected the name of a field of the weights that has layers")
    n_layers = max(numbers) + 1

    def rate(path: str) -> float:
        if not path.startswith(f"{body}."):
            return 1.0
        if frozen:
            return 0.0
        layer = LAYER.search(path)
        if layer:
            return factor ** (n_layers - int(layer[1]))
        return factor if path.startswith(f"{body}.layers.norm") else factor ** (n_layers + 1)

    return np.concatenate([np.full(leaf.size, rate(path), leaf.dtype) for path, leaf in named])
