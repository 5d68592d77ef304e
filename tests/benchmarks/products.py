"""The matrix products of a model's forward and backward, and nothing else: what no implementation can do without."""

import numpy as np

Array = np.ndarray


class Products:
    """Products on contiguous arrays of float32, into ready memory, one after the other."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)
        self.triples: list[tuple[Array, Array, Array]] = []

    def __call__(self) -> None:
        for a, b, out in self.triples:
            np.matmul(a, b, out=out)

    def numbers(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape, dtype=np.float32)

    def add(self, a: Array, b: Array) -> None:
        self.triples.append((a, b, a @ b))

    def add_linear(self, N: int, d_in: int, d_out: int) -> None:
        x, W, dy = self.numbers(N, d_in), self.numbers(d_in, d_out), self.numbers(N, d_out)
        self.add(x, W)  # y
        self.add(dy, W.T)  # dx
        self.add(x.T, dy)  # dW

    def add_attention(self, B: int, h: int, L: int, d_k: int) -> None:
        Q, K, V, dO = (self.numbers(B, h, L, d_k) for _ in range(4))
        A = self.numbers(B, h, L, L)
        self.add(Q, K.mT)  # scores
        self.add(A, V)  # O
        self.add(A.mT, dO)  # dV
        self.add(dO, V.mT)  # dweights
        self.add(A, K)  # dQ
        self.add(A.mT, Q)  # dK

    def add_layer(self, B: int, L: int, d_model: int, h: int, d_ff: int) -> None:
        """One encoder layer."""
        self.add_linear(B * L, d_model, 3 * d_model)
        self.add_attention(B, h, L, d_model // h)
        self.add_linear(B * L, d_model, d_model)
        self.add_linear(B * L, d_model, d_ff)
        self.add_linear(B * L, d_ff, d_model)
