"""An account on the local cloud without machines, as the program's own commands see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.alicloud import leftovers
from components.alicloud.api import Api
from localcloud.cloud.backend import MemoryBackend
from localcloud.cloud.model import Instance
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The cloud, 200 times as quick as the real one."""
    service = Service(tmp_path, Settings.load(tmp_path, {"backend": "memory", "speed": 200.0}), MemoryBackend())
    service.start()
    yield service
    service.stop()


@pytest.fixture
def api(service: Service, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Its account, whose keys are in the environment."""
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", service.cloud.settings.key)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", service.cloud.settings.secret)
    monkeypatch.setattr(leftovers, "POLL_SECONDS", 0.05)
    return Api("cn-hangzhou", service.cloud.endpoint)


@pytest.fixture
def settled(service: Service) -> Callable[[], None]:
    """Waits until nothing is on its way any more."""

    def wait() -> None:
        passing = ("Pending", "Starting", "Stopping")
        while service.cloud._moving or any(i.status in passing for i in service.cloud.store.all(Instance)):
            time.sleep(0.01)

    return wait
