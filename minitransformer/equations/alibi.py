"""Section 4.3, a variant: attention with linear biases (ALiBi, Press et al. 2022), a mask that knows distances."""

import numpy as np
from numpy.typing import DTypeLike

from minitransformer.checks import check_dtype, check_integer

Array = np.ndarray


def alibi_mask(h: int, L_q: int, L_k: int, dtype: DTypeLike = np.float32) -> Array:
    """mask_ij = -m (i - j) for j <= i, and -infinity for j > i, with a slope m for each head.  -> (h, L_q, L_k)

    Added to the scores, as every floating-point mask is: softmax_j(q_i^T k_j / sqrt(d_k) - m (i - j)). Token vectors
    get no positions. Each position farther back multiplies the weight by exp(-m), and so it does in texts
    longer than those of the training, where a learned position has never been seen. The mask is causal, and read-only:
    as in `causal_mask`, row i is the row above it moved by one key, so that all rows of a head are windows of the same
    numbers, and the mask of a long text takes next to no memory.

    The last query stands at the last key: row r is position i = L_k - L_q + r. With L_q < L_k the mask is the end of
    the square one, for new queries with keys that are kept.

    (`multi_head` reads a mask of three axes as one for each sequence: with x of (B, L, d_model), pass mask[None].)

    There is no backward: the mask is a constant, and d(A + mask)/dA = 1, so the gradient of the scores is what it was.
    """
    check_integer("L_q", L_q, minimum=0)
    check_integer("L_k", L_k, minimum=0)
    check_dtype(dtype)
    if np.dtype(dtype).kind == "c":
        raise TypeError(f"dtype: got {np.dtype(dtype)}, expected a type of real numbers such as float32")
    if L_q > L_k:
        raise ValueError(f"L_q: got {L_q} queries, expected {L_k} or fewer: the last query stands at the last key")
    m = alibi_slopes(h).astype(dtype)[:, None]  # (h, 1)
    n_q, n_k = int(L_q), int(L_k)  # a NumPy integer of few bits could overflow
    if n_q == 0:
        return np.zeros((h, 0, n_k), dtype)
    distance = np.arange(n_k - 1, -n_q, -1)  # (L_q + L_k - 1,), i - j from the largest on
    numbers = m * np.where(distance >= 0, -distance, -np.inf).astype(dtype)  # (h, L_q + L_k - 1)
    windows = np.lib.stride_tricks.sliding_window_view(numbers, n_k, axis=-1)  # (h, L_q, L_k), the newest query first
    return windows[:, ::-1]


def alibi_slopes(h: int) -> Array:
    """m = 2^(-8(k+1)/h) for k = 0, ..., h-1 if h is a power of 2: for 8 heads 1/2, 1/4, ..., 1/256.  -> (h,)

    For any other h, as in the paper's code: those of n heads, the largest power of 2 below h, and after them the first
    h - n of those of 2n heads that are new, which are the ones with even k.
    """
    check_integer("h", h, minimum=1)
    n = 2 ** (int(h).bit_length() - 1)  # the largest power of 2 that is not above h
    of_n = 2.0 ** (-8 * np.arange(1, n + 1) / n)  # (n,)
    of_2n = 2.0 ** (-8 * np.arange(1, 2 * (h - n), 2) / (2 * n))  # (h - n,)
    return np.concatenate([of_n, of_2n])
