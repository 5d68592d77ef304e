"""Section 2.3.2, measured: how well a task is learned from few labels, with pretraining and without.

Both have the same shape, the same words, the same labels and the same number of steps; so have the two readers of 6.3,
BERT and the recurrent one, the same time.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from minitransformer.checks import check_integer
from minitransformer.files import write_whole
from minitransformer.tasks import finetuning
from minitransformer.tasks.classification import classification
from minitransformer.tasks.classification.classifiers import BERT_CLASSIFIER
from minitransformer.tasks.picture import new_figure, write_png
from minitransformer.tasks.pretraining.bert import BERT
from minitransformer.tasks.reading import reading
from minitransformer.tasks.reading.readers import BERT_READER, RNN_READER
from minitransformer.tasks.run import Run, load_run
from minitransformer.training.session import Goal, Report

QA, CLASSIFY = TASKS = ("qa", "classify")
PRETRAINED, SCRATCH, RNN = "pretrained", "from scratch", "recurrent"
READERS = (PRETRAINED, SCRATCH, RNN)
LABELS = (50, 150, 500)
SEEDS = (0, 1, 2)
MINUTES = 19.0  # of a whole comparison, on two cores
STEPS = {QA: 700, CLASSIFY: 450}  # in a comparison of so many minutes; in proportion in another one


class Cell(NamedTuple):
    """One training: what is learned, from how many labels (None: all), by which model, for how long."""

    task: str
    labels: int | None
    arm: str
    seed: int
    steps: int | None = None
    seconds: float | None = None

    @property
    def name(self) -> str:
        return f"{self.task}, {self.labels or 'all'} labels, {self.arm}, seed {self.seed}"


def curve_cells(arm: str, minutes: float, seeds: int | None = None) -> list[Cell]:
    """The points of the label-efficiency curves, the smallest numbers of labels first.

    seeds: how many, counted from 0; None: SEEDS. The number does not change how long each training is.
    """
    steps = {task: max(1, round(STEPS[task] * minutes / MINUTES)) for task in TASKS}
    return [
        Cell(task, labels, arm, seed, steps=steps[task])
        for labels in LABELS
        for task in TASKS
        for seed in first_seeds(seeds)
    ]


def reader_cells(seconds: float, seeds: int | None = None) -> list[Cell]:
    """The readers of 6.3, each with all labels and the same time. seeds: as in `curve_cells`"""
    return [Cell(QA, None, arm, seed, seconds=seconds) for arm in READERS for seed in first_seeds(seeds)]


def first_seeds(seeds: int | None) -> Sequence[int]:
    """Raises ValueError for fewer than two, which have no standard deviation."""
    if seeds is None:
        return SEEDS
    check_integer("seeds", seeds, minimum=2)
    return range(seeds)


def measure(cell: Cell, pretrained: str | Path, report: Callable[[Report], None] = lambda r: None) -> float | None:
    """Train one, and test it: the part of the test that is right. None: it was stopped by Ctrl-C.

    pretrained: the path of a run of `pretrain bert`, of which a model that starts from scratch has shape and words.
    """
    run = start(cell, load_run(pretrained, BERT))._replace(goal=Goal(cell.steps, cell.seconds))
    if cell.task == QA:
        data = reading.prepare(run.vocabulary, cell.seed, cell.labels)
        run, stopped = reading.carry_on(run, data._replace(validation=data.validation[:1]), report=report)
        return None if stopped else reading.score(run, data.test).exact
    texts = classification.prepare(run.vocabulary, cell.seed, cell.labels)
    run, stopped = classification.carry_on(run, texts, report=report)
    return None if stopped else classification.accuracy(run, texts.test)


def start(cell: Cell, pretrained: Run) -> Run:
    scratch = cell.arm == SCRATCH
    if cell.arm == RNN:
        return finetuning.rnn_reader(pretrained, RNN_READER.kind.settings, cell.seed)
    if cell.task == QA:
        return finetuning.reader(pretrained, BERT_READER.kind.settings, cell.seed, scratch)
    return finetuning.bert_classifier(pretrained, BERT_CLASSIFIER.kind.settings, cell.seed, scratch)


class Results(NamedTuple):
    """What has been measured, kept in a file, so that a comparison that was stopped goes on where it was."""

    path: Path
    accuracies: dict[str, float]  # by the cell's name

    def with_one(self, cell: Cell, accuracy: float) -> "Results":
        """Kept at once."""
        more = Results(self.path, self.accuracies | {key(cell): accuracy})
        write_whole(self.path, json.dumps(more.accuracies, indent=1).encode())
        return more

    def missing(self, cells: list[Cell]) -> list[Cell]:
        return [cell for cell in cells if key(cell) not in self.accuracies]

    def of(self, cell: Cell) -> float | None:
        return self.accuracies.get(key(cell))


def key(cell: Cell) -> str:
    return f"{cell.name}, {cell.steps or cell.seconds}"


def load_results(path: Path) -> Results:
    """Those that the file has; none where there is no file. Raises ValueError for a file of another kind."""
    if not path.exists():
        return Results(path, {})
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Results(path, {str(name): float(value) for name, value in found.items()})
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise ValueError(f"results: {str(path)!r} is damaged, or another kind of file ({error})") from error


class Point(NamedTuple):
    labels: int | None  # None: all
    mean: float
    spread: float  # standard deviation over the seeds
    median: float  # with the range it shows what mean and spread hide: that some seeds succeed and others fail
    lowest: float
    highest: float


def curve(results: Results, task: str, arm: str, minutes: float, seeds: int | None = None) -> list[Point]:
    """A point for each number of labels whose seeds have all been measured."""
    cells = [cell for cell in curve_cells(arm, minutes, seeds) if cell.task == task]
    points = [point(results, [cell for cell in cells if cell.labels == labels]) for labels in LABELS]
    return [found for found in points if found is not None]


def readers(results: Results, cells: list[Cell]) -> dict[str, Point]:
    """The same for each reader whose seeds have all been measured."""
    points = {arm: point(results, [cell for cell in cells if cell.arm == arm]) for arm in READERS}
    return {arm: found for arm, found in points.items() if found is not None}


def point(results: Results, cells: list[Cell]) -> Point | None:
    """The results of trainings that differ only in their seed. None: not all of them have been measured."""
    found = [results.of(cell) for cell in cells]
    if None in found:
        return None
    mean, spread, median = statistics.mean(found), statistics.stdev(found), statistics.median(found)
    return Point(cells[0].labels, mean, spread, median, min(found), max(found))


def plot_curves(path: str | Path, results: Results, minutes: float, seeds: int | None = None) -> None:
    """A panel for each task: accuracy over labels, with a bar for the spread. A PNG file, written whole."""
    figure = new_figure(9, 3.8)
    titles = {QA: "questions about NumPy's docstrings", CLASSIFY: "topic of a docstring"}
    for panel, task in zip(figure.subplots(1, 2), TASKS, strict=True):
        for arm in (PRETRAINED, SCRATCH):
            points = curve(results, task, arm, minutes, seeds)
            panel.errorbar(
                [p.labels for p in points],
                [p.mean for p in points],
                [p.spread for p in points],
                marker="o",
                capsize=3,
                label=arm,
            )
        panel.set_xscale("log")
        panel.set_xticks(LABELS, map(str, LABELS))
        panel.minorticks_off()
        panel.set_ylim(bottom=0)
        panel.set_xlabel("labelled examples")
        panel.set_ylabel("right in the test")
        panel.set_title(titles[task])
        panel.legend()
    write_png(path, figure)


def as_dict(results: Results, of_readers: list[Cell], minutes: float, seeds: int | None = None) -> dict[str, Any]:
    """For `--json`."""
    return {
        "curves": {
            task: {
                arm: [p._asdict() for p in curve(results, task, arm, minutes, seeds)] for arm in (PRETRAINED, SCRATCH)
            }
            for task in TASKS
        },
        "readers": {arm: found._asdict() for arm, found in readers(results, of_readers).items()},
    }
