"""The command plugin and the language host under the real engine, seen by a Python program.

What is asserted holds with Pulumi's own language host and pulumi-command 1.2.1 too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.project import Project

pytestmark = pytest.mark.engine

HEAD = "import pulumi\nfrom pulumi_command import local, remote\n"


def command(create: str, *, update: str = "", trigger: str = "1", delete: str = "", options: str = "") -> str:
    return (
        f"{HEAD}it = local.Command('it', create={create!r}, update={update or None!r}, delete={delete or None!r},"
        f" triggers=[{trigger!r}]{options})\npulumi.export('out', it.stdout)\n"
    )


def eventually(what: str, condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.02)


def test_create_update_replace_delete_each_run_their_command(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "log"
    delete = f"echo delete $PULUMI_COMMAND_STDOUT >> {log}"
    create = f"echo create >> {log}; echo"

    assert project.program(command(f"{create} one", delete=delete)).up() == {"create": 2}
    assert project.outputs() == {"out": "one"}
    identity = project.resources()["it"]["id"]
    assert project.up() == {"same": 2}

    update = f"echo update $PULUMI_COMMAND_STDOUT >> {log}; echo two"
    assert project.program(command(f"{create} one", update=update, delete=delete)).up() == {"same": 1, "update": 1}
    assert project.outputs() == {"out": "two"}
    assert project.resources()["it"]["id"] == identity

    assert project.program(command(f"{create} three", delete=delete)).up() == {"same": 1, "update": 1}
    assert project.outputs() == {"out": "three"}

    assert project.program(command(f"{create} four", trigger="2", delete=delete)).up() == {"same": 1, "replace": 1}
    assert project.resources()["it"]["id"] != identity

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert project.resources() == {}
    # A replacement is created before the old resource is deleted.
    said = ["create", "update one", "create", "create", "delete three", "delete four"]
    assert log.read_text().splitlines() == said


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_preview_runs_nothing_and_output_is_unknown_to_those_who_use_it(project: Project, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    project.program(
        command(f"touch {mark}; echo x") + "local.Command('after', create=it.stdout.apply(lambda t: 'echo ' + t))"
    )
    shown = project.pulumi("preview", "--diff")
    assert not mark.exists()
    assert "[unknown]" in shown or "output<string>" in shown
    assert project.up() == {"create": 3}
    assert project.resources()["after"]["outputs"]["stdout"] == "x"


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_refresh_changes_nothing(project: Project) -> None:
    project.program(command("date +%N")).up()
    before = project.resources()["it"]["outputs"]
    project.pulumi("refresh", "--yes", "--skip-preview")
    assert project.resources()["it"]["outputs"] == before
    assert project.up() == {"same": 2}


def test_secrets_are_sealed_in_the_state_and_arrive_in_clear(project: Project) -> None:
    project.program(
        f"""{HEAD}
it = local.Command('it', create='cat; echo $KEY', stdin=pulumi.Output.secret('stdin-hunter2 '),
    environment={{'KEY': pulumi.Output.secret('env-hunter2')}}, logging='none',
    opts=pulumi.ResourceOptions(additional_secret_outputs=['stdout']))
