"""What a site remembers survives: whole records, and processes are not confused."""

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.machines.records import MachineRecord
from localcloud.system.processes import ProcessRecord, descendants
from localcloud.system.records import save_json

text = st.text(max_size=20)
records = st.builds(
    MachineRecord,
    name=text,
    address=text,
    network=text,
    image=text,
    host_key=text,
    cpus=st.none() | st.floats(0.1, 64),
    memory_mib=st.none() | st.integers(1, 2**20),
    cpu_list=st.lists(st.integers(0, 63)).map(tuple),
    binds_ro=st.lists(text).map(tuple),
    unplugged=st.booleans(),
)


@settings(max_examples=30)  # each is written to the disk for good
@given(record=records)
def test_a_record_is_read_back_as_it_was_written(record: MachineRecord) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record.save(Path(folder) / "machine.json")
        assert MachineRecord.load(Path(folder) / "machine.json") == record


def test_a_field_of_a_later_version_does_not_make_a_record_unreadable(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    record = MachineRecord("a", "10.0.0.2", "default", "/image", "ssh-ed25519 AAAA")
    save_json(file, {**asdict(record), "colour": "blue"})
    assert MachineRecord.load(file) == record


def test_a_save_leaves_no_draft(tmp_path: Path) -> None:
    save_json(tmp_path / "a.json", [1])
    save_json(tmp_path / "a.json", [2])
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_process_is_alive_until_it_ends_and_its_number_alone_is_not_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    record = ProcessRecord.of("child", child.pid)
    assert record.alive()
    assert child.pid in list(descendants(os.getpid()))
    other = ProcessRecord("other", child.pid, record.start_ticks + 1, record.boot_id)
    other.signal(9)
    assert record.alive(), "a signal for a process that had this number before must not reach it"
    assert not ProcessRecord("old", child.pid, record.start_ticks, "another boot").alive()
    record.signal(9)
    assert record.ended(5)
    child.communicate()
