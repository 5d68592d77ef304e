"""Where PyTorch's order of axes and its masks are turned into the package's."""

import math

import numpy as np

from minitransformer.checks import check_positions, check_shape, check_width

Array = np.ndarray


def batch_first(x: Array, already: bool) -> Array:
    """(L, B, d) -> (B, L, d), in memory too, so that no product below has to copy it again. (L, d) stays."""
    if already or x.ndim == 2:
        return x
    return np.ascontiguousarray(x.swapaxes(0, 1))


def own_order(y: Array, already: bool) -> Array:
    """(B, L, d) -> (L, B, d), a view. (L, d) stays."""
    if already or y.ndim == 2:
        return y
    return y.swapaxes(0, 1)


def check_sequence(name: str, x: Array, width: int, already: bool) -> None:
    """`x` must be (L, B, width), its first axes swapped if batch_first, or (L, width) without a batch, with L >= 1."""
    check_width(name, x, width, ndim=2)
    if x.ndim > 3:
        raise ValueError(f"{name}: got shape {x.shape}, expected 3 axes, or 2 without a batch")
    check_positions(name, x, axis=-2 if already or x.ndim == 2 else 0)


def check_batch(name: str, x: Array, of: str, other: Array, already: bool) -> None:
    """`x` must have the batch of `other`, or none if `other` has none."""
    batch, expected = batch_axes(x, already), batch_axes(other, already)
    if batch != expected:
        raise ValueError(f"{name}: got a batch of {batch}, expected {of}'s, {expected}")


def batch_axes(x: Array, already: bool) -> tuple[int, ...]:
    """(B,), or () without a batch."""
    if x.ndim == 2:
        return ()
    return x.shape[:1] if already else x.shape[1:2]


def check_fellows(query: Array, key: Array, value: Array) -> None:
    """Batch-first: query, key and value must have one batch, key and value one length."""
    check_batch("key", key, "the query", query, already=True)
    if value.shape[:-1] != key.shape[:-1]:
        raise ValueError(f"value: got batch and length {value.shape[:-1]}, expected the key's, {key.shape[:-1]}")


def check_dout(dout: Array, x: Array, already: bool, d_out: int) -> None:
    """`dout` must have the shape of the output that `x`, an input in batch-first order, led to."""
    shape = (*x.shape[:-1], d_out)
    if not already and x.ndim == 3:
        shape = (shape[1], shape[0], d_out)
    check_shape("dout", dout, shape)


def attention_masks(
    attn_mask: Array | None,
    key_padding_mask: Array | None,
    names: tuple[str, str],
    query: Array,
    key: Array,
    h: int,
) -> tuple[Array | None, Array | None]:
    """`torch_masks` for h heads of query ([B,] L_q, d) over key ([B,] L_k, d), of which only the shape is read."""
    scores_shape = (*query.shape[:-2], h, query.shape[-2], key.shape[-2])
    return torch_masks(attn_mask, key_padding_mask, names, scores_shape, query.dtype)


def torch_masks(
    attn_mask: Array | None,
    key_padding_mask: Array | None,
    names: tuple[str, str],
    scores_shape: tuple[int, ...],
    dtype: np.dtype,
) -> tuple[Array | None, Array | None]:
    """PyTorch's two masks as the package's (mask, bias) for scores of shape ([B,] h, L_q, L_k).

    Boolean masks are inverted (PyTorch's True is masked out). Of a float mask -inf becomes a masked position, and what
    is finite is added to the scores. `names` are the arguments' names, for the messages.
    """
    *batch, h, L_q, L_k = scores_shape
    head_by_head = (*batch[:1], h, L_q, L_k)
    attn_shapes = {(L_q, L_k): (L_q, L_k), (math.prod(batch) * h, L_q, L_k): head_by_head}
    padding_shapes = {(*batch, L_k): (*batch, 1, 1, L_k)}
    attn_keep, attn_bias = keep_and_bias(names[0], attn_mask, attn_shapes, dtype)
    padding_keep, padding_bias = keep_and_bias(names[1], key_padding_mask, padding_shapes, dtype)
    keep = both(np.logical_and, attn_keep, padding_keep)
    bias = both(np.add, attn_bias, padding_bias)
    return over_scores(keep, scores_shape), over_scores(bias, scores_shape)


def keep_and_bias(
    name: str, mask: Array | None, shapes: dict[tuple, tuple], dtype: np.dtype
) -> tuple[Array | None, Array | None]:
    """One mask of PyTorch's as (boolean: True = may attend, finite numbers to add), `None` for what it does not have.

    shapes: from each shape that the mask may have to the one that it gets.
    """
    if mask is None:
        return None, None
    if not isinstance(mask, np.ndarray) or mask.dtype.kind not in "bf":
        given = f"dtype {mask.dtype}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(
            f"{name}: got {given}, expected an array, boolean (True = masked out) or float (added to the scores)"
        )
    if mask.shape not in shapes:
        raise ValueError(f"{name}: got shape {mask.shape}, expected {' or '.join(map(str, shapes))}")
    shaped = mask.reshape(shapes[mask.shape])
    if mask.dtype.kind == "b":
        return ~shaped, None
    keep = shaped != -np.inf
    return keep, np.where(keep, shaped, 0).astype(dtype)


def both(combine: np.ufunc, a: Array | None, b: Array | None) -> Array | None:
    """`combine(a, b)`, or the one that there is."""
    if a is None or b is None:
        return b if a is None else a
    return combine(a, b)


def over_scores(x: Array | None, scores_shape: tuple[int, ...]) -> Array | None:
    """`x` with all axes of the scores, so that none can be taken for another."""
    return None if x is None else np.broadcast_to(x, scores_shape)


def mask_and_bias(mask: Array | None) -> tuple[Array | None, Array | None]:
    """The one mask as the two arguments that the layers take."""
    if mask is None or mask.dtype == np.bool_:
        return mask, None
    return None, mask
