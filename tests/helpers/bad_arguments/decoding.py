"""`decoding/`: what is written, token by token."""

import numpy as np
from bad_arguments.kinds import (
    ANYTHING,
    CALLABLE,
    INFINITY,
    Argument,
    Bad,
    also,
    config,
    drawn,
    fields,
    floats,
    given,
    ids,
    integer,
    internal,
    not_negative,
    number,
    optional,
    other_shapes,
    passed_on,
    rng,
    row,
    shaped,
)
from bad_arguments.models import GPT, TRANSFORMER, B, lengths, token_ids

from minitransformer.decoding import beam_search, best_span, decoder_cache, key_value_cache, sampling

V, END = 4, 3
log_P = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.25, 0.25, 0.4, 0.1]], np.float32))
start = np.array([0, 1])


def step(tokens, state):
    """Whatever was read, the same comes next."""
    return log_P[tokens % 2], state


def reorder(state, indices):
    return state


def one_row(good):
    """(n,) and nothing else."""
    array = ids(good)
    number = np.array(good[0])
    return array._replace(
        bad=(*array.bad, Bad("an axis more", good[None]), Bad("none", good[:0]), Bad("a number", number))
    )


searched = {
    "step": given(step, CALLABLE),
    "reorder": given(reorder, CALLABLE),
    "state": given(None, ANYTHING),
    "start": one_row(start),
    "end": integer(END, 0, V - 1),
    "longest": integer(3),
}
hypotheses = beam_search.OpenHypotheses(np.array([0, 1]), start[:, None], np.zeros(2))

logits = drawn(V)
scores, allowed = drawn(2, 5), np.array([False, True, False, True, True])
PARAMS = passed_on(
    fields(
        sampling.SamplingParams,
        temperature=not_negative(0.5),
        top_k=optional(integer(3)),
        top_p=number(0.9, 0.0, -0.5, 1.01, INFINITY),
    ),
    "params",
)
prompt = np.array([1, 2])


def read(tokens, state):
    return logits, None


def one_row_of_numbers():
    """Of which the highest is finite."""
    wrong = {
        "NaN": np.where(logits == logits[0], np.nan, logits),
        "infinity": np.where(logits == logits[0], np.inf, logits),
        "all -infinity": np.full_like(logits, -np.inf),
        "none": logits[:0],
        "an axis more": logits[None],
        "complex": logits.astype(complex),
    }
    argument = floats(logits, ndim=1)
    return argument._replace(bad=(*argument.bad, *(Bad(what, value) for what, value in wrong.items())))


CONFIG = config(dropout=0.0)
gpt = GPT._replace(body=GPT.body._replace(positions=None))
past = key_value_cache.empty_cache((B,), 5, gpt, CONFIG.good)
decoding = decoder_cache.prefill(token_ids, TRANSFORMER, CONFIG.good, 4, lengths)
CHECKED = "weights and configuration of a model, which `gpt` and `transformer` check"

