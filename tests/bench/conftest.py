"""Benchmarks take minutes and the whole machine: without --benchmark they are no part of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--benchmark", action="store_true", help="run tests/bench (`make bench`)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # The default is for runs that come here by way of `tests`, whose options were parsed before this file was read.
    if collection_path.name.startswith("test_") and not config.getoption("--benchmark", default=False):
        return True
    return None
