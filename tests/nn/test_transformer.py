"""PyTorch's nn.Transformer (2.2.2)."""

import numpy as np
import pytest
from assertions import assert_float32, assert_gradients, refuses
from numpy.testing import assert_allclose, assert_array_equal

from minitransformer.equations.activations import GELU
from minitransformer.layers.decoder import decoder, decoder_backward
from minitransformer.layers.decoder_layer import Masks
from minitransformer.layers.encoder import encoder, encoder_backward
from minitransformer.layers.encoder_layer import Config
from minitransformer.nn import Transformer
from minitransformer.nn.transformer import TransformerWeights
from minitransformer.verify.cases.points import loud

L_s, L_t, B, h, d_model = 7, 5, 4, 3, 6
src = np.random.default_rng(1).standard_normal((L_s, B, d_model))
tgt = np.random.default_rng(2).standard_normal((L_t, B, d_model))
src_mask = np.triu(np.ones((L_s, L_s), bool), k=2)
tgt_mask = np.triu(np.ones((L_t, L_t), bool), k=1)
memory_mask = np.random.default_rng(3).random((L_t, L_s)) < 0.3
src_padding = np.arange(L_s) >= np.array([4, 7, 5, 6])[:, None]  # (B, L_s)
tgt_padding = np.arange(L_t) >= np.array([5, 3, 4, 5])[:, None]  # (B, L_t)
memory_padding = np.arange(L_s) >= np.array([4, 6, 5, 5])[:, None]  # (B, L_s)
all_masks = (src_mask, tgt_mask, memory_mask, src_padding, tgt_padding, memory_padding)


def model(**kwargs):
    """One layer of encoder and two of decoder, each with weights of its own."""
    module = Transformer(d_model, h, 1, 2, 10, dtype=np.float64, **kwargs)
    module.weights = loud(module.weights, np.random.default_rng(0))
    return module


def swapped(*arrays):
    return [array.swapaxes(0, 1) for array in arrays]


both_norms = pytest.mark.parametrize("norm_first", [False, True], ids=["post-norm", "pre-norm"])


def test_names_and_shapes_are_pytorchs():
    """Both stacks end with a norm, post-norm ones too."""
    attention = {"in_proj_weight": (18, 6), "in_proj_bias": (18,), "out_proj.weight": (6, 6), "out_proj.bias": (6,)}
    feed_forward = {"linear1.weight": (10, 6), "linear1.bias": (10,), "linear2.weight": (6, 10), "linear2.bias": (6,)}

    def norm(name):
        return {f"{name}.weight": (6,), f"{name}.bias": (6,)}

    def under(path, shapes):
        return {f"{path}.{name}": shape for name, shape in shapes.items()}

    encoder_layer = under("self_attn", attention) | feed_forward | norm("norm1") | norm("norm2")
    decoder_layer = (
        under("self_attn", attention)
        | under("multihead_attn", attention)
        | feed_forward
        | norm("norm1")
        | norm("norm2")
        | norm("norm3")
    )
    assert {name: array.shape for name, array in model().state_dict().items()} == (
        under("encoder.layers.0", encoder_layer)
        | norm("encoder.norm")
        | under("decoder.layers.0", decoder_layer)
        | under("decoder.layers.1", decoder_layer)
        | norm("decoder.norm")
    )


def test_defaults_are_pytorchs():
    """512 features, 8 heads, 6 and 6 layers, dim_feedforward 2048, dropout 0.1, ReLU, sequence-first, post-norm."""
    assert Transformer.__init__.__defaults__ == (512, 8, 6, 6, 2048, 0.1, "relu", None, None, 1e-5, False, False, True)
    module = Transformer(4, 2, 1, 1)
    assert module.state_dict()["decoder.layers.0.linear1.weight"].shape == (2048, 4)
    assert module.config == module.encoder.config == module.decoder.config
    assert module.config == Config(h=2, dropout=0.1, final_eps=1e-5)
    assert module.batch_first is module.encoder.batch_first is module.decoder.batch_first is False


