"""Which of the host's apt sources machines are made from."""

import platform
from pathlib import Path

import pytest

from localcloud.errors import LocalCloudError
from localcloud.machines.archive_sources import archive_sources

STANZAS = """Types: deb
# a comment
URIs: http://archive.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb-src
URIs: http://archive.example/debian
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_stanzas_become_lines_for_the_own_release_without_backports_sources_and_what_is_off(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(STANZAS)
    key = "[signed-by=/usr/share/keyrings/archive.gpg]"
    assert archive_sources(apt) == [
        f"deb {key} http://archive.example/debian bookworm main contrib",
        f"deb {key} http://archive.example/debian bookworm-updates main contrib",
    ]


def test_lines_of_other_vendors_are_left_out(apt: Path) -> None:
    ours = "deb [arch=amd64 signed-by=/k.gpg] http://archive.example/debian bookworm-security main"
    (apt / "sources.list").write_text(
        f"# deb http://x bookworm main\n{ours}\ndeb http://vendor.example nodistro main\n"
    )
    assert archive_sources(apt) == [ours]


def test_no_source_is_an_error_that_says_where_to_add_one(apt: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"add the distribution's own `deb` line to /etc/apt/sources.list"):
        archive_sources(apt)


def test_another_distribution_is_refused(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora 42"})
    with pytest.raises(LocalCloudError, match="Fedora 42"):
        archive_sources(apt)
