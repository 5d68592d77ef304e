"""The arguments that PyTorch's encoder and decoder layers have in common, checked."""

from minitransformer.checks import check_choice, check_heads, check_integer, check_positive, check_rate, check_truth
from minitransformer.equations.activations import GELU, RELU
from minitransformer.layers.encoder_layer import Config

ACTIVATIONS = {"relu": RELU, "gelu": GELU}


def layer_config(
    d_model: int,
    nhead: int,
    dim_feedforward: int,
    dropout: float,
    activation: str,
    layer_norm_eps: float,
    norm_first: bool,
) -> Config:
    """PyTorch's arguments as the package's Config. Raises ValueError or TypeError for one that cannot be."""
    check_integer("d_model", d_model, minimum=1)
    check_heads(nhead, "d_model", d_model, name="nhead")
    check_integer("dim_feedforward", dim_feedforward, minimum=1)
    check_rate("dropout", dropout)
    check_positive("layer_norm_eps", layer_norm_eps)
    check_choice("activation", activation, ACTIVATIONS)
    check_truth("norm_first", norm_first)
    return Config(
        h=nhead,
        dropout=dropout,
        activation=ACTIVATIONS[activation],
        norm_first=norm_first,
        eps=layer_norm_eps,
    )
