"""Section 5: the same layers under PyTorch's class names, arguments, conventions and state-dict keys.

What is PyTorch's own stays in this package and is turned, at its boundary, into what the rest of the package uses:

    matter           here, as in PyTorch                          below, in layers/
    first axis       the sequence, (L, B, d), unless batch_first  the batch, (B, L, d)
    boolean mask     True = masked out                            True = may attend
    float mask       added to the scores; -inf masks out          the same
    linear weights   (d_out, d_in)                                (d_in, d_out)
    no bias          no parameter, and no state-dict key          zeros, whose gradient is dropped
    mode             module.train(), module.eval()                rng=generator to train, rng=None to evaluate

Called like a function, a module evaluates: no dropout. To train, call the pair:

    out, cache = layer.forward(src, rng=rng)
    dsrc, grads = layer.backward(dout, cache)      # grads: a dict with the names and shapes of layer.state_dict()

Several inputs have several gradients, in the same order: a decoder's backward returns `(dtgt, dmemory), grads`, the
Transformer's `(dsrc, dtgt), grads`.
"""

from minitransformer.memory import keep_memory
from minitransformer.nn import functional
from minitransformer.nn.decoder import TransformerDecoder, TransformerDecoderLayer
from minitransformer.nn.encoder import TransformerEncoder, TransformerEncoderLayer
from minitransformer.nn.layer_norm import LayerNorm
from minitransformer.nn.linear import Linear
from minitransformer.nn.module import Module
from minitransformer.nn.multihead_attention import MultiheadAttention
from minitransformer.nn.rms_norm import RMSNorm
from minitransformer.nn.transformer import Transformer

__all__ = [
    "LayerNorm",
    "Linear",
    "Module",
    "MultiheadAttention",
    "RMSNorm",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "functional",
]

keep_memory()  # whoever imports these classes writes the training loop, which is where the package's own calls it
