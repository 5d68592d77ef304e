"""The command `compare pretraining`: two processes, one that pretrains, and both that fine-tune; resumable."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minitransformer.checks import check_integer
from minitransformer.commands.common import add_common, bad_input, check_minutes, file_name
from minitransformer.commands.training import INTERRUPTED, WHOLE, alone_in
from minitransformer.data.documentation import documentation
from minitransformer.files import check_writable
from minitransformer.tasks.picture import check_library
from minitransformer.tasks.pretraining import bert, label_efficiency
from minitransformer.tasks.pretraining.label_efficiency import (
    CLASSIFY,
    MINUTES,
    PRETRAINED,
    QA,
    SCRATCH,
    Cell,
    Point,
    Results,
    curve,
    curve_cells,
    load_results,
    measure,
    plot_curves,
    reader_cells,
    readers,
)
from minitransformer.tasks.run import load_run, save_run
from minitransformer.terminal import Progress, Screen, SilentScreen, make_screen
from minitransformer.training.session import Goal

PROCESSES = 2
SHARES = {"pretraining": 0.398, "readers": 1 / 19}  # of the minutes; the rest is for the curves, and for measuring
TITLES = {QA: "questions", CLASSIFY: "topics"}
PRETRAINING = "bert.run"
COLUMNS = ("right", "median", "range")  # over the seeds; "right" is mean ± standard deviation


def add_compare(comparisons: Any) -> None:
    """`compare pretraining`."""
    compare = comparisons.add_parser("pretraining", help="what pretraining gives, by the number of labelled examples")
    compare.add_argument(
        "--minutes", type=float, default=MINUTES, metavar="M", help=f"in all, on two cores (default {MINUTES:g})"
    )
    compare.add_argument(
        "--out",
        type=file_name,
        default="compare-pretraining",
        metavar="DIR",
        help="what is kept, and gone on with if it is there",
    )
    n_seeds = len(label_efficiency.SEEDS)
    compare.add_argument(
        "--seeds",
        type=int,
        default=n_seeds,
        metavar="N",
        help=f"seeds for each training (default {n_seeds}; more take longer)",
    )
    compare.add_argument(
        "--plot", type=file_name, metavar="FILE", help="draw the curves as a PNG file (needs the extra `plots`)"
    )
    compare.set_defaults(run=run_compare)
    add_common(compare)


def run_compare(arguments: argparse.Namespace) -> int:
    try:
        check_minutes(arguments.minutes)
        check_integer("seeds", arguments.seeds, minimum=2)
        if arguments.plot:
            check_library()
            check_writable("plot", arguments.plot)
        directory = Path(arguments.out)
        make(directory)
        with alone_in(directory):
            return compare(arguments, directory)
    except ValueError as error:
        return bad_input(error)


def make(directory: Path) -> None:
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"out: cannot make {str(directory)!r} ({error.strerror}), expected a writable directory"
        ) from error


def compare(arguments: argparse.Namespace, directory: Path) -> int:
    results = load_results(directory / "results.json")
    screen = SilentScreen() if arguments.json else make_screen()
    begin_pretraining(directory, arguments, screen)
    of_readers = reader_cells(60 * arguments.minutes * SHARES["readers"], arguments.seeds)
    try:
        with screen.progress(WHOLE) as progress:
            results = fill_in(results, directory, arguments.minutes, of_readers, progress, screen.say, arguments.seeds)
    except KeyboardInterrupt:
        screen.say("Stopped by Ctrl-C. The same command goes on from here.")
        return INTERRUPTED
    show(screen, results, of_readers, arguments.minutes, arguments.seeds)
    if arguments.plot:
        plot_curves(arguments.plot, results, arguments.minutes, arguments.seeds)
        screen.say(f"Drawn in {arguments.plot}.")
    if arguments.json:
        facts = label_efficiency.as_dict(results, of_readers, arguments.minutes, arguments.seeds)
        print(json.dumps(facts, indent=2))
    return 0


def begin_pretraining(directory: Path, arguments: argparse.Namespace, screen: Screen) -> None:
    """Words and shape, before anything is learned: what starts from scratch needs no more."""
    path = directory / PRETRAINING
    seconds = 60 * arguments.minutes * SHARES["pretraining"]
    if path.exists():
        run = load_run(path, bert.BERT)
        if run.goal.seconds != seconds:
            begun_with = (run.goal.seconds or 0) / 60 / SHARES["pretraining"]
            raise ValueError(
                f"minutes: got {arguments.minutes}, expected those that {str(directory)!r} was begun with "
                f"({begun_with:g}), or another --out"
            )
        if run.seed != arguments.seed:
            raise ValueError(
                f"seed: got {arguments.seed}, expected the one that {str(directory)!r} was begun with ({run.seed}), "
                "or another --out"
            )
        screen.say(f"Going on with what is in {directory}.")
        return
    settings = bert.BERT.settings
    text = bert.prepare(documentation(), settings.vocabulary)
    save_run(path, bert.begin(settings, text, arguments.seed)._replace(goal=Goal(seconds=seconds)))


def pretrain(path: str) -> bool:
    """Go on to the run's goal. -> whether it was reached"""
    run = load_run(path, bert.BERT)
    if run.state.seconds >= run.goal.seconds:
        return True
    text = bert.prepare(documentation(), run.vocabulary)
    bert.check_text(run, text)
    return not bert.carry_on(run, text, Path(path))[1]


