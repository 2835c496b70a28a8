"""Hypothesis profiles: ``fast`` (default, the same examples every run) and ``intense`` (PYTENSOR_TESTS=intense)."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores: waiting threads must not spin
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import HealthCheck, Phase, settings

slow_draws = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
common = settings(
    deadline=None,
    suppress_health_check=slow_draws,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
settings.register_profile("fast", common, max_examples=20, derandomize=True, database=None)
settings.register_profile("intense", common, max_examples=200)
settings.load_profile(os.environ.get("PYTENSOR_TESTS", "fast"))
