"""The order of files, which `make test` hands to its workers one by one."""

import pytest

FIRST = (
    "test_hosts.py", "test_alicloud_table.py", "test_cloud.py", "test_gang.py", "test_cloud_trouble.py",
    "test_faults.py", "test_alicloud_faults.py", "test_llamacpp.py", "test_engines.py", "test_alicloud_plugin.py",
)  # fmt: skip
"""The longest: those that load the cores by turns with those that wait for the provider. Short ones fill up."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order of FIRST; among the others, that of their names."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
