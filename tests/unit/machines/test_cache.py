"""Expensive things are made once, and are complete or absent."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcloud.system.cache import cache_dir, made_once


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))


def test_of_many_at_once_one_makes_it_and_all_get_it_whole() -> None:
    made = []

    def make(folder: Path, _log: Path) -> None:
        made.append(folder)
        (folder / "first").touch()
        time.sleep(0.05)  # what others would see of it if it were in place before its end
        (folder / "last").touch()

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: (made_once("thing", "k", make) / "last").exists(), range(8)))
    assert all(seen)
    assert len(made) == 1


def test_a_make_that_fails_leaves_nothing_but_its_log_and_the_next_one_succeeds() -> None:
    def fail(folder: Path, log: Path) -> None:
        (folder / "half").touch()
        log.write_text("why")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        made_once("thing", "k", fail)
    assert {file.name for file in cache_dir().iterdir()} == {".thing.lock", "thing.log"}
    assert list(made_once("thing", "k", lambda folder, _log: (folder / "whole").touch()).iterdir())
