"""The ladder as a picture: how the loss fell with time, beside the models that are only counted. Needs matplotlib."""

from collections.abc import Sequence
from pathlib import Path

from minitransformer.equations.chain_rule import bits
from minitransformer.tasks.language_modelling.ladder import Result
from minitransformer.tasks.picture import new_figure, write_png


def plot_ladder(path: str | Path, results: Sequence[Result], packed: dict[str, float]) -> None:
    """Left, held-out loss over training time, right, bits a character on the test text. A PNG file, written whole."""
    figure = new_figure(11, 4.2)
    curves, bars = figure.subplots(1, 2, width_ratios=(3, 2))
    for result in results:
        looks = result.run.looks
        if looks:
            (line,) = curves.plot(
                [entry.seconds / 60 for entry in looks],
                [bits(entry.validation) for entry in looks],
                marker=".",
                label=result.rung.name,
            )
            curves.plot(
                [entry.seconds / 60 for entry in looks],
                [bits(entry.training) for entry in looks],
                linestyle=":",
                color=line.get_color(),
            )
    curves.set_xlabel("minutes of training")
    curves.set_ylabel("bits a word (dotted: on the training text)")
    curves.set_title("loss on the validation text")
    if curves.lines:
        curves.legend()
    names = [result.rung.name for result in results] + list(packed)
    values = [result.score.per_character for result in results] + list(packed.values())
    shown = bars.barh(names, values, color=["tab:blue"] * len(results) + ["tab:gray"] * len(packed))
    bars.bar_label(shown, fmt="%.2f", padding=2)
    bars.set_xlim(0, 1.15 * max(values))
    bars.invert_yaxis()
    bars.set_title("bits a character on the test text")
    write_png(path, figure)
