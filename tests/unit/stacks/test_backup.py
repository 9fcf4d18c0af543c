"""A backup of the team's database: a file that is whole or not there, from the machine that has the database."""

from __future__ import annotations

import json
import os

import pytest

from stacks import backup


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """A `pulumi` and an `ssh` of the test's own; a machine answers what its file holds, with its file's code."""
    (tmp_path / "machines.json").write_text(json.dumps({n: f"ssh root@{n}" for n in ("node-0", "node-1")}))
    programs = {
        "pulumi": f'cat "{tmp_path}/machines.json"',
        "ssh": f'for w in "$@"; do case $w in root@*) f={tmp_path}/${{w#root@}} ;; esac; done\n'
        'printf "%s\\n" "$@" >"$f.words"; cat >"$f.in"; cat "$f.out"; cat "$f.error" >&2; exit "$(cat "$f.code")"',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def answer(machine: str, code: int = 0, out: str = "", error: str = "") -> None:
        for part, text in (("code", str(code)), ("out", out), ("error", error)):
            (tmp_path / f"{machine}.{part}").write_text(text)

    for name in ("node-0", "node-1"):
        answer(name, backup.NONE_THERE)
    return answer


def test_the_machine_that_has_the_database_is_found_and_the_file_is_its_owner_s(machines, tmp_path, capsys):
    machines("node-1", out="PGDMP and more")
    assert backup.main(["dev", "--to", str(tmp_path / "a.dump"), "--seconds", "7"]) == 0
    assert (tmp_path / "a.dump").read_text() == "PGDMP and more"
    assert (tmp_path / "a.dump").stat().st_mode & 0o777 == 0o600
    assert "team_data tandem-dev node-1 7 backup" in (tmp_path / "node-1.words").read_text()
    assert "teamSaltKey" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((1, "PGDMP", "pg_dump: error: connection refused\n"), "node-0: no backup: pg_dump: error: connection refused"),
        ((124, "PGDMP", ""), "took more than 1800 s; raise --seconds"),
        ((0, "nothing", ""), "no dump of PostgreSQL"),
        ((backup.NONE_THERE, "", ""), "has no team's database on its machines; set gateway.team"),
    ],
)
def test_what_is_not_whole_leaves_no_file(machines, tmp_path, capsys, answer, expected):
    machines("node-0", *answer)
    assert backup.main(["dev", "--to", str(tmp_path / "a.dump")]) == 1
    assert expected in capsys.readouterr().err
    assert not list(tmp_path.glob("a.dump*"))


def test_a_file_that_is_there_is_not_overwritten(machines, tmp_path, capsys):
    (tmp_path / "a.dump").write_text("old")
    assert backup.main(["dev", "--to", str(tmp_path / "a.dump")]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "a.dump").read_text() == "old"


def test_a_restore_sends_the_file_and_nothing_else(machines, tmp_path, capsys):
    machines("node-0")
    (tmp_path / "a.dump").write_text("PGDMP content")
    assert backup.main(["dev", "--restore", str(tmp_path / "a.dump")]) == 0
    assert (tmp_path / "node-0.in").read_text() == "PGDMP content"
    for name, content in (("b.dump", "text"), ("c.dump", None)):
        if content:
            (tmp_path / name).write_text(content)
        assert backup.main(["dev", "--restore", str(tmp_path / name)]) == 1
    said = capsys.readouterr().err
    assert "no dump of PostgreSQL; name one that `make backup` wrote" in said
    assert "can't be read: No such file or directory" in said
