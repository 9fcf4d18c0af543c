"""`make up` leaves the checkout clean: Pulumi's salt goes into a copy of the stack's file, which follows the file."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT
from toolchain import environment
from toolchain.errors import ToolchainError
from toolchain.stack_file import prepare

pytestmark = pytest.mark.engine

FILE = "Pulumi.local.yaml"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder as a fresh clone has it, with a state of its own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Pulumi.yaml", FILE):
        shutil.copy(ROOT / name, folder)
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "state"))
    return folder


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_salt_is_in_the_copy_and_the_checkout_stays_as_it_was(checkout):
    before = contents(checkout)
    copy = prepare("local", checkout)
    assert contents(checkout) == before
    salt, rest = copy.read_text().split("\n", 1)
    assert salt.startswith("encryptionsalt: v1:")
    assert rest == (checkout / FILE).read_text()
    # Pulumi takes it as the stack's own: a secret is sealed and opened with that salt, and the checkout stays.
    words = ["pulumi", "config", "--config-file", str(copy), "--stack", "local"]
    own = {**os.environ, **environment()}
    subprocess.run([*words, "set", "--secret", "tandem:hubToken", "x"], cwd=checkout, env=own, check=True)
    token = subprocess.run([*words, "get", "tandem:hubToken"], cwd=checkout, env=own, capture_output=True, check=True)
    assert token.stdout == b"x\n"
    assert contents(checkout) == before


def test_a_second_call_keeps_the_salt_and_takes_what_changed(checkout):
    salt = prepare("local", checkout).read_text().splitlines()[0]
    (checkout / FILE).write_text("config:\n  tandem:platform: hosts\n")
    assert prepare("local", checkout).read_text() == f"{salt}\nconfig:\n  tandem:platform: hosts\n"


def test_a_stack_without_a_file_is_one_sentence(checkout):
    with pytest.raises(ToolchainError, match=r"^There is no Pulumi\.none\.yaml: copy Pulumi\.hosts\.yaml"):
        prepare("none", checkout)
