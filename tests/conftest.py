"""How long Hypothesis searches: HYPOTHESIS_PROFILE=ci (the default, always the same examples), thorough or mutation."""

import os

from hypothesis import HealthCheck, Phase, settings

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
