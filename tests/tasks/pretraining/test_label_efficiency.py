"""What pretraining gives, by the number of labelled examples: what is trained, what is kept, what is drawn (2.3.2)."""

import itertools
import json
import statistics

import pytest
from assertions import refuses
from every_task import same
from few_documents import few_documents, small_run

from minitransformer.data.docstrings import Docstring
from minitransformer.tasks.classification import classification, topics
from minitransformer.tasks.pretraining import label_efficiency
from minitransformer.tasks.pretraining.label_efficiency import (
    CLASSIFY,
    LABELS,
    MINUTES,
    PRETRAINED,
    QA,
    RNN,
    SCRATCH,
    SEEDS,
    STEPS,
    Cell,
    Point,
    Results,
    as_dict,
    curve,
    curve_cells,
    load_results,
    measure,
    plot_curves,
    reader_cells,
    readers,
    start,
)
from minitransformer.tasks.reading import reading
from minitransformer.tasks.run import save_run
from minitransformer.training.session import Goal
from minitransformer.tree import leaves


def docstring(number):
    module = ("queue", "xml")[number % 2]
    text = f"Do {number}.\n\nParameters\n----------\nx{number} : int\n    The {module} to take, and to go on with.\n"
    return Docstring(f"{module}.f{number}", text)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """The path of a small run, whose weights no seed draws."""
    directory = tmp_path_factory.mktemp("run")
    run = small_run(few_documents(directory))
    run.state.weights[:] *= 0.5
    save_run(directory / "bert.run", run)
    return directory / "bert.run"


@pytest.fixture
def few(monkeypatch):
    docstrings = [docstring(number) for number in range(40)]
    monkeypatch.setattr(reading, "numpy_docstrings", lambda: docstrings)
    monkeypatch.setattr(topics, "library_docstrings", lambda: docstrings)


@pytest.fixture
def results(tmp_path):
    """All that is asked of both arms: a little more with more labels, and with pretraining."""
    found = Results(tmp_path / "results.json", {})
    for arm in (PRETRAINED, SCRATCH):
        for cell in curve_cells(arm, MINUTES):
            accuracy = cell.labels / 1000 + cell.seed / 100 + (0.1 if arm == PRETRAINED else 0)
            found = Results(found.path, found.accuracies | {label_efficiency.key(cell): accuracy})
    return found


def test_both_arms_have_the_same_cells():
    """Every task, every number of labels, every seed, each with the same steps; the smallest numbers first."""
    cells = curve_cells(PRETRAINED, MINUTES)
    assert [cell._replace(arm=SCRATCH) for cell in cells] == curve_cells(SCRATCH, MINUTES)
    assert len({cell.name for cell in cells}) == len(cells) == 2 * len(LABELS) * len(SEEDS)
    assert all(cell.steps == STEPS[cell.task] and cell.seconds is None for cell in cells)
    assert [cell.labels for cell in cells] == sorted(cell.labels for cell in cells)
    assert cells[0].name == f"qa, {LABELS[0]} labels, pretrained, seed 0"