ROWS = (
    row(
        best_span.best_span,
        scores=also(also(shaped(scores), "NaN", scores * np.nan), "complex", scores.astype(complex)),
        allowed=Argument(
            allowed,
            (
                *(Bad(f"dtype {dtype}", allowed.astype(dtype)) for dtype in ("int64", "float32", "object")),
                Bad("a list", allowed.tolist()),
                *other_shapes(allowed),
            ),
            names=("scores",),
        ),
        longest=integer(2),
    ),
    internal(best_span.check_allowed, allowed=allowed, scores=scores),
    row(sampling.write, read=given(read, CALLABLE), prompt=one_row(prompt), rng=rng(required=False), params=PARAMS),
    row(sampling.next_token, logits=one_row_of_numbers(), params=PARAMS, rng=rng()),
    internal(
        sampling.unchecked_next_token, logits=logits, params=sampling.SamplingParams(), rng=np.random.default_rng(0)
    ),
    row(sampling.distribution, logits=one_row_of_numbers(), params=PARAMS),
    row(sampling.check_params, params=PARAMS),
    internal(sampling.n_enough, p=np.array([0.5, 0.3, 0.2]), top_p=0.6),
    internal(sampling.check_logits, logits=logits),
    row(
        key_value_cache.empty_cache,
        batch=Argument((B,), tuple(Bad(f"{wrong!r}", wrong, told=False) for wrong in ((2.0,), (-1,), None, "ab"))),
        context=integer(5),
        weights=given(gpt, CHECKED),
        config=Argument(CONFIG.good, tuple(bad for bad in CONFIG.bad if bad.what.startswith("heads")), names=("h",)),
    ),
    row(
        key_value_cache.decode_step,
        ids=passed_on(ids(token_ids, 8, ndim=1, same_shape=False), "ids")._replace(
            bad=(
                *ids(token_ids, 8, ndim=1).bad,
                Bad("one alone of the batch", token_ids[:1]),
                Bad("without the batch", token_ids[0]),
                Bad("a batch more", token_ids[None]),
                Bad("too many", np.tile(token_ids, 2)),
                Bad("none", token_ids[:, :0]),
            )
        ),
        past=given(past, "what `empty_cache` made"),
        weights=given(gpt, CHECKED),
        config=given(CONFIG.good, CHECKED),
    ),
    row(
        decoder_cache.prefill,
        source=passed_on(
            also(also(ids(token_ids, 8, ndim=2), "an axis more", token_ids[None]), "none", token_ids[:, :0]), "lengths"
        ),
        weights=given(TRANSFORMER, CHECKED),
        config=given(CONFIG.good, CHECKED),
        longest=integer(4),
        lengths=optional(ids(lengths, 4, same_shape=True)),
    ),
    row(
        decoder_cache.decode_step,
        tokens=ids(start, 9, ndim=1, same_shape=True),
        decoding=given(decoding, "what `prefill` made"),
        weights=given(TRANSFORMER, CHECKED),
        config=given(CONFIG.good, CHECKED),
    ),
    row(decoder_cache.reorder, decoding=given(decoding, "what `prefill` made"), order=ids(start, B, ndim=1)),
    row(beam_search.greedy, **searched),
    row(beam_search.beam_search, **searched, width=integer(2), alpha=not_negative(0.6)),
    internal(beam_search.best_continuations, log_P=log_P, sequence=np.array([0, 1]), width=2),
    internal(beam_search.likeliest, log_P=log_P[0], k=2),
    internal(beam_search.continued, hypotheses=hypotheses, indices=np.array([1]), tokens=np.array([2]), log_P=log_P),
    internal(
        beam_search.still_open, hypotheses=hypotheses, ends=np.array([True, False]), finished=[[], []], divisor=3.0
    ),
    internal(beam_search.check_search, start=start, end=END, longest=3, width=2, alpha=0.6),
    row(
        beam_search.check_log_p,
        log_p=Argument(
            log_P,
            tuple(
                Bad(what, value)
                for what, value in {
                    "None": None,
                    "a list": log_P.tolist(),
                    "integers": log_P.astype(int),
                    "booleans": log_P < 0,
                    "complex numbers": log_P.astype(complex),
                    "an axis less": log_P[0],
                    "an axis more": log_P[None],
                    "one row": log_P[:1],
                    "rows too many": np.concatenate([log_P, log_P]),
                    "NaN": np.where(log_P == log_P[0, 0], np.nan, log_P),
                    "all -infinity": np.where(np.arange(2)[:, None] == 1, -np.inf, log_P),
                    "logits": log_P + 3,
                    "infinity": np.where(log_P == log_P[0, 0], np.inf, log_P),
                }.items()
            ),
            names=("log-probabilities",),
        ),
        N=given(2, "how many tokens `beam_search` has"),
        end=integer(END, 0, V - 1),
    ),
)
