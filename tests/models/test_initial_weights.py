"""Fresh weights of all models have one type of numbers throughout."""

import numpy as np
import pytest

from minitransformer.layers.linear import init_linear
from minitransformer.models.bert import init_bert
from minitransformer.models.bert_classifier import init_bert_classifier
from minitransformer.models.bert_pretraining import init_bert_pretraining
from minitransformer.models.fnn_lm import init_fnn_lm
from minitransformer.models.gpt import init_gpt
from minitransformer.models.gpt_classifier import init_gpt_classifier
from minitransformer.models.rnn_encoder_decoder import init_rnn_encoder_decoder
from minitransformer.models.rnn_lm import init_rnn_lm
from minitransformer.models.rnn_reader import init_rnn_reader
from minitransformer.models.span_reader import init_span_reader
from minitransformer.models.transformer import init_transformer
from minitransformer.tree import leaves


def small_bert(rng, dtype):
    return init_bert(7, 5, 2, 6, 3, 10, rng, dtype, final_norm=True)


def small_gpt(rng, dtype, **form):
    return init_gpt(7, 2, 6, 3, 10, rng, final_norm=True, dtype=dtype, **form)


MODELS = {
    "fnn_lm": lambda rng, dtype: init_fnn_lm(7, 4, 5, 6, rng, dtype),
    "elman": lambda rng, dtype: init_rnn_lm(7, 5, 6, rng, "elman", dtype),
    "lstm": lambda rng, dtype: init_rnn_lm(7, 5, 6, rng, "lstm", dtype),
    "rnn_encoder_decoder": lambda rng, dtype: init_rnn_encoder_decoder(7, 8, 5, 6, rng, dtype),
    "rnn_reader": lambda rng, dtype: init_rnn_reader(7, 4, 3, rng, dtype),
    "transformer": lambda rng, dtype: init_transformer(7, 8, 2, 6, 3, 10, rng, False, True, dtype),
    "gpt": small_gpt,
    "gpt tied": lambda rng, dtype: small_gpt(rng, dtype, context=5, tied=True),
    "gpt_classifier": lambda rng, dtype: init_gpt_classifier(small_gpt(rng, dtype).body, 4, rng),
    "bert": small_bert,
    "bert_pretraining": lambda rng, dtype: init_bert_pretraining(small_bert(rng, dtype), rng),
    "bert_classifier": lambda rng, dtype: init_bert_classifier(
        small_bert(rng, dtype), init_linear(6, 6, rng, dtype), 4, rng
    ),
    "span_reader": lambda rng, dtype: init_span_reader(small_bert(rng, dtype), rng),
}


@pytest.mark.parametrize("init", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_weight_has_the_type_that_was_asked_for(init, dtype):
    """A single array of another type would turn all that comes after it into that type, or lose its digits."""
    assert {array.dtype for array in leaves(init(np.random.default_rng(0), dtype))} == {np.dtype(dtype)}
