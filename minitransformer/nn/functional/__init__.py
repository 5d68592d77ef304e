"""PyTorch's `nn.functional`: the package's equations under PyTorch's names, arguments and order of axes.

Each function returns `(result, cache)`. Its backward, right below it, takes the gradient of the result and the cache,
and returns the gradients of the arguments in their order, None for one that was not given. What is PyTorch's own, which
axes an equation works on, how weights lie and which may be left out, is said here; the equation is the package's.
"""

from minitransformer.nn.functional.activations import (
    gelu,
    gelu_backward,
    log_softmax,
    log_softmax_backward,
    relu,
    relu_backward,
    softmax,
    softmax_backward,
)
from minitransformer.nn.functional.attention import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)
from minitransformer.nn.functional.cross_entropy import cross_entropy, cross_entropy_backward
from minitransformer.nn.functional.linear import embedding, embedding_backward, linear, linear_backward
from minitransformer.nn.functional.normalization import (
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
)

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "embedding",
    "embedding_backward",
    "gelu",
    "gelu_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "log_softmax",
    "log_softmax_backward",
    "relu",
    "relu_backward",
    "rms_norm",
    "rms_norm_backward",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
    "softmax",
    "softmax_backward",
]
