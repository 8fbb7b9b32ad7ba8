"""Fixtures that all tests may use."""

pytest_plugins = [
    "tests.fixtures.postgresql",
    "tests.fixtures.rabbitmq",
    "tests.fixtures.api",
    "tests.fixtures.cloud",
    "tests.fixtures.live_cloud",
    "tests.fixtures.survived",
]
