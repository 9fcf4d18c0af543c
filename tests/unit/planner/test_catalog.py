"""The catalog's tables are checked when they are read: a wrong entry names its file, its key and what is wanted."""

import pytest

from planner import device
from planner.catalog import table
from planner.catalog.device import CatalogDevice, device_names
from planner.catalog.machines import GpuMachine, instance_type, instance_types
from planner.catalog.models import models
from planner.catalog.storage import ByCapacity, ByUse


def test_what_entries_name_is_in_the_catalog():
    for name in instance_types():
        machine = instance_type(name)
        assert isinstance(machine, GpuMachine)
        assert machine.gpu in device_names()
    for name in device_names():
        assert device(name).total > 0
    for entry in models().values():
        assert {*entry.variants, *filter(None, [entry.base])} <= {*models()}


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("L9: {gpu: L20, gpus: 1, network_gbits: 16}", GpuMachine, "t.yaml: L9: lacks cny_hour"),
        (
            "L9: {gpu: L20, gpus: '1', network_gbits: 16, cny_hour: 2}",
            GpuMachine,
            "t.yaml: L9.gpus: is '1'; int is wanted",
        ),
        ("L9: {gpu: L20, gpus: 1, network_gbits: yes, cny_hour: 2}", GpuMachine, "L9.network_gbits: is True; float"),
        ("L9: {gpu: L20, gpus: 1, network: 1, cny_hour: 2}", GpuMachine, "L9: has no field network; fields are"),
        ("x: {base: 1, per_gb: 2}", ByUse, "t.yaml: x: lacks most"),
        ("x: {steps: [[1, 2, 3]]}", ByCapacity, r"t.yaml: x.steps\[0\]: is \[1, 2, 3\]"),
        ("x: {memory_mib: 1, link: token-ring}", CatalogDevice, "x: lacks usable_mib"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(tmp_path, monkeypatch, text, kind, said):
    (tmp_path / "t.yaml").write_text(text)
    monkeypatch.setattr(table, "DATA", tmp_path)
    with pytest.raises(ValueError, match=said):
        table.entries("t", kind)
