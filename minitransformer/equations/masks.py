"""Section 3.2.1 and batches of unequal length: who may attend to whom. Boolean, True = may attend."""

import numpy as np

from minitransformer.checks import check_bias, check_ids, check_integer, check_mask

Array = np.ndarray


def causal_mask(L: int) -> Array:
    """Position i may attend to the positions j <= i, itself included: it never sees the future.  -> (L, L), read-only

    Row i (a query) is the row above it moved by one key, so that all rows are windows of the same 2L - 1 numbers: the
    mask of a long text takes next to no memory.
    """
    check_integer("L", L, minimum=0)
    if L == 0:
        return np.zeros((0, 0), bool)
    allowed = np.arange(2 * L - 1) < L  # (2*L - 1,)
    windows = np.lib.stride_tricks.sliding_window_view(allowed, L)  # (L, L); the first one allows all keys
    return windows[::-1]


def padding_mask(lengths: Array, L: int) -> Array:
    """Every query may attend to the first `lengths[b]` keys of its sequence, and to no padding after them.

    lengths: (B,) integers from 0 to L -> (B, 1, L), which broadcasts over the queries.
    """
    check_integer("L", L, minimum=0)
    check_ids("lengths", lengths, L + 1)
    return (np.arange(L) < lengths[..., None])[..., None, :]


def may_attend(mask: Array | None, bias: Array | None, scores_shape: tuple[int, ...]) -> Array | None:
    """Where a query may attend to a key: where `mask` says so and `bias` is not -infinity.  None: everywhere.

    Both broadcast to the scores, (..., L_q, L_k).
    """
    check_mask(mask, scores_shape)
    check_bias(bias, scores_shape)
    if bias is None:
        return mask
    finite = bias != -np.inf
    if finite.all():
        return mask
    return finite if mask is None else mask & finite


def without_unseen(X: Array, mask: Array | None) -> Array:
    """X (..., L_k, d) with harmless rows for keys that no query may attend to, such as padding.

    The weight of such a key is 0, but 0 times NaN or infinity is NaN, which would spoil results and gradients. Masked
    rows must have no influence, whatever they contain.
    """
    if mask is None:
        return X
    return rows_where(np.atleast_2d(mask).any(axis=-2), X)


def without_blind(X: Array, mask: Array | None) -> Array:
    """X (..., L_q, d), the same for every fully masked query, which must have no influence, either."""
    if mask is None:
        return X
    return rows_where(np.atleast_2d(mask).any(axis=-1), X)


def rows_where(counts: Array, X: Array) -> Array:
    """X (..., L, d) with 0 in the rows that do not count, if need be.  counts: boolean, broadcasts to (..., L)

    If those rows' squares have a finite sum, 0 times any of their numbers is 0 anyway, and X is not copied.
    """
    if counts.all():
        return X
    others = X[np.broadcast_to(~counts, X.shape[:-1])]
    if np.isfinite(np.vdot(others, others)):
        return X
    return np.where(counts[..., None], X, X.dtype.type(0))


def causal_padding_mask(lengths: Array, L: int) -> Array:
    """Both at once: no key from the future, and none from the padding.  lengths: (B,) -> (B, L, L)"""
    return causal_mask(L) & padding_mask(lengths, L)
