"""The docker plugin under the real engine, with pulumi_docker's SDK and a real Docker daemon."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.partial_creation import PARTIALLY_CREATED
from localcloud.depot.registry import Registry
from localcloud.depot.server import Contents, Depot
from localcloud.fixtures.images import GATEWAY, write_images
from localcloud.http.journal import Journal
from tests.support.dockerd import IMAGE, Daemon, running
from tests.support.project import Project

pytestmark = [pytest.mark.engine, pytest.mark.root]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running() as started:
        yield started


def program(daemon: Daemon, container: str, *, more: str = "", options: str = "") -> str:
    return f"""
import pulumi
import pulumi_docker as docker

options = pulumi.ResourceOptions(provider=docker.Provider("daemon", host={daemon.host!r}))
image = docker.RemoteImage("image", name={IMAGE!r}, keep_locally=True, opts=options)
it = docker.Container("it", image=image.image_id, network_mode="host", {container},
                      opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions({options})))
pulumi.export("name", it.name)
{more}
"""


def inspect(daemon: Daemon, container: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(daemon.docker("inspect", container))[0]
    return found


def test_a_container_is_created_updated_in_place_replaced_and_destroyed(project: Project, daemon: Daemon) -> None:
    assert project.program(program(daemon, "memory=64, restart='no'")).up() == {"create": 4}
    name = project.outputs()["name"]
    assert name.startswith("it-")
    identity = project.resources()["it"]["id"]

    changed = program(daemon, "memory=64, restart='always', command=['x']")
    assert project.program(program(daemon, "memory=64, restart='always'")).up() == {"same": 3, "update": 1}
    assert project.resources()["it"]["id"] == identity == inspect(daemon, name)["Id"]
    assert inspect(daemon, name)["HostConfig"]["RestartPolicy"]["Name"] == "always"  # type: ignore[index]

    assert project.program(changed).up() == {"same": 3, "replace": 1}
    replaced = project.resources()["it"]["id"]
    assert replaced != identity
    assert inspect(daemon, project.outputs()["name"])["Args"] == ["x"]
    assert identity not in daemon.docker("ps", "--all", "--quiet", "--no-trunc")

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert daemon.docker("ps", "--all", "--quiet") == ""
    assert daemon.docker("images", "--quiet", IMAGE) != "", "keep_locally"


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_container_with_a_name_of_ours_is_replaced_by_one_of_that_name(project: Project, daemon: Daemon) -> None:
    project.program(program(daemon, "name='mine'")).up()
    assert project.program(program(daemon, "name='mine', command=['y']")).up() == {"same": 3, "replace": 1}
    assert inspect(daemon, "mine")["Args"] == ["y"]


def test_a_file_of_the_project_is_uploaded_and_another_content_of_it_is_another_container(
    project: Project, daemon: Daemon
) -> None:
    file = project.directory / "programs" / "a.py"
    file.parent.mkdir()

    def up(content: str) -> dict[str, int]:
        file.write_text(content)
        upload = "docker.ContainerUploadArgs(file='/a.py', source='programs/a.py', source_hash=" + repr(content) + ")"
        return project.program(program(daemon, f"name='mine', uploads=[{upload}]")).up()

    def seen() -> str:
        copied = project.directory / "copied"
        daemon.docker("cp", "mine:/a.py", str(copied))
        return copied.read_text()

    up("one")
    assert seen() == "one"
    assert up("one") == {"same": 4}
    assert up("two") == {"same": 3, "replace": 1}
    assert seen() == "two"


def test_what_is_unchanged_is_not_asked_for(project: Project, daemon: Daemon) -> None:
    """An `up` without changes succeeds while the daemon answers nobody: our bridge's own, docs/bridge.md."""
    text = program(daemon, "memory=64").replace("host=", "disable_docker_daemon_check=True, host=", 1)
    project.program(text).up()
    with daemon.paused():
        assert project.up() == {"same": 4}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_container_that_vanished_is_noticed_and_made_again(project: Project, daemon: Daemon) -> None:
    project.program(program(daemon, "restart='no'")).up()
    daemon.docker("rm", "--force", project.outputs()["name"])
    project.pulumi("refresh", "--yes", "--skip-preview")
    assert "it" not in project.resources()
    assert project.up() == {"same": 3, "create": 1}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_refresh_of_what_can_t_be_reached_fails_and_an_up_goes_on(project: Project, daemon: Daemon) -> None:
    """A host that does not answer says nothing about its containers: nothing is lost, and nothing is asked of it."""
    project.program(program(daemon, "restart='no'")).up()
    before = project.resources()
    socket = daemon.folder / "docker.sock"
    hidden = socket.rename(socket.with_name("hidden"))
    try:
        done = project.run("refresh", "--yes", "--skip-preview")
        assert done.returncode != 0
        assert "docker daemon" in done.stdout.lower()
        # What the program refreshes by name needs no other to be there.
        project.pulumi("refresh", "--yes", "--skip-preview", "--target", "**pulumi:pulumi:Stack::**")
    finally:
        hidden.rename(socket)
    assert project.resources().keys() == before.keys()
    assert project.up() == {"same": 4}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_drift_is_seen_after_a_refresh_and_put_right(project: Project, daemon: Daemon) -> None:
    project.program(program(daemon, "restart='no'")).up()
    daemon.docker("update", "--restart", "always", project.outputs()["name"])
    project.pulumi("refresh", "--yes", "--skip-preview")
    assert project.up()["update"] == 1
    policy = inspect(daemon, project.outputs()["name"])["HostConfig"]["RestartPolicy"]  # type: ignore[index]
    assert policy["Name"] == "no"


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_ignored_changes_are_not_made(project: Project, daemon: Daemon) -> None:
    project.program(program(daemon, "restart='no'")).up()
    text = program(daemon, "restart='always'", options="ignore_changes=['restart']")
    assert project.program(text).up() == {"same": 4}


