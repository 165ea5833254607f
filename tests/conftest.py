"""For all tests: the fixture `embedded_broker`, and how long hypothesis searches."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["atomwire.testing"]

# The same examples in every run. `pytest --hypothesis-profile=thorough` searches further.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=5000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci")
