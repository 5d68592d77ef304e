"""Sections 2.1 and 3.4: the ladder of language models, each on the same text, so that one sees what each rung gave."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minitransformer.data.corpus import VALIDATION
from minitransformer.tasks.language_modelling.evaluation import Score, score
from minitransformer.tasks.language_modelling.kind import Kind
from minitransformer.tasks.language_modelling.kinds import KINDS
from minitransformer.tasks.language_modelling.run import Run, costs, new_run
from minitransformer.tasks.language_modelling.text import Text, judged
from minitransformer.tasks.language_modelling.training import carry_on
from minitransformer.training.session import Goal, Report

ORDERS = range(3, 11)  # of n-gram models; the best on the validation side is shown
SHARES = {"fnn": 0.08, "rnn": 0.2, "gpt": 0.64}  # of the minutes; the rest is for counting and for evaluation


class Rung(NamedTuple):
    name: str
    kind: Kind
    settings: Any
    seconds: float  # to train for; 0: it is counted


class Result(NamedTuple):
    rung: Rung
    run: Run
    seconds: float  # of training
    score: Score  # on the test text
    validation: float  # bits a character
    stopped: bool  # by Ctrl-C, before its time was over


def rungs(minutes: float) -> list[Rung]:
    """The bigram, the best n-gram, and the three that are trained, with their shares of the time."""
    ngram = KINDS["ngram"]
    names = {"fnn": "FNNLM (Bengio et al. 2003)", "rnn": "RNNLM (Elman network)", "gpt": "GPT"}
    trained = [Rung(names[k], KINDS[k], KINDS[k].settings, 60 * minutes * share) for k, share in SHARES.items()]
    return [Rung("bigram", ngram, ngram.settings._replace(n=2), 0.0), Rung("n-gram", ngram, None, 0.0), *trained]


def climb(
    text: Text, minutes: float, seed: int, report: Callable[[Rung, Report], None] = lambda rung, r: None
) -> Iterator[Result]:
    """Each rung, when it is trained and measured. Ctrl-C ends the training of one rung, and with it the climb."""
    for rung in rungs(minutes):
        if rung.seconds == 0:
            found = best_ngram(rung, text) if rung.settings is None else rung
            run, stopped = new_run(found.kind, found.settings, text, seed), False
        else:
            found = rung
            run = new_run(rung.kind, rung.settings, text, seed)._replace(goal=Goal(seconds=rung.seconds))
            run, stopped = carry_on(run, text, report=lambda r, rung=rung: report(rung, r))
        yield Result(
            found,
            run,
            run.state.seconds if run.state else 0.0,
            score(run, text),
            score(run, text, VALIDATION).per_character,
            stopped,
        )
        if stopped:
            return


def best_ngram(rung: Rung, text: Text) -> Rung:
    """Of all orders the one that costs least on the validation side."""
    candidates = [rung.kind.settings._replace(n=n) for n in ORDERS if text.vocabulary.size**n < 2**63]
    part = judged(text, VALIDATION)
    losses = [costs(new_run(rung.kind, settings, text), part.ids).mean() for settings in candidates]
    best = candidates[int(np.argmin(losses))]
    return rung._replace(name=f"{best.n}-gram, Kneser-Ney", settings=best)
