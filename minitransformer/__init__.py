"""The Transformer from first principles: every equation written out in NumPy, its backward derived by hand, and proven.

Start reading at `minitransformer/equations/attention.py`, or run `python -m minitransformer`.
"""

__all__ = ["TransformerEncoderLayer"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Section 5's class, imported when it is first asked for: the command line sets up NumPy's threads before that."""
    if name == "TransformerEncoderLayer":
        from minitransformer.nn import TransformerEncoderLayer

        return TransformerEncoderLayer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
