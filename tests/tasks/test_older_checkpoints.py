"""Files of version 1, whose names are others: nobody loses a model that was trained before."""

import numpy as np
import pytest
from assertions import refuses
from every_task import NAMES, same, task_named

from minitransformer.tasks import run as runs
from minitransformer.tasks.language_modelling import run as language_models
from minitransformer.tasks.translation import run as translation
from minitransformer.training import checkpoint
from minitransformer.training.checkpoint import load_checkpoint, save_checkpoint
from minitransformer.training.older_checkpoints import renamed_settings, with_names_of_now
from minitransformer.training.session import Goal

# How the names of arrays began in version 1, and how they begin now; of all others they are the same.
BERT = ("weights.bert.embedding.words.", "weights.bert.embedding.tokens.")
OLDER = {
    (None, "gpt"): ("weights.", "weights.body."),
    ("classification", "gpt"): ("weights.gpt.", "weights.body."),
    ("classification", "bert"): BERT,
    ("reading comprehension", "bert"): BERT,
    ("reading comprehension", "rnn"): ("weights.words.", "weights.embedding."),
    ("pretraining", "bert"): BERT,
}
NAMES_OF_THEN = [name for name in NAMES if name not in ("gpt, rotary", "gpt, alibi")]


def module_of(name):
    """Where the functions are that save and load such a run."""
    if name.startswith("translation"):
        return translation
    return runs if name.startswith(("pretraining", "reading", "classification")) else language_models


def as_version_1(path):
    description, arrays = load_checkpoint(path)
    settings = dict(description["settings"])
    if "positions" in settings:
        settings["learned_positions"] = settings.pop("positions") == "learned"
        del settings["h_kv"]
    task = description.get("task")
    before, now = OLDER.get((task, description["kind"]), ("", ""))
    older = {(before + key.removeprefix(now) if key.startswith(now) else key): array for key, array in arrays.items()}
    if task == "pretraining":
        older = {key.replace("weights.token.", "weights.word."): array for key, array in older.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "VERSION", 1)
        save_checkpoint(path, description | {"settings": settings}, older)
    return older


@pytest.mark.parametrize("name", NAMES_OF_THEN)
def test_a_file_of_version_1_is_the_run_that_it_was(name, tmp_path):
    """Weights, state and settings, of every task."""
    task, module, path = task_named(name), module_of(name), tmp_path / "x.run"
    run = task.new(task.settings, 0)._replace(goal=Goal(steps=9))
    run.state.optimizer.m[...] = np.arange(run.state.optimizer.m.size)
    module.save_run(path, run)
    names = list(load_checkpoint(path).arrays)
    older = as_version_1(path)
    description = load_checkpoint(path).description
    assert (list(older) != names) == ((description.get("task"), description["kind"]) in OLDER)
    assert list(load_checkpoint(path).arrays) == names
    found = module.load_run(path, *([run.kind] if module is runs else []))
    assert same(found.weights, run.weights)
    assert same(found.state.optimizer.m, run.state.optimizer.m)
    assert found.settings == run.settings


def test_positions_were_learned_or_not():
    assert renamed_settings({"h": 2, "learned_positions": True}) == {"h": 2, "positions": "learned"}
    assert renamed_settings({"learned_positions": False}) == {"positions": "sinusoidal"}
    assert renamed_settings({"h": 2}) == {"h": 2}


def test_an_older_file_without_settings_is_damaged(tmp_path, monkeypatch):
    path = tmp_path / "x.run"
    monkeypatch.setattr(checkpoint, "VERSION", 1)
    for description in ({"kind": "gpt"}, {"kind": ["gpt"], "settings": {}}, [], {"settings": 3}):
        save_checkpoint(path, description, {"a": np.ones(2)})
        with refuses(
            ValueError,
            f"checkpoint: {str(path)!r} is damaged, or another kind of file, expected a checkpoint of minitransformer",
        ):
            load_checkpoint(path)


def test_what_the_first_readers_did_not_say():
    """Half of their windows held the answer, and no name was another."""
    description = {"task": "reading comprehension", "kind": "bert", "settings": {"h": 2}}
    found, _ = with_names_of_now(description, {})
    assert found["settings"] == {"h": 2, "with_answer": 0.5, "misnamed": 0.0, "renamed": 0.0}
    description["settings"] |= {"misnamed": 0.3}
    assert with_names_of_now(description, {})[0]["settings"]["misnamed"] == 0.3
