"""The Transformer from first principles: every equation written out in NumPy, its backward derived by hand, and proven.

Start at `minitransformer.equations.attention`, or run `python -m minitransformer`.
"""

from minitransformer.nn import TransformerEncoderLayer

__all__ = ["TransformerEncoderLayer"]
__version__ = "0.1.0"