def test_start_values_are_pytorchs():
    """Every matrix uniform within Glorot's bounds, each its own; as in PyTorch, a stack's layers share their biases."""
    module = Transformer(60, 3, 2, 2, 100, rng=np.random.default_rng(0))
    state = module.state_dict()
    matrices = {name: array for name, array in state.items() if array.ndim == 2}
    assert len(matrices) == 2 * 4 + 2 * 6
    for matrix in matrices.values():
        limit = (6 / sum(matrix.shape)) ** 0.5
        assert np.abs(matrix).max() == pytest.approx(limit, rel=1e-2)
        assert matrix.std() == pytest.approx(limit / 3**0.5, rel=0.05)
    assert len({matrix.flat[0] for matrix in matrices.values()}) == len(matrices)
    for name, array in state.items():
        if "norm" in name and name.endswith("weight"):
            assert (array == 1).all()
        elif "norm" in name or ("attn" in name and name.endswith("bias")):
            assert not array.any()
    for stack in ("encoder", "decoder"):
        for name, bound in (("linear1.bias", 60**-0.5), ("linear2.bias", 0.1)):
            first, second = (state[f"{stack}.layers.{i}.{name}"] for i in range(2))
            assert_array_equal(first, second)
            assert np.abs(first).max() == pytest.approx(bound, rel=0.1)


@both_norms
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_it_is_the_packages_encoder_and_decoder(activation, norm_first):
    """After the axes are swapped and the masks inverted: the same values and gradients."""
    eps = 0.2
    module = model(dropout=0.3, activation=activation, layer_norm_eps=eps, norm_first=norm_first)
    config = module.config
    expected = {"activation": config.activation, "norm_first": norm_first, "eps": eps, "final_eps": eps}
    assert config == Config(h=h, dropout=0.3, **expected)
    assert (config.activation is GELU) == (activation == "gelu")
    masks = Masks(  # (B, 1, L_q, L_k): over the heads
        target=~tgt_mask & ~tgt_padding[:, None, None, :], memory=~memory_mask & ~memory_padding[:, None, None, :]
    )
    x, z = swapped(src, tgt)
    mask = ~src_mask & ~src_padding[:, None, None, :]
    memory, encoder_cache = encoder(x, module.encoder.weights, config, mask)
    y, decoder_cache = decoder(z, memory, module.decoder.weights, config, masks)
    out, cache = module.forward(src, tgt, *all_masks)
    assert_allclose(out, y.swapaxes(0, 1), rtol=1e-11, atol=1e-12)
    assert_array_equal(module(src, tgt, *all_masks), out)
    dout = np.random.default_rng(4).standard_normal(out.shape)
    dz, dmemory, ddecoder = decoder_backward(dout.swapaxes(0, 1), decoder_cache)
    dx, dencoder = encoder_backward(dmemory, encoder_cache)
    (dsrc, dtgt), grads = module.backward(dout, cache)
    assert_allclose(dsrc, dx.swapaxes(0, 1), rtol=1e-10, atol=1e-11)
    assert_allclose(dtgt, dz.swapaxes(0, 1), rtol=1e-10, atol=1e-11)
    for name, expected in module.named(TransformerWeights(dencoder, ddecoder)).items():
        assert_allclose(grads[name], expected, rtol=1e-10, atol=1e-11)


def test_its_encoder_and_decoder_are_modules():
    """To encode once and decode many times, as PyTorch's; they keep the weights, so loading changes them."""
    module = model()
    memory = module.encoder(src, src_mask, src_padding)
    out = module.decoder(tgt, memory, tgt_mask, memory_mask, tgt_padding, memory_padding)
    assert_allclose(out, module(src, tgt, *all_masks), rtol=1e-11, atol=1e-12)
    state = module.state_dict()
    module.load_state_dict({name: 2 * array for name, array in state.items()})
    for stack in ("encoder", "decoder"):
        for name, array in getattr(module, stack).state_dict().items():
            assert_array_equal(array, 2 * state[f"{stack}.{name}"])