def fill_in(
    results: Results,
    directory: Path,
    minutes: float,
    of_readers: list[Cell],
    progress: Progress,
    say: Callable[[str], None] = lambda text: None,
    seeds: int | None = None,
) -> Results:
    """Measure what is missing; what needs no pretraining, beside it. Raises KeyboardInterrupt once all has stopped."""
    path = str(directory / PRETRAINING)
    independent = [*curve_cells(SCRATCH, minutes, seeds), *(cell for cell in of_readers if cell.arm != PRETRAINED)]
    dependent = [*curve_cells(PRETRAINED, minutes, seeds), *(cell for cell in of_readers if cell.arm == PRETRAINED)]
    cells = [*independent, *dependent]
    begun = time.perf_counter()
    with processes(say) as pool:
        pretraining: Future | None = pool.submit(pretrain, path)
        waiting: dict[Future, Cell] = {pool.submit(measure, c, path): c for c in results.missing(independent)}
        while waiting or pretraining:
            done, _ = wait([*waiting, *([pretraining] if pretraining else [])], 1.0, FIRST_COMPLETED)
            for future in done:
                if future is pretraining:
                    if not future.result():
                        raise KeyboardInterrupt
                    pretraining = None
                    waiting |= {pool.submit(measure, c, path): c for c in results.missing(dependent)}
                else:
                    accuracy = future.result()
                    if accuracy is None:
                        raise KeyboardInterrupt
                    results = results.with_one(waiting.pop(future), accuracy)
            n = len(cells) - len(results.missing(cells))
            so_far = (time.perf_counter() - begun) / 60
            state = "pretraining, and " if pretraining else ""
            progress.update(WHOLE * n // len(cells), f"{state}{n} of {len(cells)} trainings, {so_far:.1f} min")
    return results


@contextmanager
def processes(say: Callable[[str], None]) -> Iterator[Executor]:
    """Two, that finish what they do when Ctrl-C is pressed, and then begin nothing new."""
    import multiprocessing  # not before: it gives the main module a second name
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except KeyboardInterrupt:
        say("Ctrl-C: waiting for what is being written ...")
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def show(screen: Screen, results: Results, of_readers: list[Cell], minutes: float, seeds: int | None = None) -> None:
    """The table of both tasks, and the readers beside one another."""
    rows = []
    for task in (QA, CLASSIFY):
        pretrained, scratch = (curve(results, task, arm, minutes, seeds) for arm in (PRETRAINED, SCRATCH))
        for points in zip(pretrained, scratch, strict=False):
            for arm, point in zip((PRETRAINED, SCRATCH), points, strict=True):
                rows.append((TITLES[task], str(point.labels), arm, *shown(point)))
    screen.table(("task", "labels", "model", *COLUMNS), rows)
    seconds = of_readers[0].seconds
    screen.say(f"Reading comprehension with all labels, each after {seconds:.0f} seconds of training:")
    screen.table(("reader", *COLUMNS), [(arm, *shown(found)) for arm, found in readers(results, of_readers).items()])


def shown(point: Point) -> tuple[str, str, str]:
    return (
        f"{point.mean:.1%} ± {point.spread:.1%}",
        f"{point.median:.1%}",
        f"{point.lowest:.1%} to {point.highest:.1%}",
    )
