"""Which CLI and plugins are taken, in which order, and what is done when nothing is there."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.release_site import Site, program
from toolchain import ToolchainError, assembly, ensure_toolchain, environment
from toolchain.part import Part
from toolchain.paths import cache_dir, state_dir
from toolchain.select_cli import Origin, choose
from toolchain.versions import parse, versions

VERSION = versions().pulumi
NEWER = "3.999.0"


def make_part(name: str, programs: tuple[str, ...], built: list[str]) -> Part:
    def build(directory: Path) -> None:
        built.append(name)
        for each in programs:
            program(directory / each, f"echo {each}")

    return Part(name=name, programs=programs, build=build)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for the parts, whose builds are recorded."""
    record: list[str] = []
    parts = {
        "cli": make_part("cli", ("pulumi",), record),
        "host": make_part("host", ("pulumi-language-python", "pulumi-resource-command"), record),
    }
    for module in (
        ensure_toolchain,
        assembly,
        import_module("toolchain.environment"),
    ):  # whose name a function has, too
        monkeypatch.setattr(module, "all_parts", lambda: parts)
    return record


def pulumi_on_path(private: Path, version: str) -> Path:
    """A CLI that counts its starts and installs plugins unless there is a file `offline`."""
    return program(
        private / "bin" / "pulumi",
        f"""echo x >> {private}/starts
case $1 in
  version) echo v{version} ;;
  plugin) [ ! -e {private}/offline ] && mkdir -p "$HOME/.pulumi/plugins/resource-$4-v$5" ;;
esac""",
    )


@pytest.mark.parametrize(
    ("older", "newer"),
    [("3.258.9", VERSION), ("v3.259.0-rc1", VERSION), (VERSION, "v3.260.0"), ("go1.25.11", "1.26.0"), ("", "1.0")],
)
def test_versions_are_ordered_by_number_and_a_prerelease_comes_first(older: str, newer: str) -> None:
    assert parse(older) < parse(newer)


def test_a_new_enough_pulumi_on_path_is_taken_and_asked_for_its_version_once(private: Path) -> None:
    pulumi_on_path(private, NEWER)
    first, second = choose(download=True), choose(download=True)
    assert first == second
    assert (first.origin, first.directory) == (Origin.PATH, private / "bin")
    assert NEWER in first.reason
    assert (private / "starts").read_text() == "x\n"