def test_in_half_the_time_each_has_half_the_steps():
    """And one at least; what was measured in another comparison does not count in this one."""
    whole, half = curve_cells(SCRATCH, MINUTES), curve_cells(SCRATCH, MINUTES / 2)
    assert [cell.steps for cell in half] == [cell.steps // 2 for cell in whole]
    assert {cell.steps for cell in curve_cells(SCRATCH, 1e-9)} == {1}
    assert len(Results(None, {label_efficiency.key(whole[0]): 1.0}).missing(half)) == len(half)


def test_the_readers_have_all_labels_and_the_same_time():
    cells = reader_cells(90.0)
    assert [(cell.arm, cell.seed) for cell in cells] == list(itertools.product((PRETRAINED, SCRATCH, RNN), SEEDS))
    assert all(cell[:2] == (QA, None) and (cell.steps, cell.seconds) == (None, 90.0) for cell in cells)
    assert cells[-1].name == "qa, all labels, recurrent, seed 2"


def test_each_arm_starts_as_it_says(pretrained):
    """With the pretrained weights, with others of their shape, or with another model; and by its seed.

    Of the pretrained weights the reader takes the embeddings, the classifier all.
    """
    run = label_efficiency.load_run(pretrained, label_efficiency.BERT)
    for task, name in ((QA, "reading comprehension"), (CLASSIFY, "classification")):
        tuned, scratch, other = (
            start(Cell(task, 9, arm, seed), run) for arm, seed in ((PRETRAINED, 0), (SCRATCH, 0), (SCRATCH, 1))
        )
        assert all((one.kind.task, one.kind.name) == (name, "bert") for one in (tuned, scratch))

        def taken(run, whole=task == CLASSIFY):
            return leaves(run.weights.bert if whole else run.weights.bert.embedding)

        same = [[bool((a == b).all()) for a, b in zip(taken(one), taken(run), strict=True)] for one in (tuned, scratch)]
        assert all(same[0]) and not all(same[1])
        assert (scratch.state.weights != other.state.weights).any()
    recurrent = start(Cell(QA, None, RNN, 0), run)
    assert (recurrent.kind.name, recurrent.vocabulary) == ("rnn", run.vocabulary)


@pytest.mark.parametrize(("task", "arm"), [(QA, PRETRAINED), (QA, RNN), (CLASSIFY, SCRATCH)])
def test_measuring_trains_on_so_many_labels_and_tests(task, arm, pretrained, few):
    """Always with the same result; the steps are the cell's."""
    reports = []
    cell = Cell(task, 5, arm, 1, steps=2)
    accuracy = measure(cell, pretrained, reports.append)
    assert 0 <= accuracy <= 1
    assert [report.step.step for report in reports] == [1, 2]
    assert measure(cell, pretrained) == accuracy


@pytest.mark.parametrize(("task", "module", "name"), [(QA, reading, "score"), (CLASSIFY, classification, "accuracy")])
@pytest.mark.parametrize(("seed", "labels"), [(0, 5), (1, 5), (2, 9), (1, None)])
def test_each_cell_learns_from_its_own_labels_and_is_tested_on_the_test(
    task, module, name, seed, labels, pretrained, few, monkeypatch
):
    """Drawn by its seed, as many as it says; what is measured is the trained model on the whole test side."""
    begun, asked = [], []

    def carry_on(run, data, report):
        begun.append((run, data))
        return run._replace(seed="trained"), False

    def measured(run, side):
        asked.append((run.seed, side))
        return reading.Score(0.75, 0.5) if task == QA else 0.75

    monkeypatch.setattr(module, "carry_on", carry_on)
    monkeypatch.setattr(module, name, measured)
    assert measure(Cell(task, labels, PRETRAINED, seed, steps=2, seconds=9.0), pretrained) == 0.75
    ((run, data),) = begun
    expected = module.prepare(run.vocabulary, seed, labels)
    assert same(data.training, expected.training)
    assert not same(data.training, module.prepare(run.vocabulary, seed + 1, labels).training)
    assert (run.seed, run.goal) == (seed, Goal(steps=2, seconds=9.0))
    ((trained, side),) = asked
    assert trained == "trained" and same(side, expected.test)
    assert not same(expected.test, expected.validation)


@pytest.mark.parametrize("task", [QA, CLASSIFY])
def test_what_was_stopped_is_not_measured(task, pretrained, few, monkeypatch):
    module = label_efficiency.reading if task == QA else label_efficiency.classification
    monkeypatch.setattr(module, "carry_on", lambda run, data, report: (run, True))
    assert measure(Cell(task, 5, SCRATCH, 0, steps=2), pretrained) is None


def test_results_are_kept_at_once_and_read_again(tmp_path):
    """What was measured with other steps, or for another time, is something else."""
    path = tmp_path / "results.json"
    nothing = load_results(path)
    assert nothing == Results(path, {}) and not path.exists()
    first, second = curve_cells(SCRATCH, MINUTES)[:2]
    some = nothing.with_one(first, 0.25).with_one(second, 0.5)
    again = load_results(path)
    assert again == some
    assert (again.of(first), again.of(second), again.of(first._replace(steps=7))) == (0.25, 0.5, None)
    assert nothing.of(first) is None
    assert again.missing(curve_cells(SCRATCH, MINUTES)) == curve_cells(SCRATCH, MINUTES)[2:]
    reader, longer = reader_cells(9.0)[0], reader_cells(9.5)[0]
    with_reader = again.with_one(reader, 0.75)
    assert (with_reader.of(reader), with_reader.of(longer)) == (0.75, None)
    assert with_reader.missing([reader, longer]) == [longer]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": "b"}', '{"a": null}', '"text"', "\udcff"])
def test_a_damaged_file_of_results_is_refused(tmp_path, content):
    """And stays as it is."""
    path = tmp_path / "results.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"^results: '.*results.json' is damaged, or another kind of file \(.*\)$"):
        load_results(path)
    assert path.read_bytes() == content.encode(errors="surrogateescape")


def test_a_curve_is_mean_and_spread_over_the_seeds(results):
    """Of each number of labels whose seeds have all been measured. Seeds come to 0, 1 and 2 points more."""
    spread = pytest.approx(statistics.stdev(s / 100 for s in SEEDS))
    middle = [pytest.approx(n / 1000 + 0.1 + 0.01) for n in LABELS]
    ends = [(pytest.approx(n / 1000 + 0.1), pytest.approx(n / 1000 + 0.1 + 0.02)) for n in LABELS]
    expected = [Point(n, m, spread, m, *both) for n, m, both in zip(LABELS, middle, ends, strict=True)]
    assert SEEDS == (0, 1, 2)
    assert curve(results, QA, PRETRAINED, MINUTES) == expected
    missing = Cell(QA, LABELS[1], PRETRAINED, SEEDS[-1], steps=STEPS[QA])
    fewer = {k: v for k, v in results.accuracies.items() if k != label_efficiency.key(missing)}
    assert curve(Results(results.path, fewer), QA, PRETRAINED, MINUTES) == [expected[0], *expected[2:]]
    assert curve(Results(results.path, fewer), CLASSIFY, PRETRAINED, MINUTES) == expected
    assert curve(Results(results.path, {}), QA, SCRATCH, MINUTES) == []


def test_an_accuracy_of_nothing_is_an_accuracy(tmp_path):
    """0 is not the same as not measured."""
    found = Results(tmp_path / "results.json", {})
    for cell in curve_cells(SCRATCH, MINUTES):
        found = Results(found.path, found.accuracies | {label_efficiency.key(cell): 0.0})
    assert curve(found, QA, SCRATCH, MINUTES) == [Point(n, 0.0, 0.0, 0.0, 0.0, 0.0) for n in LABELS]
    assert found.missing(curve_cells(SCRATCH, MINUTES)) == []


def with_readers(results, cells):
    """Every seed of one reader, and of another one all but the last."""
    scratch, recurrent = ([cell for cell in cells if cell.arm == arm] for arm in (SCRATCH, RNN))
    for cell, accuracy in [*zip(scratch, (0.75, 0.0, 0.75), strict=True), *((cell, 0.5) for cell in recurrent[:-1])]:
        results = results.with_one(cell, accuracy)
    return results


def test_readers_are_compared_by_mean_and_spread(results):
    """Each once all of its seeds have been measured; median and range say what mean and spread do not."""
    cells = reader_cells(9.0)
    assert readers(results, cells) == {}
    spread = pytest.approx((2 * 0.25**2 + 0.5**2) ** 0.5 / 2**0.5)  # around 0.5, of two degrees of freedom
    assert readers(with_readers(results, cells), cells) == {SCRATCH: Point(None, 0.5, spread, 0.75, 0.0, 0.75)}


def test_more_seeds_are_more_trainings_of_the_same_kinds():
    """The first of them are those of fewer seeds, so that what was measured counts; with one there is no spread."""
    few, more = curve_cells(SCRATCH, MINUTES), curve_cells(SCRATCH, MINUTES, 10)
    assert [cell for cell in more if cell.seed in SEEDS] == few
    assert len(set(more)) == len(more) == 2 * len(LABELS) * 10
    assert [cell for cell in reader_cells(9.0, 10) if cell.seed in SEEDS] == reader_cells(9.0)
    with refuses(ValueError, "seeds: got 1, expected 2 or more"):
        curve_cells(SCRATCH, MINUTES, 1)


def test_as_json(results):
    """Curves by task and arm; readers whose seeds have all been measured."""
    cells = reader_cells(9.0)
    found = json.loads(json.dumps(as_dict(with_readers(results, cells), cells, MINUTES)))
    assert set(found["readers"]) == {SCRATCH}
    named = {"labels": None, "mean": 0.5, "median": 0.75, "lowest": 0.0, "highest": 0.75}
    assert named.items() <= found["readers"][SCRATCH].items()
    assert [point["labels"] for point in found["curves"][CLASSIFY][SCRATCH]] == list(LABELS)
    assert set(found["curves"][QA]) == {PRETRAINED, SCRATCH}


def test_the_picture_is_a_png_file(results, tmp_path):
    """Also while there is little to see."""
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    for name, found in (("a.png", results), ("b.png", Results(tmp_path / "r.json", {}))):
        plot_curves(tmp_path / name, found, MINUTES)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_too_many_labels_are_refused(pretrained, few):
    with pytest.raises(ValueError, match=r"^labels: got 1000, expected 1 to \d+$"):
        measure(Cell(QA, 1000, SCRATCH, 0, steps=1), pretrained)
    with refuses(ValueError, "checkpoint: cannot read 'no.run' (No such file or directory), expected a checkpoint"):
        measure(Cell(QA, 5, SCRATCH, 0, steps=1), "no.run")
