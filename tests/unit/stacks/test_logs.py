"""What machines wrote, in one stream: the order, the words, and what is said of a machine that isn't reached."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stacks import logs


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A `pulumi` and an `ssh` of the test's own: the first names machines, the second answers for each."""
    (tmp_path / "machines.json").write_text(
        json.dumps({n: f"ssh -i $KEYS/id -p 22 root@{n}" for n in ("node-0", "node-1")})
    )
    programs = {
        "pulumi": f'cat "{tmp_path}/machines.json"',
        "ssh": f'cat > "{tmp_path}/script"; for w in "$@"; do case $w in root@*) f=${{w#root@}} ;; esac; done\n'
        f'printf "%s\\n" "$@" > "{tmp_path}/$f.words"; [ -e "{tmp_path}/$f" ] || {{ echo "refused" >&2; exit 255; }}\n'
        f'cat "{tmp_path}/$f"',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("KEYS", "/keys of mine")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def write(stack: Path, machine: str, *lines: tuple[str, str, str]) -> None:
    (stack / machine).write_text("".join("\t".join(line) + "\n" for line in lines))


def test_lines_of_all_machines_come_by_their_times(stack, capsys):
    write(
        stack, "node-0", ("2026-01-01T00:00:01.1Z", "node-0-engine", "b"), ("2026-01-01T00:00:03Z", "node-0-ray", "d")
    )
    write(
        stack,
        "node-1",
        ("2026-01-01T00:00:01Z", "node-1-engine", "\x1b[36ma\x1b[0m"),
        ("2026-01-01T00:00:02Z", "x", "c"),
    )
    assert logs.main(["dev", "--since", "10m"]) == 0
    seen = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[-1] for line in seen] == ["b", "a", "c", "d"]
    assert seen[-1][1:3] == ["node-0", "ray"]
    assert "bash -s -- tandem-dev 2000 10m ''" in (stack / "node-0.words").read_text()
    assert "/keys of mine/id\n" in (stack / "node-0.words").read_text()
    assert (stack / "script").read_text() == logs.SCRIPT.read_text()


def test_only_what_is_looked_for_and_the_end_of_a_progress_bar(stack, capsys):
    for name in ("node-0", "node-1"):
        write(stack, name, ("-", f"{name}-engine", "10%\r50%\r100% loaded"), ("-", f"{name}-engine", "other"))
    assert logs.main(["dev", "--grep", r"\d+% "]) == 0
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [
        [name, "engine", "100%", "loaded"] for name in ("node-0", "node-1")
    ]


def test_a_machine_that_is_not_reached_is_named_and_the_other_is_shown(stack, capsys):
    write(stack, "node-0", ("-", "node-0-engine", "still here"))
    assert logs.main(["dev"]) == 1
    shown = capsys.readouterr()
    assert "still here" in shown.out
    assert shown.err == "error: node-1: refused; try `ssh -i $KEYS/id -p 22 root@node-1`\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "yesterday"], "--since: yesterday is no time; give 10m, 2h or 2026-11-29T08:00:00Z"),
        (["--grep", "("], "--grep: ( is no regular expression"),
    ],
)
def test_wrong_words_are_refused_before_any_machine_is_asked(stack, capsys, words, said):
    assert logs.main(["dev", *words]) == 1
    assert said in capsys.readouterr().err
    assert not list(stack.glob("*.words"))


def test_a_stack_that_is_not_there_is_named(stack, capsys):
    (stack / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'dev' found\" >&2; exit 255\n")
    assert logs.main(["dev"]) == 1
    assert "stack dev names no machines: no stack named 'dev' found; `pulumi stack ls`" in capsys.readouterr().err