def test_what_another_cache_built_is_not_taken_for_the_users_own(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = program(private / "other/toolchain/tools/0123/bin/pulumi", f"echo v{NEWER}")
    monkeypatch.setenv("PATH", f"{other.parent}:/bin")
    assert choose(download=False).origin is Origin.BUILD


def test_an_old_pulumi_on_path_gives_way_to_the_download(private: Path, site: Site) -> None:
    pulumi_on_path(private, "3.1.0")
    site.release("#!/bin/sh\n")
    choice = choose(download=True)
    assert choice.origin is Origin.DOWNLOAD
    assert "3.1.0, older than" in choice.reason


def test_without_path_and_download_it_is_built_and_the_second_run_does_nothing(private: Path, built: list[str]) -> None:
    lines = ensure_toolchain.ensure()
    assert built == ["cli", "host"]
    assert lines[0].startswith("pulumi: built here (no pulumi on PATH; downloading is off")
    before = snapshot(cache_dir())
    assert ensure_toolchain.ensure() == lines
    assert built == ["cli", "host"]
    assert snapshot(cache_dir()) == before


def test_official_plugins_are_used_with_an_official_cli(private: Path, built: list[str]) -> None:
    pulumi_on_path(private, NEWER)
    lines = ensure_toolchain.ensure()
    assert built == []
    assert lines[1] == "command: official plugin 1.2.1, installed by Pulumi"
    path = environment()["PATH"].split(os.pathsep)
    assert path[0] == str(private / "bin")
    assert "PULUMI_HOME" not in environment()


def test_an_official_cli_that_can_download_no_plugin_gets_ours(private: Path, built: list[str]) -> None:
    pulumi_on_path(private, NEWER)
    (private / "offline").touch()
    lines = ensure_toolchain.ensure()
    assert built == ["host"]
    assert "could not download" in lines[1]
    folder = environment()["PATH"].split(os.pathsep)[1]
    assert (Path(folder) / "pulumi-resource-command").exists()
    assert not (Path(folder) / "pulumi-language-python").exists()


def test_environment_before_ensure_names_the_command(private: Path, built: list[str]) -> None:
    with pytest.raises(ToolchainError, match="run `python -m toolchain ensure`"):
        environment()


def test_environment_has_a_local_backend_with_a_passphrase_that_stays(private: Path, built: list[str]) -> None:
    ensure_toolchain.ensure()
    first, second = environment(), environment()
    assert first == second
    assert first["PATH"].split(os.pathsep)[0] == str(assembly.tools_dir() / "bin")
    assert first["PULUMI_BACKEND_URL"] == (state_dir() / "stacks").as_uri()
    passphrase = Path(first["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert len(passphrase.read_text()) >= 32
    assert passphrase.stat().st_mode & 0o077 == 0
    plugin = Path(first["PULUMI_HOME"]) / "plugins" / "resource-command-v1.2.1" / "pulumi-resource-command"
    assert subprocess.run([plugin], capture_output=True, text=True, check=True).stdout == "pulumi-resource-command\n"


@pytest.mark.parametrize("name", ["PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_what_the_user_set_himself_stays(
    private: Path, built: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ensure_toolchain.ensure()
    monkeypatch.setenv(name, "mine")
    assert not {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"} & environment().keys()


def test_an_ssh_agent_that_is_gone_is_hidden_from_the_plugins(
    private: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_toolchain.ensure()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(private / "agent"))
    assert environment()["SSH_AUTH_SOCK"] == ""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(private / "agent"))
        agent.listen()
        assert "SSH_AUTH_SOCK" not in environment()


def test_a_shell_that_evaluated_env_is_not_taken_for_the_users_choice(
    private: Path, built: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_toolchain.ensure()
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TANDEM_STATE", str(private / "other"))
    assert environment()["PULUMI_BACKEND_URL"] == (private / "other" / "pulumi" / "stacks").as_uri()


def test_a_failed_build_leaves_nothing_and_is_done_again(private: Path, built: list[str]) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise ToolchainError("no")

    broken = Part(name="broken", programs=("x",), build=fail)
    with pytest.raises(ToolchainError, match="no"):
        ensure_toolchain.build(broken)
    assert list(broken.directory().parent.iterdir()) == []
    remnant = broken.directory().parent / ".killed"
    remnant.mkdir()
    ensure_toolchain.build(make_part("broken", ("x",), built))
    assert not remnant.exists()


def test_a_build_that_forgets_a_program_is_refused(private: Path) -> None:
    part = Part(name="empty", programs=("x",), build=lambda _: None)
    with pytest.raises(ToolchainError, match="left no executable x"):
        ensure_toolchain.build(part)
    assert not part.present()


def test_a_full_disk_is_said_with_its_remedy(private: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ToolchainError, match=r"No space left.*TANDEM_CACHE"):
        ensure_toolchain.build(Part(name="big", programs=("x",), build=full))


def test_two_ensures_at_once_build_once(private: Path, built: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: ensure_toolchain.ensure(), range(4)))
    assert results == [results[0]] * 4
    assert sorted(built) == ["cli", "host"]


def test_the_key_follows_sources_and_versions_but_not_tests(private: Path) -> None:
    source = private / "source"
    source.mkdir()
    (source / "main.go").write_text("a")

    def key(**changes: str) -> str:
        return Part(name="p", programs=("x",), build=lambda _: None, sources={"source": source}, versions=changes).key()

    first = key()
    (source / "main_test.go").write_text("test")
    assert key() == first
    assert key(sdk="2") != first
    (source / "main.go").write_text("b")
    assert key() != first
    second = key()
    source = source.rename(private / "elsewhere")
    assert key() == second, "a folder that moves is not built again"


def go(private: Path, script: str) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Put a `go` on PATH and return `ensure` with it."""
    if script:
        program(private / "bin" / "go", script)

    def run() -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": str(private / "bin")}  # without the system's own Go
        command = [sys.executable, "-m", "toolchain", "ensure"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "Go is missing, .* install Go 1.26.0 or newer"),
        ("echo go1.21.3", "go is go1.21.3, too old .* put Go 1.26.0 or newer first on PATH"),
        (
            '[ "$1" = env ] && { echo go1.99; exit; }; echo "dial tcp: lookup x: no such host" >&2; exit 1',
            "can't be fetched .* set GOPROXY",
        ),
        (
            '[ "$1" = env ] && { echo go1.99; exit; }; echo "write x: no space left on device" >&2; exit 1',
            "No space left .* GOCACHE",
        ),
        ('[ "$1" = env ] && { echo go1.99; exit; }; echo "x.go:1: undefined: y" >&2; exit 1', "undefined: y"),
    ],
    ids=["missing", "too old", "no network", "no space", "does not compile"],
)
def test_a_go_that_can_not_build_is_one_sentence_with_the_remedy(private: Path, script: str, said: str) -> None:
    done = go(private, script)()
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.search(said, last), last
    assert "Traceback" not in done.stderr


def test_a_cache_that_can_not_be_written_is_one_sentence_with_the_remedy(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (private / "file").touch()
    monkeypatch.setenv("TANDEM_CACHE", str(private / "file"))
    done = go(private, "")()
    assert done.returncode == 1
    assert re.fullmatch(r".*file/toolchain can't be used \(.*\): .* TANDEM_CACHE .*\n", done.stderr), done.stderr


def snapshot(directory: Path) -> dict[str, int]:
    """Return every file's time of change, the lock's aside."""
    return {str(path): path.lstat().st_mtime_ns for path in directory.rglob("*") if path.name != "lock"}
