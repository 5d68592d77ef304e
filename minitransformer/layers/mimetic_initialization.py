"""Sections 4.2 and 4.3: heads that, before they have learned anything, look somewhere.

Random heads look everywhere alike, and a small model on little text takes long to leave that. These start as two kinds
that trained models are found to have: heads that look a few positions away, and heads that look for the same token.
All of this is in weights, which learn like any others. (Trockman, Kolter 2023 start attention like a trained one, too.)
"""

import numpy as np

from minitransformer.checks import check_generator, check_heads, check_integer, check_type
from minitransformer.layers.encoder import Encoder
from minitransformer.layers.multi_head import MultiHead

Array = np.ndarray

SAME = 0  # no offset: a head that looks for the same token
LAYERS = ((SAME, SAME, -1, +1), (SAME, SAME, -1, -2), (-1, +1, -2, -3))  # later layers are as the last; heads go round
AWAY, ALIKE = 1.5, 2.0  # the sizes of the weights: the larger they are, the surer is a head
ALIKE_LEARNED = 3.0  # with learned positions, which leave less of a vector's norm to the token


def mimetic_encoder(encoder: Encoder, h: int, rng: np.random.Generator, positions: Array | None = None) -> Encoder:
    """The encoder with other queries and keys; values and the rest stay random.

    positions: (n, d_model), what a pretrained embedding adds to the tokens; None: it adds sines and cosines (4.3).
    """
    check_integer("h", h, minimum=1)
    directions = None if positions is None else steady_directions(positions)
    layers = []
    for number, layer in enumerate(encoder.layers):
        offsets = LAYERS[min(number, len(LAYERS) - 1)]
        heads = [offsets[i % len(offsets)] for i in range(h)]
        layers.append(layer._replace(self_attention=mimetic_heads(layer.self_attention, heads, rng, directions)))
    return encoder._replace(layers=tuple(layers))


def mimetic_heads(
    weights: MultiHead, heads: list[int], rng: np.random.Generator, directions: Array | None = None
) -> MultiHead:
    """heads: for each head the offset that it looks at, or SAME; directions: as in `same_token`."""
    check_generator(rng)
    d_model, width = weights.query.W.shape
    check_type("heads", heads, list)
    check_heads(len(heads), "weights.query.W", width, name="heads")
    for offset in heads:
        check_integer("heads", offset, minimum=-d_model)
    d_k = width // len(heads)
    pairs = [
        same_token(d_model, d_k, rng, directions) if head == SAME else positions_away(d_model, d_k, head)
        for head in heads
    ]
    W_Q, W_K = (np.concatenate(matrices, axis=1).astype(weights.query.W.dtype) for matrices in zip(*pairs, strict=True))
    return weights._replace(query=weights.query._replace(W=W_Q), key=weights.key._replace(W=W_K))


def positions_away(d_model: int, d_k: int, offset: int) -> tuple[Array, Array]:
    """W_Q and W_K of a head that looks `offset` positions away. -> (d_model, d_k) each

    PE(i + offset) is a rotation of PE(i), the same for every i (4.3). So the key is the sines and cosines of a
    position, those of the highest frequencies, or all of them if the head is that wide, and the query is that of the
    position `offset` further, rotated by omega * offset:
    q_i . k_j = AWAY^2 sum over omega of cos(omega (i + offset - j)), which is largest for j = i + offset.
    That holds for positions alone. The same features also carry the token, which resembles itself, so that at first a
    head sees its own position, too.
    """
    W_Q, W_K = np.zeros((d_model, d_k)), np.zeros((d_model, d_k))
    sines = 2 * np.arange(d_k // 2)
    cosines = sines + 1
    angles = offset / 10000 ** (sines / d_model)
    W_K[sines, sines] = W_K[cosines, cosines] = 1
    W_Q[sines, sines] = W_Q[cosines, cosines] = np.cos(angles)
    W_Q[cosines, sines], W_Q[sines, cosines] = np.sin(angles), -np.sin(angles)
    return AWAY * W_Q, AWAY * W_K


def same_token(
    d_model: int, d_k: int, rng: np.random.Generator, directions: Array | None = None
) -> tuple[Array, Array]:
    """W_Q = W_K of a head that looks for the same token: of all vectors as long as x, x has the largest product with x.

    directions: (d_model, n), orthonormal, of which it reads d_k; None: the upper half of the features, where the sines
    are so slow that they are about the same at every position.
    """
    readable = np.eye(d_model)[:, d_model // 2 :] if directions is None else directions
    size = ALIKE if directions is None else ALIKE_LEARNED
    read = readable[:, rng.permutation(readable.shape[1])[:d_k]]
    W = np.zeros((d_model, d_k))
    W[:, : read.shape[1]] = size * read
    return W, W


def steady_directions(positions: Array) -> Array:
    """The half of all directions in which the position vectors vary least.

    positions: (n, d_model) -> (d_model, d_model / 2, rounded up), orthonormal columns.
    After pretraining, no half of the features belongs to the tokens alone: learned positions and segments use all of
    them. Read there, a token in the text resembles its neighbours more than its copy in the question. These directions
    are the minor components of the positions: the eigenvectors of their covariance with the smallest eigenvalues.
    """
    d_model = positions.shape[-1]
    centred = positions.astype(np.float64) - positions.mean(axis=0, dtype=np.float64)  # for the small eigenvalues
    _, eigenvectors = np.linalg.eigh(centred.T @ centred)  # by eigenvalue, the smallest first
    return eigenvectors[:, : d_model - d_model // 2]
