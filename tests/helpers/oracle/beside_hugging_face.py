"""Hugging Face's BERT with our weights: its name for each of them, its outputs and its gradients as our trees."""

import numpy as np
import pytest
from oracle.three_berts import Result

from minitransformer.tree import named_leaves, tree_map

torch = pytest.importorskip("torch", reason="the extra `oracle` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `oracle` is not installed")
torch.set_num_threads(1)  # so small a model is 20 times slower on threads that wait for a busy core

# A part of the name in Hugging Face's state dict, and what it is called here; each is looked for in this order.
PARTS = (
    ("bert.embeddings.word_embeddings.weight", "bert.embedding.tokens.E"),
    ("bert.embeddings.position_embeddings.weight", "bert.embedding.positions.P"),
    ("bert.embeddings.token_type_embeddings.weight", "bert.embedding.segments.E"),
    ("bert.embeddings.LayerNorm", "bert.embedding.norm"),
    ("bert.encoder.layer.", "bert.layers.layers."),
    ("attention.self.", "self_attention."),
    ("attention.output.dense", "self_attention.output"),
    ("attention.output.LayerNorm", "norm1"),
    ("intermediate.dense", "feed_forward.linear1"),
    ("output.dense", "feed_forward.linear2"),
    ("output.LayerNorm", "norm2"),
    ("bert.pooler.dense", "pooler"),
    ("cls.predictions.transform.dense", "token.transform"),
    ("cls.predictions.transform.LayerNorm", "token.norm"),
    ("cls.predictions.bias", "token.b"),
    ("cls.seq_relationship", "next"),
    ("qa_outputs", "span"),
    ("classifier", "output"),
)
LEAVES_OF_NORM = {"weight": "gamma", "bias": "beta"}
LEAVES_OF_LINEAR = {"weight": "W", "bias": "b"}
# Two more names of the same parameters, which the output shares with the embedding and with its head.
TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
CLASSES = {
    "pretraining": "BertForPreTraining",
    "reader": "BertForQuestionAnswering",
    "classifier": "BertForSequenceClassification",
}


def our_path(name):
    """`bert.encoder.layer.0.attention.self.query.weight` -> `bert.layers.layers.0.self_attention.query.W`"""
    path = TIED.get(name, name)
    for theirs, ours in PARTS:
        path = path.replace(theirs, ours)
    module, _, leaf = path.rpartition(".")
    leaves = LEAVES_OF_NORM if module.rpartition(".")[2].startswith("norm") else LEAVES_OF_LINEAR
    return f"{module}.{leaves.get(leaf, leaf)}"


def as_theirs(path, array):
    """A matrix W is (in, out) here, and (out, in) there."""
    return array.T if path.endswith(".W") else array


def build(name, shape, weights):
    """Their model in float64, for evaluation, with our weights in place of all of its own.

    pad_token_id=None: by default Hugging Face stops the gradient of word 0, which would be the padding.
    """
    config = transformers.BertConfig(
        vocab_size=shape.V,
        hidden_size=shape.d_model,
        num_hidden_layers=shape.n_layers,
        num_attention_heads=shape.h,
        intermediate_size=shape.d_ff,
        max_position_embeddings=shape.context,
        layer_norm_eps=shape.eps,
        hidden_act="gelu",
        pad_token_id=None,
        num_labels=shape.C if name == "classifier" else 2,
        attn_implementation="eager",
    )
    theirs = getattr(transformers, CLASSES[name])(config).double().eval()
    ours = dict(named_leaves(weights))
    state = {key: torch.tensor(as_theirs(our_path(key), ours[our_path(key)])) for key in theirs.state_dict()}
    theirs.load_state_dict(state, strict=True)
    return theirs


def run(name, shape, batch, weights, doutputs):
    """Their outputs, in our layout, and the gradient of each of their parameters, as our tree."""
    theirs = build(name, shape, weights)
    made = theirs(
        input_ids=torch.tensor(batch.ids),
        token_type_ids=torch.tensor(batch.segments),
        attention_mask=torch.tensor((np.arange(shape.L) < batch.lengths[:, None]).astype(int)),
    )
    if name == "pretraining":
        outputs = made.prediction_logits.flatten(0, 1)[torch.tensor(batch.places)], made.seq_relationship_logits
    elif name == "reader":
        outputs = (torch.stack([made.start_logits, made.end_logits], dim=1),)
    else:
        outputs = (made.logits,)
    torch.autograd.backward(outputs, [torch.tensor(dy) for dy in doutputs])
    gradients = {}
    for key, parameter in theirs.named_parameters():
        gradients[our_path(key)] = as_theirs(our_path(key), parameter.grad.numpy())
    paths = [path for path, _ in named_leaves(weights)]
    assert sorted(gradients) == sorted(paths)
    in_order = iter(paths)
    return Result(
        tuple(output.detach().numpy() for output in outputs), tree_map(lambda _: gradients[next(in_order)], weights)
    )
