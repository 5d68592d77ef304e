"""The rungs of the ladder, by name, in the order in which they came."""

from minitransformer.tasks.language_modelling.fnn import FNN
from minitransformer.tasks.language_modelling.gpt import GPT_KIND
from minitransformer.tasks.language_modelling.kind import Kind
from minitransformer.tasks.language_modelling.ngram import NGRAM
from minitransformer.tasks.language_modelling.rnn import RNN

KINDS: dict[str, Kind] = {kind.name: kind for kind in (NGRAM, FNN, RNN, GPT_KIND)}


def kind_named(name: str) -> Kind:
    """Raises ValueError for a name that there is not."""
    if name not in KINDS:
        raise ValueError(f"kind: got {name!r}, expected one of {', '.join(KINDS)}")
    return KINDS[name]
