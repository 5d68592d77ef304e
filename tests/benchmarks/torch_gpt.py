"""The same GPT in eager PyTorch, as one writes it there: the peer that ours is measured beside."""

import functools

import torch
from torch import nn
from torch.nn import functional

from minitransformer.models.gpt import GPT
from minitransformer.tree import named_leaves

Tensor = torch.Tensor
ACTIVATIONS = {"relu": functional.relu, "gelu_tanh": functools.partial(functional.gelu, approximate="tanh")}


class Block(nn.Module):
    """Pre-norm, all three projections in one product, PyTorch's fused attention."""

    def __init__(self, d_model: int, h: int, d_ff: int, activation: str) -> None:
        super().__init__()
        self.h = h
        self.activation = ACTIVATIONS[activation]
        self.norm1 = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.output = nn.Linear(d_model, d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.linear1 = nn.Linear(d_model, d_ff)
        self.linear2 = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor, room: Tensor | None = None, n: int = 0) -> Tensor:
        """room: (2, B, h, context, d_k), keys and values of the n words before, to which those of x are added."""
        B, L, d_model = x.shape
        Q, K, V = self.qkv(self.norm1(x)).view(B, L, 3, self.h, d_model // self.h).permute(2, 0, 3, 1, 4)
        if room is not None:
            room[0, :, :, n : n + L], room[1, :, :, n : n + L] = K, V
            K, V = room[0, :, :, : n + L], room[1, :, :, : n + L]
        heads = functional.scaled_dot_product_attention(Q, K, V, is_causal=L > 1)
        u = x + self.output(heads.transpose(1, 2).reshape(B, L, d_model))
        return u + self.linear2(self.activation(self.linear1(self.norm2(u))))


class TorchGPT(nn.Module):
    def __init__(self, V: int, n_layers: int, d_model: int, h: int, d_ff: int, context: int, activation: str) -> None:
        super().__init__()
        self.h = h
        self.words = nn.Embedding(V, d_model)
        self.positions = nn.Embedding(context, d_model)
        self.blocks = nn.ModuleList(Block(d_model, h, d_ff, activation) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, ids: Tensor, rooms: Tensor | None = None, n: int = 0, last: bool = False) -> Tensor:
        x = self.words(ids) + self.positions.weight[n : n + ids.shape[-1]]
        for i, block in enumerate(self.blocks):
            x = block(x, None if rooms is None else rooms[i], n)
        return functional.linear(self.norm(x[:, -1:] if last else x), self.words.weight)

    def take(self, weights: GPT) -> "TorchGPT":
        """The weights of ours, so that both compute the same numbers."""
        ours = {path: torch.from_numpy(leaf) for path, leaf in named_leaves(weights.body)}
        with torch.no_grad():
            self.words.weight.copy_(ours["embedding.E"])
            self.positions.weight.copy_(ours["positions.P"])
            copy_norm(self.norm, ours, "layers.norm")
            for i, block in enumerate(self.blocks):
                layer = f"layers.layers.{i}"
                copy_norm(block.norm1, ours, f"{layer}.norm1")
                copy_norm(block.norm2, ours, f"{layer}.norm2")
                parts = [f"{layer}.self_attention.{name}" for name in ("query", "key", "value")]
                block.qkv.weight.copy_(torch.cat([ours[f"{part}.W"].T for part in parts]))
                block.qkv.bias.copy_(torch.cat([ours[f"{part}.b"] for part in parts]))
                copy_linear(block.output, ours, f"{layer}.self_attention.output")
                copy_linear(block.linear1, ours, f"{layer}.feed_forward.linear1")
                copy_linear(block.linear2, ours, f"{layer}.feed_forward.linear2")
        return self


def copy_linear(module: nn.Linear, ours: dict[str, Tensor], path: str) -> None:
    module.weight.copy_(ours[f"{path}.W"].T)
    module.bias.copy_(ours[f"{path}.b"])


def copy_norm(module: nn.LayerNorm, ours: dict[str, Tensor], path: str) -> None:
    module.weight.copy_(ours[f"{path}.gamma"])
    module.bias.copy_(ours[f"{path}.beta"])


def no_words(model: TorchGPT, context: int) -> Tensor:
    """Room for keys and values.  (n_layers, 2, 1, h, context, d_k)"""
    d_model = model.words.weight.shape[1]
    return torch.zeros(len(model.blocks), 2, 1, model.h, context, d_model // model.h)
