"""Where PyTorch's order of axes and its masks are turned into the package's."""

import math

import numpy as np

from minitransformer.checks import check_positions, check_shape, check_truth, check_width

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


def score_mask(query: Array, key: Array, h: int, n_rows: int = 0, /, **given: Array | bool | None) -> Array | None:
    """PyTorch's masks as the package's one: boolean where both are (True = may attend), else added to the scores.

    query: ([B,] L_q, d) and key: ([B,] L_k, d), of which only the shapes are read -> (B or 1, h or 1, L_q or 1,
    L_k + n_rows), the first axis only with a batch; None where there is no mask. `given` are three arguments of the
    caller under its own names, which the messages say: attn_mask, key_padding_mask and the hint is_causal, in this
    order. Every query may attend to the `n_rows` keys that are appended to the others.
    """
    (attn_name, attn_mask), (padding_name, padding_mask), (hint_name, is_causal) = given.items()
    *batch, L_q, _ = query.shape
    L_k = key.shape[-2]
    alike = (1,) * len(batch)
    attn_shapes = {
        (L_q, L_k): (*alike, 1, L_q, L_k),
        (math.prod(batch) * h, L_q, L_k): (*batch, h, L_q, L_k),  # sequence b's head i is at b h + i
    }
    padding_shapes = {(*batch, L_k): (*batch, 1, 1, L_k)}
    attn = package_mask(attn_name, attn_mask, attn_shapes, query.real.dtype)
    padding = package_mask(padding_name, padding_mask, padding_shapes, query.real.dtype)
    check_hint(hint_name, is_causal, attn_name, attn)
    return with_open_keys(combined(attn, padding), n_rows)


def package_mask(name: str, mask: Array | None, shapes: dict[tuple, tuple], dtype: np.dtype) -> Array | None:
    """One mask of PyTorch's, whose True is masked out, as the package has it; float masks are added in both.

    shapes: from each shape that the mask may have to the one that it gets.
    """
    if mask is None:
        return None
    if type(mask) is not np.ndarray or mask.dtype.kind not in "bf":
        given = f"dtype {mask.dtype}" if type(mask) is np.ndarray else type(mask).__name__
        raise TypeError(
            f"{name}: got {given}, expected an array, boolean (True = masked out) or float (added to the scores)"
        )
    if mask.shape not in shapes:
        raise ValueError(f"{name}: got shape {mask.shape}, expected {' or '.join(map(str, shapes))}")
    shaped = mask.reshape(shapes[mask.shape])
    return ~shaped if mask.dtype == np.bool_ else shaped.astype(dtype)


def combined(a: Array | None, b: Array | None) -> Array | None:
    """Both at once: a query may attend where both say so, and what they add to the scores adds up."""
    if a is None or b is None:
        return b if a is None else a
    if a.dtype == b.dtype == np.bool_:
        return a & b
    dtype = b.dtype if a.dtype == np.bool_ else a.dtype
    return added(a, dtype) + added(b, dtype)


def added(mask: Array, dtype: np.dtype) -> Array:
    """What the mask adds to the scores: 0 where a query may attend, -inf where it may not, if the mask is boolean."""
    if mask.dtype != np.bool_:
        return mask
    return np.where(mask, dtype.type(0), dtype.type(-np.inf))


def with_open_keys(mask: Array | None, n: int) -> Array | None:
    """The mask with `n` more keys, to which every query may attend."""
    if mask is None or n == 0:
        return mask
    open_ = np.full((*mask.shape[:-1], n), True if mask.dtype == np.bool_ else 0, mask.dtype)
    return np.concatenate([mask, open_], axis=-1)


def check_hint(hint_name: str, is_causal: bool | None, mask_name: str, mask: Array | None) -> None:
    """`is_causal` asserts that the mask is causal, as in PyTorch, where it saves time, and a wrong one is not noticed.

    Here it saves nothing, and must be true. None, which PyTorch's stacks take for "look yourself", is no hint.
    """
    if is_causal is not None:
        check_truth(hint_name, is_causal)
    if not is_causal:
        return
    if mask is None:
        raise ValueError(f"{mask_name}: got None, expected the causal mask, as {hint_name} is True")
    causal = np.tri(*mask.shape[-2:], dtype=bool)
    expected = causal if mask.dtype == np.bool_ else added(causal, mask.dtype)
    if not (mask == expected).all():
        raise ValueError(f"{mask_name}: got another mask, expected the causal one, as {hint_name} is True")
