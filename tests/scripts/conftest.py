"""The stand-in engine that gateways stand before."""

from __future__ import annotations

import pytest

from tests.support.engine import RunningEngine
from tests.support.gateway import Gateways


@pytest.fixture(scope="module")
def engine():
    running = RunningEngine()
    yield running
    running.close()


@pytest.fixture
def own(tmp_path, engine):
    """Gateways for a test that has its own settings."""
    with Gateways(tmp_path, engine.port) as made:
        yield made