@both_norms
def test_gradients(norm_first):
    """dsrc, dtgt and every weight by the complex step, with masks and dropout, sequence-first."""
    module = model(norm_first=norm_first, dropout=0.3)

    def forward(src, tgt, weights):
        module.weights = weights
        return module.forward(src, tgt, *all_masks, rng=np.random.default_rng(0))

    def backward(dout, cache):
        d, grads = module.backward(dout, cache)
        return *d, module.from_named(grads)

    assert_gradients(forward, backward, (src, tgt, module.weights), np.random.default_rng(5))


@both_norms
@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_have_the_names_and_shapes_of_the_state_dict(norm_first, batch_first):
    module = model(norm_first=norm_first, batch_first=batch_first)
    inputs = swapped(src, tgt) if batch_first else (src, tgt)
    out, cache = module.forward(*inputs, rng=np.random.default_rng(0))
    assert out.shape == inputs[1].shape
    d, grads = module.backward(out, cache)
    assert [dx.shape for dx in d] == [x.shape for x in inputs]
    assert {n: grads[n].shape for n in grads} == {n: array.shape for n, array in module.state_dict().items()}


def test_sequence_first_and_batch_first_are_the_same_numbers():
    first, second = model(), model(batch_first=True)
    out, cache = first.forward(src, tgt, *all_masks)
    out_batch_first, cache_batch_first = second.forward(*swapped(src, tgt), *all_masks)
    assert_array_equal(out_batch_first.swapaxes(0, 1), out)
    d, grads = first.backward(out, cache)
    d_batch_first, grads_batch_first = second.backward(out_batch_first, cache_batch_first)
    for ours, theirs in zip(swapped(*d_batch_first), d, strict=True):
        assert_array_equal(ours, theirs)
    for name in grads:
        assert_array_equal(grads_batch_first[name], grads[name])


@pytest.mark.parametrize("batch_first", [False, True])
def test_without_a_batch(batch_first):
    """(L, d) in, (L, d) out: each pair of sequences of a batch as if it were alone, forward and backward."""
    out, cache = model().forward(src, tgt, *all_masks)
    (dsrc, dtgt), _ = model().backward(out, cache)
    module = model(batch_first=batch_first)
    for b in range(B):
        masks = (*all_masks[:3], src_padding[b], tgt_padding[b], memory_padding[b])
        alone, cache = module.forward(src[:, b], tgt[:, b], *masks)
        assert_allclose(alone, out[:, b], rtol=1e-10, atol=1e-12)
        (dsrc_b, dtgt_b), _ = module.backward(alone, cache)
        assert_allclose(dsrc_b, dsrc[:, b], rtol=1e-9, atol=1e-11)
        assert_allclose(dtgt_b, dtgt[:, b], rtol=1e-9, atol=1e-11)


@both_norms
def test_a_call_evaluates_and_forward_with_rng_trains(norm_first):
    """No global mode: dropout acts only where a generator is passed, in the encoder and in the decoder."""
    with_dropout, without = model(dropout=0.5, norm_first=norm_first), model(dropout=0.0, norm_first=norm_first)
    expected = without(src, tgt)
    assert_array_equal(with_dropout(src, tgt), expected)
    assert_array_equal(with_dropout.forward(src, tgt)[0], expected)
    first, cache = with_dropout.forward(src, tgt, rng=np.random.default_rng(0))
    second, _ = with_dropout.forward(src, tgt, rng=np.random.default_rng(0))
    assert_array_equal(first, second)
    assert not np.allclose(first, expected)
    for stack_cache in (cache.encoder, cache.decoder):
        for layer_cache in stack_cache.layers:
            assert (layer_cache.feed_forward.m == 0).any()
    assert_array_equal(without.forward(src, tgt, rng=np.random.default_rng(0))[0], expected)


