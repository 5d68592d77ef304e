"""Checkpoints of version 1: the same numbers under names that have changed since."""

import re
from typing import Any

import numpy as np

Array = np.ndarray

# By task (a language model has none) and kind: how names of arrays began, and how they begin now.
BERT_NAMES = {r"weights\.bert\.embedding\.words\.": "weights.bert.embedding.tokens."}
RENAMED: dict[tuple[str | None, str], dict[str, str]] = {
    (None, "gpt"): {r"weights\.(embedding|positions|layers)\.": r"weights.body.\1."},
    ("classification", "gpt"): {r"weights\.gpt\.": "weights.body."},
    ("classification", "bert"): BERT_NAMES,
    ("reading comprehension", "bert"): BERT_NAMES,
    ("reading comprehension", "rnn"): {r"weights\.words\.": "weights.embedding."},
    ("pretraining", "bert"): BERT_NAMES | {r"weights\.word\.": "weights.token."},
}
# What the first files do not say, and was so.
SETTINGS_OF_THEN = {("reading comprehension", "bert"): {"with_answer": 0.5, "misnamed": 0.0, "renamed": 0.0}}


def with_names_of_now(description: dict[str, Any], arrays: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """What a file of version 1 has, named as this version does. The arrays keep their order, and so do the moments of
    Adam, which are as long as all of them together."""
    task_and_kind = description.get("task"), description.get("kind")
    rules = RENAMED.get(task_and_kind, {})
    settings = SETTINGS_OF_THEN.get(task_and_kind, {}) | renamed_settings(description["settings"])
    return description | {"settings": settings}, {renamed(name, rules): array for name, array in arrays.items()}


def renamed(name: str, rules: dict[str, str]) -> str:
    for before, now in rules.items():
        if re.match(before, name):
            return re.sub(before, now, name, count=1)
    return name


def renamed_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """A GPT's positions were learned or not: there was no third kind."""
    if "learned_positions" not in settings:
        return settings
    others = {name: value for name, value in settings.items() if name != "learned_positions"}
    return others | {"positions": "learned" if settings["learned_positions"] else "sinusoidal"}
