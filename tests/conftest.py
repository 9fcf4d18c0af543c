"""The order of files, which `make test` hands to its workers one by one, and what goes when the tests end."""

import os

import hypothesis
import pytest

from localcloud import caretaker
from localcloud.system.runs import Run

# How long an example takes is the computer's affair: what must be quick is measured in tests/bench.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

FIRST = (
    *("test_hosts.py", "test_cloud.py", "test_faults.py", "test_llamacpp.py", "test_native.py"),
    *("test_engines.py", "test_command_plugin.py", "test_security_rules.py", "test_docker_plugin.py"),
    *("test_liveness.py", "test_machines.py", "test_logins.py"),
    *("test_monitoring_alerts.py", "test_images.py", "test_host_nvidia.py"),
    *("test_rank_supervisor.py", "test_firewall.py", "test_gateway_acme.py"),
    *("test_ready.py", "test_recipes.py", "test_report.py"),
    *("test_gateway_faults.py", "test_fetch.py", "test_gateway_clients.py", "test_alicloud_plugin.py"),
    *("test_alicloud_faults.py", "test_caretaker.py", "test_cloud_trouble.py", "test_hub_clients.py"),
    *("test_progress.py", "test_benchmark.py", "test_alicloud_table.py", "test_gang.py"),
)
"""The longest: a worker takes the next file, and short ones fill up at the end. Once the whole deployments are through,
a file that waits most of its time stands between two that compute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of FIRST; among the others, that of their names."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))


def pytest_configure() -> None:
    """All that tests make on this host goes with them, also when they are interrupted or killed."""
    # Workers, and tests within tests, belong to the run that started them. Without root no machine is made.
    run = Run.current()
    if os.geteuid() == 0 and not (run and run.owner.alive()):
        caretaker.begin()
