"""Each function here looks like one of the library's, and has one mistake. Find it before you look at `answers.py`."""

import math

import numpy as np

from minitransformer.equations.attention import (
    AttendCache,
    AttentionCache,
    DotProductCache,
    attend,
    merge_heads,
    scaled_dot_product,
    split_heads,
)
from minitransformer.equations.compatibility import dot_product_backward
from minitransformer.equations.cross_entropy import CrossEntropyCache
from minitransformer.equations.dropout import NO_DROPOUT, Dropout, dropout, dropout_mask
from minitransformer.equations.rows import column_sum
from minitransformer.equations.softmax import log_softmax
from minitransformer.layers.add_norm import AddNormCache, add_norm_backward
from minitransformer.layers.embedding import Embedding, EmbeddingCache
from minitransformer.layers.encoder_layer import Config, EncoderLayer, PostNormCache
from minitransformer.layers.feed_forward import feed_forward, feed_forward_backward
from minitransformer.layers.layer_norm import LayerNorm, LayerNormCache, layer_norm
from minitransformer.layers.linear import Linear, LinearCache, linear
from minitransformer.layers.multi_head import MultiHead, MultiHeadCache, multi_head, multi_head_backward

Array = np.ndarray


def softmax_backward_1(dalpha: Array, alpha: Array) -> Array:
    inner = (dalpha * alpha).sum(axis=-1, keepdims=True)
    return alpha * (dalpha - inner) / len(alpha)


def softmax_2(a: Array) -> tuple[Array, Array]:
    exps = np.exp(a - a.max(axis=-2, keepdims=True))
    alpha = exps / exps.sum(axis=-2, keepdims=True)
    return alpha, alpha


def masked_softmax_3(a: Array, mask: Array) -> tuple[Array, Array]:
    masked = np.where(mask, a, -1e9)
    exps = np.exp(masked - masked.max(axis=-1, keepdims=True))
    alpha = exps / exps.sum(axis=-1, keepdims=True)
    return alpha, alpha


def causal_mask_4(L: int) -> Array:
    positions = np.arange(L)
    return positions[:, None] <= positions[None, :]


