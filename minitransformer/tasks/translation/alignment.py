"""Section 3.2.2, looked at: what each word of a translation attended to in the source, by layer and head."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minitransformer.data.unicode_classes import columns_of
from minitransformer.models.transformer import transformer
from minitransformer.tasks.picture import check_library, new_figure, write_png
from minitransformer.tasks.translation.batches import source_batch, target_batch
from minitransformer.tasks.translation.evaluation import translate
from minitransformer.tasks.translation.language import END
from minitransformer.tasks.translation.run import Run
from minitransformer.tasks.translation.transformer import config

Array = np.ndarray

SHADES = " ░▒▓█"  # a fifth of the weight each
LEGEND = f"Each row sums to 1: from blank, below 0.2, by fifths to {SHADES[-1]}, 0.8 and more. {END} is the end."


class Alignment(NamedTuple):
    source: list[str]  # the words that were read, and the end
    target: list[str]  # the words that were written, and the end
    alpha: Array  # (n_layers, h, L_t, L_s), weights of the encoder-decoder attention: each row sums to 1


def align(run: Run, sentence: str) -> Alignment:
    """Translate a sentence, and look at the weights with which each of its words was chosen.

    Raises ValueError for a model without attention.
    """
    if run.kind.name != "transformer":
        raise ValueError(
            f"checkpoint: got a model of kind {run.kind.name!r}, expected a Transformer: it has no attention"
        )
    translation = translate(run, [sentence])[0]
    source, _ = source_batch([run.source.encode(sentence)], run.source)  # (1, L_s)
    inputs, _ = target_batch([run.target.encode(translation)], run.target)  # (1, L_t)
    _, cache = transformer(source, inputs, run.weights, config(run.settings))
    alpha = np.stack([layer.cross_attention.attention.attend.alpha[0] for layer in cache.decoder.layers])
    return Alignment(run.source.pieces(sentence), run.target.pieces(translation), alpha)


def chosen(alignment: Alignment, layer: int | None, head: int | None) -> tuple[str, Array]:
    """One layer and head, counted from 1; without a head, the mean over them; without a layer, of the last layer.

    -> what it is, and its weights, (L_t, L_s)
    """
    n_layers, h = alignment.alpha.shape[:2]
    for name, value, most in (("layer", layer, n_layers), ("head", head, h)):
        if value is not None and not 1 <= value <= most:
            raise ValueError(f"{name}: got {value}, expected 1 to {most}")
    number = n_layers if layer is None else layer
    weights = alignment.alpha[number - 1]
    if head is None:
        return f"layer {number}, mean of {h} heads", weights.mean(axis=0)
    return f"layer {number}, head {head}", weights[head - 1]


def as_text(alignment: Alignment, weights: Array) -> list[str]:
    """A heatmap of shaded cells: a line for each word of the translation, a column for each word of the source."""
    widths = [max(2, columns_of(word)) for word in alignment.source]
    margin = max(columns_of(word) for word in alignment.target)
    header = " " * (margin + 1) + "".join(
        fill(word, width + 1) for word, width in zip(alignment.source, widths, strict=True)
    )
    lines = [header]
    for word, row in zip(alignment.target, weights, strict=True):
        cells = [
            SHADES[min(int(weight * len(SHADES)), len(SHADES) - 1)] * width
            for weight, width in zip(row, widths, strict=True)
        ]
        lines.append(fill(word, margin + 1) + " ".join(cells))
    return lines


def fill(word: str, width: int) -> str:
    return word + " " * (width - columns_of(word))


def plot_alignment(path: str | Path, alignment: Alignment) -> bool:
    """All layers (rows) and heads (columns) as one PNG file, written whole. -> whether there is a font for all words

    Raises ValueError where matplotlib is missing.
    """
    check_library()
    from matplotlib import font_manager

    n_layers, h, L_t, L_s = alignment.alpha.shape
    known = {font.name for font in font_manager.fontManager.ttflist}
    families = [name for name in CHINESE_FONTS if name in known] + ["DejaVu Sans"]
    narrow = all(len(word) == 1 for word in alignment.source)
    figure = new_figure(0.22 * L_s * h + 2, 0.2 * L_t * n_layers + 1.2)
    panels = figure.subplots(n_layers, h, squeeze=False, sharex=True, sharey=True)
    for i, row in enumerate(panels):
        for j, panel in enumerate(row):
            panel.imshow(alignment.alpha[i, j], vmin=0, vmax=1, cmap="Blues", aspect="auto")
            panel.set_title(f"layer {i + 1}, head {j + 1}", fontsize=8)
            panel.set_xticks(range(L_s), alignment.source, fontsize=7, family=families, rotation=0 if narrow else 90)
            panel.set_yticks(range(L_t), alignment.target, fontsize=7, family=families)
    with warnings.catch_warnings(record=True) as missing:  # of glyphs, one warning for each
        warnings.simplefilter("always")
        write_png(path, figure, dpi=130)
    return not missing


CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
)
