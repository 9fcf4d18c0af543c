"""The official download: verified, complete or absent, never waited for long, not tried twice a day."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.release_site import Site, seconds
from toolchain import official_cli
from toolchain.paths import cache_dir
from toolchain.versions import versions

VERSION = versions().pulumi


def fetched() -> tuple[Path | None, str]:
    return official_cli.fetch(VERSION)


def test_a_good_download_is_unpacked_and_kept(site: Site) -> None:
    site.release("#!/bin/sh\necho ok\n")
    directory, _ = fetched()
    assert directory is not None
    assert (directory / "pulumi").read_text() == "#!/bin/sh\necho ok\n"
    assert (directory / "pulumi").stat().st_mode & 0o100
    before = len(site.requests)
    assert fetched()[0] == directory
    assert len(site.requests) == before


def test_a_wrong_checksum_leaves_nothing_and_says_so(site: Site) -> None:
    archive = site.release("true")
    site.files[archive] += b"tampered"
    directory, reason = fetched()
    assert directory is None
    assert "SHA-256" in reason
    assert archive in reason
    assert list((cache_dir() / "official").iterdir()) == []


def test_half_a_download_leaves_nothing_and_says_so(site: Site) -> None:
    archive = site.release("true")
    site.cut.add(archive)
    directory, reason = fetched()
    assert directory is None
    assert "IncompleteRead" in reason or "SHA-256" in reason
    assert list((cache_dir() / "official").iterdir()) == []


def test_an_archive_without_the_program_is_refused(site: Site) -> None:
    archive = site.release("true")
    sums = site.files[f"pulumi-{VERSION}-checksums.txt"].decode()
    site.files[f"pulumi-{VERSION}-checksums.txt"] = sums.replace(archive, "another.tar.gz").encode()
    directory, reason = fetched()
    assert directory is None
    assert f"no line for {archive}" in reason


def test_a_silent_site_is_given_up_after_the_timeout(site: Site) -> None:
    site.stalled.add(f"pulumi-{VERSION}-checksums.txt")
    started = seconds()
    directory, reason = fetched()
    assert directory is None
    assert "timed out" in reason
    assert seconds() - started < 5


def test_a_failure_is_remembered_for_a_day_and_no_longer(site: Site) -> None:
    assert "404" in fetched()[1]
    before = len(site.requests)
    assert "to try again" in fetched()[1]
    assert len(site.requests) == before

    record = cache_dir() / "official-failure.json"
    failure = json.loads(record.read_text())
    record.write_text(json.dumps(failure | {"time": time.time() - 25 * 3600}))
    site.release("true")
    assert fetched()[0] is not None


def test_a_failure_at_one_site_says_nothing_about_another(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PULUMI_URL", "http://127.0.0.1:9")
    assert fetched()[0] is None
    monkeypatch.setenv("TANDEM_PULUMI_URL", site.url)
    site.release("true")
    assert fetched()[0] is not None


def test_nobody_is_asked_when_downloading_is_off() -> None:
    assert fetched() == (None, "downloading is off (TANDEM_PULUMI_URL=none)")