def split_heads_5(X: Array, h: int) -> Array:
    *batch, L, width = X.shape
    return X.reshape(*batch, h, L, width // h)


def multi_head_6(
    x_q: Array, x_k: Array, x_v: Array, weights: MultiHead, h: int, mask: Array | None = None
) -> tuple[Array, MultiHeadCache]:
    Q, query_cache = linear(x_q, weights.query)
    K, key_cache = linear(x_k, weights.key)
    V, value_cache = linear(x_v, weights.value)
    d_k = K.shape[-1]
    Q_heads, K_heads, V_heads = split_heads(Q, h), split_heads(K, h), split_heads(V, h)
    mask_heads = None if mask is None else mask[..., None, :, :]
    A = Q_heads @ K_heads.mT / math.sqrt(d_k)
    heads, attend_cache = attend(A, V_heads, mask_heads)
    concat = merge_heads(heads)
    y, output_cache = linear(concat, weights.output)
    attention_cache = AttentionCache(DotProductCache(Q_heads, K_heads), attend_cache)
    return y, MultiHeadCache(query_cache, key_cache, value_cache, h, h, None, attention_cache, output_cache, past=False)


def scaled_dot_product_backward_7(dA: Array, cache: DotProductCache) -> tuple[Array, Array]:
    dQ, dK = dot_product_backward(dA, cache)
    return dQ, dK


def attend_backward_8(dO: Array, cache: AttendCache) -> tuple[Array, Array]:
    dV = cache.weights.mT @ dO
    dalpha = dO @ cache.V.mT
    inner = (dalpha * cache.alpha).sum(axis=-1, keepdims=True)
    dA = cache.alpha * (dalpha - inner)
    return dA, dV


def layer_norm_9(x: Array, weights: LayerNorm, eps: float = 1e-5) -> tuple[Array, LayerNormCache]:
    centred = x - x.mean(axis=-1, keepdims=True)
    d = x.shape[-1]
    variance = (centred * centred).sum(axis=-1, keepdims=True) / (d - 1)
    sigma = np.sqrt(variance + eps)
    x_hat = centred / sigma
    return x_hat * weights.gamma + weights.beta, LayerNormCache(x_hat, sigma, weights)


def layer_norm_10(x: Array, weights: LayerNorm, eps: float = 1e-5) -> tuple[Array, LayerNormCache]:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    sigma = np.sqrt(variance) + eps
    x_hat = centred / sigma
    return x_hat * weights.gamma + weights.beta, LayerNormCache(x_hat, sigma, weights)


def layer_norm_backward_11(dy: Array, cache: LayerNormCache) -> tuple[Array, LayerNorm]:
    x_hat, sigma, (gamma, _) = cache
    dgamma = column_sum(dy * x_hat)
    dbeta = column_sum(dy)
    mean_dy = dy.mean(axis=-1, keepdims=True)
    mean_dy_x_hat = (dy * x_hat).mean(axis=-1, keepdims=True)
    dx = gamma * (dy - mean_dy - x_hat * mean_dy_x_hat) / sigma
    return dx, LayerNorm(dgamma, dbeta)


def post_norm_encoder_layer_backward_12(dy: Array, cache: PostNormCache) -> tuple[Array, EncoderLayer]:
    _, df, dnorm2 = add_norm_backward(dy, cache.add_norm2)
    du, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    dx_around, da, dnorm1 = add_norm_backward(du, cache.add_norm1)
    dx_q, dx_k, dx_v, dself_attention = multi_head_backward(da, cache.self_attention)
    dx = dx_around + dx_q + dx_k + dx_v
    return dx, EncoderLayer(dself_attention, dnorm1, dfeed_forward, dnorm2)


def post_norm_encoder_layer_backward_13(dy: Array, cache: PostNormCache) -> tuple[Array, EncoderLayer]:
    du_around, df, dnorm2 = add_norm_backward(dy, cache.add_norm2)
    du_through, dfeed_forward = feed_forward_backward(df, cache.feed_forward)
    du = du_around + du_through
    dx_around, da, dnorm1 = add_norm_backward(du, cache.add_norm1)
    dx_q, _, _, dself_attention = multi_head_backward(da, cache.self_attention)
    dx = dx_around + dx_q
    return dx, EncoderLayer(dself_attention, dnorm1, dfeed_forward, dnorm2)


def post_norm_encoder_layer_14(
    x: Array,
    weights: EncoderLayer,
    config: Config,
    mask: Array | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Array, PostNormCache]:
    drop = Dropout(config.dropout, rng)
    a, attention_cache = multi_head(x, x, x, weights.self_attention, config.h, mask, drop)
    m = None if rng is None or drop.rate == 0 else dropout_mask(x.shape, drop.rate, rng, x.dtype)
    dropped_a = a if m is None else a * m
    u, norm1_cache = layer_norm(x + dropped_a, weights.norm1, config.eps)
    f, feed_forward_cache = feed_forward(u, weights.feed_forward, config.activation, drop)
    dropped_f = f if m is None else f * m
    y, norm2_cache = layer_norm(u + dropped_f, weights.norm2, config.eps)
    cache = PostNormCache(
        attention_cache, AddNormCache(m, norm1_cache), feed_forward_cache, AddNormCache(m, norm2_cache)
    )
    return y, cache


def embedding_backward_15(dx: Array, cache: EmbeddingCache) -> Embedding:
    dE = np.zeros_like(cache.weights.E)
    dE[cache.ids] += dx
    return Embedding(dE)


def linear_backward_16(dy: Array, cache: LinearCache) -> tuple[Array, Linear]:
    x, weights = cache
    d_in, d_out = weights.W.shape
    dy_rows = dy.reshape(-1, d_out)
    dx = dy_rows @ weights.W
    dW = x.reshape(-1, d_in).T @ dy_rows
    db = column_sum(dy_rows)
    return dx.reshape(x.shape), Linear(dW, db)


def positional_encoding_17(L: int, d: int) -> Array:
    angle = np.arange(L)[:, None] / 10000 ** (np.arange(d) / d)
    P = np.zeros((L, d))
    P[:, 0::2] = np.sin(angle[:, 0::2])
    P[:, 1::2] = np.cos(angle[:, 1::2])
    return P


def dropout_18(x: Array, drop: Dropout) -> tuple[Array, Array | None]:
    rate, rng = drop.rate, drop.rng
    if rng is None or rate == 0:
        return x, None
    m = (rng.random(x.shape) >= rate).astype(x.dtype)
    return x * m, m


def cross_entropy_19(
    logits: Array, targets: Array, label_smoothing: float = 0.0, ignore: int = -100
) -> tuple[np.floating, CrossEntropyCache]:
    V = logits.shape[-1]
    counted = targets != ignore
    log_p, log_softmax_cache = log_softmax(logits)
    one_hot = np.arange(V) == np.where(counted, targets, 0)[..., None]
    q = one_hot * (1 - label_smoothing) + label_smoothing / V
    share = counted[..., None] / targets.size
    return -(share * q * log_p).sum(), CrossEntropyCache(log_softmax_cache.alpha, q, share)


def gelu_tanh_backward_20(dy: Array, cache: tuple) -> Array:
    x, Phi = cache
    u_slope = math.sqrt(2 / math.pi) * (1 + 0.044715 * x * x)
    return dy * (Phi + x * Phi * (1 - Phi) * 2 * u_slope)


def residual_21(x: Array, f: Array, drop: Dropout = NO_DROPOUT) -> tuple[Array, Array | None]:
    return dropout(x + f, drop)


def attention_22(Q: Array, K: Array, V: Array, mask: Array | None = None) -> tuple[Array, AttentionCache]:
    A, scores_cache = scaled_dot_product(Q, K)
    _, attend_cache = attend(A, V)
    weights = attend_cache.weights if mask is None else attend_cache.weights * mask
    return weights @ V, AttentionCache(scores_cache, attend_cache._replace(weights=weights))