def test_the_causal_mask_is_pytorchs():
    """0 where a query may attend, -inf where the key is later; float32 unless asked otherwise."""
    inf = np.inf
    mask = Transformer.generate_square_subsequent_mask(3)
    assert_array_equal(mask, np.array([[0, -inf, -inf], [0, 0, -inf], [0, 0, 0]], np.float32), strict=True)
    assert Transformer.generate_square_subsequent_mask(2, np.float64).dtype == np.float64
    assert Transformer.generate_square_subsequent_mask(0).shape == (0, 0)
    with refuses(ValueError, "sz: got -1, expected 0 or more"):
        Transformer.generate_square_subsequent_mask(-1)
    with refuses(TypeError, "sz: got 2.5, expected an integer"):
        Transformer.generate_square_subsequent_mask(2.5)
    with refuses(TypeError, "dtype: got bool, expected a floating-point type such as float32"):
        Transformer.generate_square_subsequent_mask(2, bool)


@both_norms
@pytest.mark.parametrize("i", range(L_t - 1))
def test_nothing_comes_from_a_later_position_of_the_target(norm_first, i):
    """Neither a value nor a gradient, under the mask that the class generates; the source is there for every one."""
    module = model(norm_first=norm_first)
    mask = module.generate_square_subsequent_mask(L_t)
    changed = tgt.copy()
    changed[i + 1 :] *= -2  # a pre-norm layer would not see a shift
    out, cache = module.forward(src, tgt, tgt_mask=mask)
    out_changed = module(src, changed, tgt_mask=mask)
    assert_allclose(out_changed[: i + 1], out[: i + 1], rtol=1e-10)
    assert not np.isclose(out_changed[i + 1 :], out[i + 1 :]).all()
    dout = np.zeros_like(out)
    dout[: i + 1] = np.random.default_rng(6).standard_normal(dout[: i + 1].shape)
    (dsrc, dtgt), _ = module.backward(dout, cache)
    assert not dtgt[i + 1 :].any()
    assert dtgt[: i + 1].any(axis=-1).all()
    assert dsrc.any(axis=-1).all()


@both_norms
def test_what_stands_in_padding_changes_nothing(norm_first):
    """Real positions come out as if there were none, and no gradient goes into it, in the source or in the target."""
    module = model(norm_first=norm_first)
    masks = (None, tgt_mask, None, src_padding, tgt_padding, src_padding)
    out, cache = module.forward(src, tgt, *masks)
    other_src = np.where(src_padding.T[..., None], -100 * src, src)
    other_tgt = np.where(tgt_padding.T[..., None], -100 * tgt, tgt)
    real = ~tgt_padding.T
    assert_allclose(module(other_src, other_tgt, *masks)[real], out[real], rtol=1e-10, atol=1e-12)
    dout = np.random.default_rng(6).standard_normal(out.shape) * real[..., None]
    (dsrc, dtgt), _ = module.backward(dout, cache)
    for dx, padding in ((dsrc, src_padding.T), (dtgt, tgt_padding.T)):
        assert not dx[padding].any()
        assert dx[~padding].any(axis=-1).all()
    for b in range(B):
        n_s, n_t = (~src_padding[b]).sum(), (~tgt_padding[b]).sum()
        alone = module(src[:n_s, b], tgt[:n_t, b], tgt_mask=tgt_mask[:n_t, :n_t])
        assert_allclose(out[:n_t, b], alone, rtol=1e-10, atol=1e-12)


def test_memory_masks_do_not_follow_from_those_of_the_source():
    """As in PyTorch: what is padding in the source is read by the decoder unless memory_key_padding_mask says so."""
    module = model()
    other = np.where(src_padding.T[..., None], -100 * src, src)
    out, out_other = (module(x, tgt, src_key_padding_mask=src_padding) for x in (src, other))
    assert not np.allclose(out, out_other)


