"""What travels to a machine is deterministic, quoted, and keeps secrets out of the hash."""

import base64
import io
import subprocess
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.machine.payload import content_hash, pack, parse_result, render_environment

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=60)


@settings(max_examples=25)  # a shell each
@given(st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,8}\Z"), TEXT, max_size=16))
def test_a_shell_reads_back_every_value(environment):
    """Any text survives the quoting, as bash itself reads it."""
    script = render_environment(environment) + "".join(f'printf "%s\\0" "${n}"\n' for n in sorted(environment))
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [environment[n] for n in sorted(environment)]


@pytest.mark.parametrize("name", ["lower", "A-B", "A=1; rm", "", "1A"])
def test_a_name_that_a_shell_would_misread_is_refused(name):
    with pytest.raises(ValueError, match="environment variable"):
        render_environment({name: "x"})


def test_the_same_content_is_the_same_text():
    files = {"b": b"2", "a": b"1"}
    assert pack(files, {"X": "1"}) == pack(dict(reversed(files.items())), {"X": "1"})


def test_the_archive_holds_the_files_for_their_owner_only():
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(pack({"step.sh": b"echo"}, {"X": "it's"})))) as tar:
        assert {m.name: m.mode for m in tar} == {"step.sh": 0o600, "env": 0o600}


@pytest.mark.parametrize("change", [({"a": b"2"}, {"X": "1"}), ({"a": b"1"}, {"X": "2"}), ({"b": b"1"}, {"X": "1"})])
def test_any_change_changes_the_hash(change):
    assert content_hash(*change) != content_hash({"a": b"1"}, {"X": "1"})


def test_result_is_read_from_the_last_line():
    assert parse_result("noise\nnic=eth0 name='a b'\n") == {"nic": "eth0", "name": "a b"}
    assert parse_result("") == {}
