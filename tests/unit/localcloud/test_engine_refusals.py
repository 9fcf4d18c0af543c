"""The engine's environment is refused early, in a sentence with the remedy."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from localcloud.errors import LocalCloudError
from localcloud.fixtures import ensure_environment


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    return tmp_path


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalCloudError, match="needs root on Linux: run the same with sudo"):
        ensure_environment()


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "mmdebstrap" else f"/usr/bin/{program}")
    with pytest.raises(LocalCloudError, match="apt-get install mmdebstrap"):
        ensure_environment()


def test_a_full_disk_is_reported_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100 << 30, 99 << 30, 1 << 30))
    with pytest.raises(LocalCloudError, match=r"1\.0 GiB free .* needs 6: free some, or set TANDEM_CACHE"):
        ensure_environment()


def test_without_uv_nothing_is_begun(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None if program == "uv" else f"/usr/bin/{program}")
    with pytest.raises(LocalCloudError, match="run `make setup`"):
        ensure_environment()
    assert not list((empty_cache / "machines").glob("*engine-*")), "neither a result nor half of one"