def test_each_mask_reaches_its_attention():
    """Each of the six changes the result, and so does what is finite in a float mask."""
    module = model()
    expected = module(src, tgt, *all_masks)
    as_floats = [np.where(mask, -np.inf, 0.0) for mask in all_masks]
    assert_allclose(module(src, tgt, *as_floats), expected, rtol=1e-12)
    for i in range(len(all_masks)):
        without = [None if j == i else mask for j, mask in enumerate(all_masks)]
        assert not np.allclose(module(src, tgt, *without), expected)
        leaning = [mask + (j == i) * np.linspace(0, 1, mask.shape[-1]) for j, mask in enumerate(as_floats)]
        assert not np.allclose(module(src, tgt, *leaning), expected)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@both_norms
def test_float32_stays_float32(activation, norm_first):
    """Also under float64 masks."""
    module = Transformer(d_model, h, 2, 1, 10, 0.3, activation, norm_first=norm_first)
    inputs = [x.astype(np.float32) for x in (src, tgt)]
    masks = [np.zeros(mask.shape) for mask in all_masks]
    out, cache = module.forward(*inputs, *masks, rng=np.random.default_rng(0))
    d, grads = module.backward(out, cache)
    assert_float32(out, d, *grads.values())


def test_bad_input_is_refused():
    module = model()
    with refuses(ValueError, "src: got shape (7, 4, 3), expected 6 features on the last axis"):
        module(src[..., :3], tgt)
    with refuses(ValueError, "tgt: got shape (5, 4, 3), expected 6 features on the last axis"):
        module(src, tgt[..., :3])
    with refuses(ValueError, "src: got shape (1, 7, 4, 6), expected 3 axes, or 2 without a batch"):
        module(src[None], tgt)
    with refuses(TypeError, "tgt: got list, expected a NumPy array of floating-point numbers"):
        module(src, tgt.tolist())
    with refuses(ValueError, "tgt: got a batch of (1,), expected src's, (4,)"):
        module(src, tgt[:, :1])
    with refuses(ValueError, "tgt: got a batch of (), expected src's, (4,)"):
        module(src, tgt[:, 0])
    with refuses(ValueError, "tgt: got a batch of (5,), expected src's, (7,)"):
        model(batch_first=True)(src, tgt)
    with refuses(ValueError, "src_mask: got shape (5, 5), expected (7, 7) or (12, 7, 7)"):
        module(src, tgt, src_mask=tgt_mask)
    with refuses(ValueError, "tgt_mask: got shape (7, 7), expected (5, 5) or (12, 5, 5)"):
        module(src, tgt, tgt_mask=src_mask)
    with refuses(ValueError, "memory_mask: got shape (7, 7), expected (5, 7) or (12, 5, 7)"):
        module(src, tgt, memory_mask=src_mask)
    for name, given, expected in (
        ("src_key_padding_mask", tgt_padding, (4, 7)),
        ("tgt_key_padding_mask", src_padding, (4, 5)),
        ("memory_key_padding_mask", tgt_padding, (4, 7)),
    ):
        with refuses(ValueError, f"{name}: got shape {given.shape}, expected {expected}"):
            module(src, tgt, **{name: given})
    with refuses(TypeError, "rng: got int, expected a numpy.random.Generator, or None for evaluation"):
        module.forward(src, tgt, rng=1)
    _, cache = module.forward(src, tgt)
    with refuses(ValueError, "dout: got shape (4, 5, 6), expected (5, 4, 6)"):
        module.backward(tgt.swapaxes(0, 1), cache)


def test_bad_arguments_are_refused():
    with refuses(ValueError, "nhead: got 4 heads, expected a number that divides the 6 features of d_model"):
        Transformer(6, 4, 1, 1, 10)
    with refuses(ValueError, "num_encoder_layers: got 0, expected 1 or more"):
        Transformer(6, 3, 0, 1, 10)
    with refuses(TypeError, "num_decoder_layers: got 1.5, expected an integer"):
        Transformer(6, 3, 1, 1.5, 10)
    with refuses(ValueError, "dropout: got 1.0, expected a probability in [0, 1)"):
        Transformer(6, 3, 1, 1, 10, 1.0)
    with refuses(ValueError, "activation: got 'swish', expected one of 'relu', 'gelu'"):
        Transformer(6, 3, 1, 1, 10, activation="swish")
