"""Settings of a model: a NamedTuple of numbers and names, which a checkpoint can hold and a command line change."""

from typing import Any

from minitransformer.checks import check_fraction, check_integer, check_not_negative, check_positive, check_rate

MOST = 1_000_000  # of a size
LEAST = {"context": 2, "h_kv": 0}  # of the sizes that do not begin at 1
MOST_STEPS = 10**12


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


def check_settings(settings: Any) -> None:
    """Sizes from 1, rates from 0 to below 1, learning rates above 0, decay and smoothing from 0; names as they are.

    Raises ValueError or TypeError, naming the setting.
    """
    for name, value in settings._asdict().items():
        default = type(settings)._field_defaults[name]
        if isinstance(default, bool | str):
            if type(value) is not type(default):
                raise TypeError(f"{name}: got {value!r}, expected a value like {default!r}")
        elif isinstance(default, int):
            check_integer(name, value, minimum=LEAST.get(name, 1))
            most = MOST_STEPS if name == "steps" else MOST
            if value > most:
                raise ValueError(f"{name}: got {value}, expected at most {most}")
        elif name == "rate":
            check_rate(name, value)
        elif name in ("peak", "k"):
            check_positive(name, value)
        elif name in ("label_smoothing", "with_answer", "misnamed", "renamed"):
            check_fraction(name, value)
        else:
            check_not_negative(name, value)
