"""A local cloud without machines, and Alibaba's own clients for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.api.backend import MemoryBackend
from localcloud.api.service import Service
from localcloud.api.settings import Settings
from tests.support.cloud_account import Account


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend()


@pytest.fixture
def service(tmp_path: Path, backend: MemoryBackend) -> Iterator[Service]:
    service = Service(tmp_path, Settings.load(tmp_path, {"backend": "memory", "speed": 200.0}), backend)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def account(service: Service) -> Account:
    return Account(service)
