"""One eps for all layer norms of a model: that of its Config, in the forward and step by step."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minitransformer.decoding import decoder_cache, key_value_cache
from minitransformer.layers.encoder_layer import Config
from minitransformer.layers.layer_norm import LayerNormCache
from minitransformer.models.bert import bert, init_bert
from minitransformer.models.bert_pretraining import bert_pretraining, init_bert_pretraining
from minitransformer.models.gpt import gpt, init_gpt
from minitransformer.models.transformer import init_transformer, transformer
from minitransformer.verify.cases.points import loud

V, d, h, d_ff = 9, 8, 2, 16
HUGE = 1e24  # beside it no variance counts: sigma = 10^12, and each norm gives its beta
IDS = np.array([[3, 1, 4, 2]])


def norms(tree):
    """The caches of all layer norms."""
    if isinstance(tree, LayerNormCache):
        return [tree]
    return [found for branch in tree for found in norms(branch)] if isinstance(tree, tuple) else []


def models(norm_first):
    rng = np.random.default_rng(0)
    config = Config(h=h, norm_first=norm_first, eps=HUGE)
    gpt_weights = loud(init_gpt(V, 2, d, h, d_ff, rng, tied=True, final_norm=True, dtype=np.float64), rng)
    yield "gpt", gpt(IDS, gpt_weights, config), 5
    weights = loud(init_transformer(V, None, 2, d, h, d_ff, rng, final_norms=True, dtype=np.float64), rng)
    yield "transformer", transformer(IDS, IDS, weights, config), 12
    body = init_bert(V, 4, 2, d, h, d_ff, rng, np.float64, final_norm=True)
    segments = np.zeros_like(IDS)
    yield "bert", bert(IDS, segments, None, body, config), 6
    heads = loud(init_bert_pretraining(body, rng), rng)
    yield "bert pretraining", bert_pretraining(IDS, segments, None, np.array([1]), heads, config), 7


@pytest.mark.parametrize("norm_first", [False, True])
def test_every_norm_of_a_model_has_the_eps_of_its_config(norm_first):
    """With an eps that outweighs every variance each sigma is its root: of the layers', final, embedding's, heads'."""
    for name, (_, cache), n in models(norm_first):
        sigmas = [norm.sigma for norm in norms(cache)]
        assert len(sigmas) == n, name
        for sigma in sigmas:
            assert_allclose(sigma, np.sqrt(HUGE), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("eps", [0.5, HUGE])
def test_step_by_step_every_norm_has_the_same_eps(norm_first, eps):
    """The cached forms give the logits of the whole: with an eps of 0.5 and one that leaves the betas alone."""
    rng = np.random.default_rng(1)
    config = Config(h=h, norm_first=norm_first, eps=eps)
    weights = loud(init_gpt(V, 2, d, h, d_ff, rng, tied=True, final_norm=True, dtype=np.float64), rng)
    logits, _ = key_value_cache.decode_step(IDS, key_value_cache.empty_cache((1,), 4, weights, config), weights, config)
    assert_allclose(logits, gpt(IDS, weights, config)[0], rtol=1e-10, atol=1e-12)
    weights = loud(init_transformer(V, None, 2, d, h, d_ff, rng, final_norms=True, dtype=np.float64), rng)
    expected, _ = transformer(IDS, IDS, weights, config)
    decoding = decoder_cache.prefill(IDS, weights, config, 4)
    for i, token in enumerate(IDS[0]):
        logits, decoding, _ = decoder_cache.decode_step(np.array([token]), decoding, weights, config)
        assert_allclose(logits, expected[:, i], rtol=1e-10, atol=1e-12)
