"""The Transformer from first principles: every equation written out in NumPy, its backward derived by hand, and tested.

Start reading at `minitransformer/equations/attention.py`, or run `python -m minitransformer`.
"""

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Section 5's class and its kin, imported when first asked for: the command line sets up NumPy's threads before."""
    if name in __all__:
        from minitransformer import nn

        return getattr(nn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
