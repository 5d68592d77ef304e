"""What PyTorch's encoder layer and decoder layer have in common: their arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_choice, check_heads, check_integer, check_positive, check_rate, check_truth
from minitransformer.equations.activations import GELU, RELU
from minitransformer.equations.op import Op
from minitransformer.layers.decoder_layer import DecoderLayer
from minitransformer.layers.encoder_layer import Config, EncoderLayer
from minitransformer.nn.module import Module, floating, generator

ACTIVATIONS = {"relu": RELU, "gelu": GELU}
LIBRARIES = ("torch", "minitransformer")


class Layer(Module):
    """A layer of attention and feed-forward network: its configuration, and weights that a subclass draws."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable | Op = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | None = None,
    ):
        """activation: "relu" or "gelu", as text or as a function of this name, or an Op, which has its own backward.

        bias=False: neither the linear maps nor the norms have a bias. rng draws the initial weights (by default a
        fresh, unseeded generator).
        """
        check_integer("d_model", d_model, minimum=1)
        check_heads(nhead, "d_model", d_model, name="nhead")
        check_integer("dim_feedforward", dim_feedforward, minimum=1)
        check_rate("dropout", dropout)
        check_positive("layer_norm_eps", layer_norm_eps)
        for name, switch in (("batch_first", batch_first), ("norm_first", norm_first), ("bias", bias)):
            check_truth(name, switch)
        self.d_model = d_model
        self.config = Config(
            h=nhead, dropout=dropout, activation=activation_op(activation), norm_first=norm_first, eps=layer_norm_eps
        )
        self.batch_first = batch_first
        self.has_bias = bool(bias)
        self.weights = self.from_named(self.named(self.draw(dim_feedforward, generator(rng), floating(dtype))))

    def draw(self, d_ff: int, rng: np.random.Generator, dtype: np.dtype) -> EncoderLayer | DecoderLayer:
        """Start values, biases included."""
        raise NotImplementedError


def activation_op(activation: Any) -> Op:
    """The pair of forward and backward that is meant.

    A function is known by its name alone, so it must be one of PyTorch's, or of `nn.functional` here: what is called
    "gelu" elsewhere might be another.
    """
    if isinstance(activation, Op):
        return activation
    if isinstance(activation, str) or not callable(activation):
        check_choice("activation", activation, ACTIVATIONS)
        return ACTIVATIONS[activation]
    name = getattr(activation, "__name__", None)
    library = getattr(activation, "__module__", None) or "torch"  # torch.relu says None
    if name not in ACTIVATIONS or library.partition(".")[0] not in LIBRARIES:
        raise ValueError(
            f"activation: got {activation!r}, expected 'relu' or 'gelu', PyTorch's function of this name, or an Op, "
            "which has a backward"
        )
    return ACTIVATIONS[name]