def test_a_secret_is_nowhere_in_clear(project: Project, daemon: Daemon) -> None:
    """The set's order differs from the list's, so a mark on the position alone would miss it."""
    project.program(program(daemon, "envs=['Z=1', pulumi.Output.secret('A=hush-hush')]")).up()
    environment = inspect(daemon, project.outputs()["name"])["Config"]["Env"]  # type: ignore[index]
    assert "A=hush-hush" in environment
    assert "hush-hush" not in project.files()
    project.pulumi("refresh", "--yes", "--skip-preview")
    assert "hush-hush" not in project.files()


def test_wrong_input_is_refused_at_preview_with_its_property_and_reason(project: Project, daemon: Daemon) -> None:
    done = project.program(program(daemon, "restart='sometimes'")).run("preview")
    assert done.returncode != 0
    assert "restart" in done.stdout and "sometimes" in done.stdout


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_preview_does_without_a_host_that_is_not_known_yet(project: Project, daemon: Daemon) -> None:
    """So a whole deployment can be previewed before its machines exist."""
    text = program(daemon, "restart='no'").replace(
        f"host={daemon.host!r}", "host=local.Command('late', create='echo -n ' + host).stdout"
    )
    project.program(f"from pulumi_command import local\nhost = {daemon.host!r}\n{text}")
    assert "+ 5 to create" in project.pulumi("preview")
    assert project.up() == {"create": 5}
    assert project.up() == {"same": 5}


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_a_container_whose_start_failed_is_kept_with_its_error_and_made_anew(project: Project, daemon: Daemon) -> None:
    """As the program asks for; without, the next `up` may call it good."""
    project.program(
        program(daemon, "restart='no', entrypoints=['/missing']", options=f"replace_on_changes={PARTIALLY_CREATED}")
    )
    failed = project.run("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "/missing" in failed.stdout
    kept = project.resources()["it"]
    assert kept["initErrors"]
    assert daemon.docker("inspect", "--format", "{{.State.Status}}", kept["id"]) == "created"

    again = project.run("up", "--yes", "--skip-preview")  # which fails as before
    found = project.resources()["it"]
    assert "/missing" in again.stdout
    assert found["initErrors"]
    assert found["id"] != kept["id"]
    assert kept["id"] not in daemon.docker("ps", "--all", "--quiet", "--no-trunc")


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_an_existing_volume_is_imported(project: Project, daemon: Daemon) -> None:
    """A volume, because the provider itself reads too little of a container to keep one that it did not make."""
    daemon.docker("volume", "create", "--label", "a=b", "there")
    volume = (
        "docker.Volume('there', name='there', labels=[docker.VolumeLabelArgs(label='a', value='b')],"
        " opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(import_='there')))"
    )
    assert project.program(program(daemon, "restart='no'", more=volume)).up() == {"create": 4, "import": 1}
    assert project.up() == {"same": 5}
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert daemon.docker("volume", "ls", "--quiet") == ""


@pytest.mark.long  # a plugin's version changes rarely; the first tests of this file go through it by default
def test_an_image_by_tag_and_digest_is_the_digest_s(project: Project, daemon: Daemon, tmp_path: Path) -> None:
    """As default images are pulled: once, whatever the tag means later; under a digest that nothing has, not at all."""
    (tmp_path / "caddy").write_bytes(b"a program")
    (layout := tmp_path / "layout").mkdir()
    write_images(layout, tmp_path / "caddy")
    with Depot(("127.0.0.1", 0), Contents(images=layout), Journal(tmp_path / "asked")) as depot:
        threading.Thread(target=depot.serve_forever, daemon=True).start()
        name = f"127.0.0.1:{depot.server_address[1]}/{GATEWAY}"
        digest = Registry(layout).tags[GATEWAY]
        text = f"""
import pulumi
import pulumi_docker as docker
options = pulumi.ResourceOptions(provider=docker.Provider("daemon", host={daemon.host!r}))
image = docker.RemoteImage("image", name={f"{name}@{digest}"!r}, keep_locally=True, opts=options)
pulumi.export("id", image.image_id)
"""
        assert project.program(text).up() == {"create": 3}
        found = json.loads(daemon.docker("image", "inspect", f"{name}@{digest}"))[0]
        assert found["Id"] == project.outputs()["id"]
        assert found["RepoDigests"] == [f"{name.rpartition(':')[0]}@{digest}"]
        assert project.up() == {"same": 3}
        daemon.docker("image", "rm", f"{name}@{digest}")
        done = project.program(text.replace(digest, f"sha256:{'a' * 64}")).run("up", "--yes", "--skip-preview")
        depot.shutdown()
    assert done.returncode != 0
    assert "unable to pull image" in done.stdout
