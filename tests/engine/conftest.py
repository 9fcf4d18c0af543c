"""A project for each test, destroyed after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project on the real engine."""
    made = Project.make(tmp_path / "project")
    yield made
    made.run("destroy", "--yes", "--skip-preview")
