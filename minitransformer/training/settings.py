"""Settings of a model: a NamedTuple of numbers and names, which a checkpoint can hold and a command line change."""

from typing import Any


def described(settings: Any) -> str:
    """`n_layers=4, d_model=128, ...`"""
    return ", ".join(f"{name}={value}" for name, value in settings._asdict().items())


def with_changes(settings: Any, changes: dict[str, str]) -> Any:
    """The settings with some of them replaced, each given as text.

    Raises ValueError for a name that there is not, and for a value that is not of its kind.
    """
    for name, text in changes.items():
        if name not in settings._fields:
            raise ValueError(f"set: got {name!r}, expected one of {', '.join(settings._fields)}")
        old = getattr(settings, name)
        try:
            new = as_truth(text) if isinstance(old, bool) else type(old)(text)
        except ValueError:
            raise ValueError(f"set: got {name}={text}, expected a value like {old!r}") from None
        settings = settings._replace(**{name: new})
    return settings


def as_truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError
    return text.lower() == "true"
