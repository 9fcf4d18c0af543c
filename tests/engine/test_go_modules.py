"""Our Go modules: their own tests, and that they are formatted and vetted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from toolchain.gobuild import find_go

pytestmark = pytest.mark.engine

MODULES = sorted(path.parent for path in (ROOT / "toolchain").glob("*/go.mod") if list(path.parent.rglob("*_test.go")))


def go(module: Path, *arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    done = subprocess.run(
        [find_go(), *arguments], cwd=module, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_go_tests_pass(module: Path) -> None:
    """`go test` vets the packages too."""
    assert "FAIL" not in go(module, "test", "./...")


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_go_files_are_formatted(module: Path) -> None:
    gofmt = Path(find_go()).resolve().with_name("gofmt")
    done = subprocess.run([gofmt, "-l", "."], cwd=module, capture_output=True, text=True, check=True)
    assert done.stdout == ""
