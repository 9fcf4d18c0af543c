"""daemon_json.py: registries come into Docker's settings and go again; what stood there stays."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

SOURCE = ROOT / "components/runtime/files/daemon_json.py"


@pytest.fixture
def tool(tmp_path):
    """The script with /etc/docker moved into a folder of the test."""
    script = tmp_path / "home" / "daemon_json.py"
    script.parent.mkdir()
    shutil.copy(SOURCE, script)
    config = tmp_path / "etc" / "daemon.json"
    program = (
        f"import sys, pathlib; sys.path.insert(0, {str(script.parent)!r}); import daemon_json;"
        f"daemon_json.CONFIG = pathlib.Path({str(config)!r}); print(getattr(daemon_json, sys.argv[1])())"
    )

    def run(verb, insecure=""):
        done = subprocess.run(
            [sys.executable, "-c", program, verb],
            env={"INSECURE_REGISTRIES": insecure},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return config, run


def test_nothing_to_add_changes_nothing(tool):
    config, run = tool
    assert run("merge") == "same"
    assert not config.exists()


def test_the_users_own_settings_stay_and_come_back(tool):
    config, run = tool
    config.parent.mkdir()
    config.write_text('{"debug": true, "insecure-registries": ["mine:1"]}')
    assert run("merge", "10.0.0.1:5000") == "changed"
    assert json.loads(config.read_text()) == {"debug": True, "insecure-registries": ["mine:1", "10.0.0.1:5000"]}
    assert run("merge", "10.0.0.1:5000") == "same"
    run("restore")
    assert json.loads(config.read_text()) == {"debug": True, "insecure-registries": ["mine:1"]}


def test_where_nothing_stood_nothing_is_left_in_force(tool):
    config, run = tool
    run("merge", "10.0.0.1:5000")
    run("restore")
    assert json.loads(config.read_text()) == {}
