"""A host that cannot hold machines is refused with what to do, in one sentence and before anything happens."""

import os
import shutil
import sys

import pytest

from localcloud.__main__ import main
from localcloud.machines.host import check_host


def test_without_root_the_error_names_sudo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["machines", "list"]) == 1
    said = capsys.readouterr().err
    assert "sudo" in said
    assert len(said.splitlines()) == 1


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main(["prepare", "machines"]) == 1
    assert "need Linux and this is darwin" in capsys.readouterr().err


def test_missing_programs_are_named_by_their_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("systemd-nspawn", "mmdebstrap") else f"/{name}")
    assert main(["prepare", "machines"]) == 1
    assert "`apt-get install -y mmdebstrap systemd-container`" in capsys.readouterr().err


def test_a_host_that_has_all_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    check_host()
