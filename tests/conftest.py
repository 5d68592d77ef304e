"""What tests of several parts share: how long Hypothesis searches, a clock, and running one command in this process.

HYPOTHESIS_PROFILE=ci (the default, always the same examples), thorough or mutation.
"""

import os

import pytest
from clock import Clock
from hypothesis import HealthCheck, Phase, settings

from minitransformer.__main__ import main
from minitransformer.training import loop, session

quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.differing_executors]
settings.register_profile("ci", max_examples=60, derandomize=True, deadline=None, suppress_health_check=quiet)
settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True, suppress_health_check=quiet)
settings.register_profile(
    "mutation",
    max_examples=12,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    database=None,
    suppress_health_check=quiet,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture
def clock(monkeypatch):
    """Trainings have their time from it, and not from the machine; so has what is saved every 15 seconds."""
    clock = Clock()
    for module in (loop, session):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def run(capsys):
    """Run one command -> exit code, standard output, standard error."""

    def run_command(*argv):
        try:
            code = main(argv)
        except SystemExit as exit_:
            code = exit_.code
        out, err = capsys.readouterr()
        return code, out, err

    return run_command