pulumi.export('out', it.stdout)
"""
    ).up()
    assert project.outputs() == {"out": "stdin-hunter2 env-hunter2"}
    assert "hunter2" not in project.files()
    assert "hunter2" not in project.pulumi("preview", "--diff")


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_logging_none_keeps_output_from_the_user_and_by_default_it_is_shown(project: Project) -> None:
    project.program(f"{HEAD}local.Command('it', create='echo quiet-word', logging='none')\n")
    assert "] quiet-word" not in project.pulumi("up", "--yes", "--skip-preview")
    project.program(f"{HEAD}local.Command('it', create='echo loud; echo word >&2')\n")
    shown = project.pulumi("up", "--yes", "--skip-preview")
    assert any(line.rstrip().endswith(" loud") for line in shown.splitlines())
    assert any(line.rstrip().endswith(" word") for line in shown.splitlines())


def test_a_failed_create_names_command_and_output_and_leaves_no_state(project: Project) -> None:
    project.program(command("echo what went wrong >&2; exit 3"))
    done = project.run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert 'exit status 3: running "echo what went wrong >&2; exit 3":' in done.stdout
    assert "what went wrong\n" in done.stdout
    assert "it" not in project.resources()


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_failed_update_keeps_the_old_state_and_the_next_up_tries_again(project: Project, tmp_path: Path) -> None:
    project.program(command("echo one")).up()
    project.program(command("echo one", update=f"test -e {tmp_path}/ready && echo two"))
    assert project.run("up", "--yes", "--skip-preview").returncode != 0
    assert project.resources()["it"]["outputs"]["stdout"] == "one"
    (tmp_path / "ready").touch()
    assert project.up() == {"same": 1, "update": 1}
    assert project.outputs() == {"out": "two"}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_host_key_that_is_none_passes_a_preview_and_fails_before_anything_runs(project: Project) -> None:
    project.program(
        f"{HEAD}remote.Command('it', create='touch ran', connection={{'host': '127.0.0.1', 'host_key': 'x'}})\n"
    )
    project.pulumi("preview")
    done = project.run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "failed to parse host key" in done.stdout


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_files_that_a_command_made_come_back_as_assets(project: Project) -> None:
    project.program(
        f"{HEAD}it = local.Command('it', create='echo made >made.txt', asset_paths=['made*'])\n"
        "pulumi.export('files', it.assets.apply(lambda found: sorted(found)))\n"
    ).up()
    assert project.outputs() == {"files": ["made.txt"]}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_secret_that_becomes_plain_is_a_change(project: Project) -> None:
    project.program(command("echo one")).up()
    hidden = command("echo one").replace("create='echo one'", "create=pulumi.Output.secret('echo one')")
    assert project.program(hidden).up() == {"same": 1, "update": 1}
    assert project.up() == {"same": 2}


def test_without_pip_in_its_environment_no_program_runs(project: Project) -> None:
    """As `uv venv` leaves one. Pulumi lists the packages with the environment's own pip."""
    venv, here = project.directory / "bare", next(Path(sys.prefix).glob("lib/python3*/site-packages"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    there = next(venv.glob("lib/python3*/site-packages"))
    pip = [entry for entry in here.iterdir() if entry.name.split("-")[0] == "pip"]
    for entry in here.iterdir():
        if entry not in pip and entry.name != "__pycache__":
            (there / entry.name).symlink_to(entry)
    settings = project.directory / "Pulumi.yaml"
    settings.write_text(settings.read_text().replace(sys.prefix, "bare"))
    done = project.program(command("echo one")).run("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "failed to discover package requirements" in done.stdout
    assert "-m pip list --format json`: exit status 1" in done.stdout
    for entry in pip:
        (there / entry.name).symlink_to(entry)
    assert project.up() == {"create": 2}


def test_a_machine_that_refuses_is_dialed_as_often_as_allowed(project: Project) -> None:
    project.program(
        HEAD + "remote.Command('there', create='true', connection=remote.ConnectionArgs(host='127.0.0.1', port=9,"
        " password='x', dial_error_limit=2))\n"
    )
    done = project.run("up", "--yes", "--skip-preview")
    assert "Dial 2/2 failed: retrying" in done.stdout
    assert "after 2 failed attempts: dial tcp 127.0.0.1:9: connect: connection refused" in done.stdout


def test_an_error_in_the_program_is_shown_once_and_a_bad_exit_is_named(project: Project) -> None:
    shown = project.program("raise ValueError('the reason')").run("preview").stdout
    summary = shown[shown.index("Diagnostics:") :]
    assert summary.count("ValueError: the reason") == 1
    assert "exit code" not in summary
    assert "non-zero exit code: 5" in project.program("import os; os._exit(5)").run("preview").stdout


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_configuration_reaches_the_program_and_its_secrets_stay_secret(project: Project) -> None:
    project.program(
        f"{HEAD}config = pulumi.Config()\npulumi.export('plain', config.require('plain'))\n"
        "pulumi.export('hidden', config.require_secret('hidden'))\npulumi.export('stack', pulumi.get_stack())\n"
    )
    project.pulumi("config", "set", "plain", "p")
    project.pulumi("config", "set", "--secret", "hidden", "hunter2")
    project.up()
    assert project.outputs() == {"plain": "p", "hidden": "hunter2", "stack": "test"}
    assert "hunter2" not in project.files()


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_about_names_the_engine_the_python_and_the_plugins(project: Project) -> None:
    shown = project.program(HEAD).pulumi("about")
    for word in ("3.259.0", "python", "command", "pulumi-command"):
        assert word in shown


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_an_ended_up_ends_its_command_and_the_next_up_succeeds(
    project: Project, tmp_path: Path, how: signal.Signals
) -> None:
    mark, gate = tmp_path / "pid", tmp_path / "gate"
    own = "import sys; sys.path.insert(0, {root!r})\nfrom stacks.interrupted import end_quietly; end_quietly()\n"
    create = f"[ -e {gate} ] || {{ echo $$ > {mark}; exec sleep 600; }}; echo done"
    project.program(own.format(root=str(ROOT)) + command(create))
    with subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=project.directory,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        eventually("the command's start", lambda: mark.exists() and mark.read_text().strip() != "")
        pid = int(mark.read_text())
        os.kill(running.pid, how)
        shown = running.communicate(timeout=60)[0]
    assert "Traceback" not in shown
    assert "KeyboardInterrupt" not in shown
    eventually("the command's end", lambda: not Path(f"/proc/{pid}").exists())
    gate.touch()
    project.pulumi("cancel", "--yes")
    assert project.up("--refresh=false")["create"] >= 1
    assert project.outputs() == {"out": "done"}
