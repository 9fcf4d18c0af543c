"""Which of a machine's accelerators are used: set in one place, and passed to driver check, Docker and engine."""

from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict

from stacks.deployment import deploy
from stacks.load_settings import parse
from stacks.settings.errors import SettingsError
from tests.support.graph import Answers, Recorder, step_environment
from tests.support.settings import refusal, values

NVIDIA: dict[str, Any] = {"kind": "nvidia", "gpu": "H20-96GB"}


def test_devices_count_and_each_machine_may_have_its_own():
    machines = [
        {"name": "a", "address": "10.0.0.1"},
        {"name": "b", "address": "10.0.0.2", "devices": "0,1"},
        {
            "name": "c",
            "address": "10.0.0.3",
            "accelerators": 1,
            "devices": ["GPU-5a1b2c3d-0000-1111-2222-333344445555"],
        },
    ]
    serving = {"tensorParallelSize": 1, "pipelineParallelSize": 5, "executor": "ray"}
    settings = parse(
        values(
            machines=machines,
            accelerator={**NVIDIA, "devices": [4, 5]},
            serving=serving,
            images={"engine": "ray:0.33.0"},
        )
    )
    assert settings.accelerators == (2, 2, 1)
    assert settings.devices[0] == ("4", "5")
    assert settings.accelerator.of_machine(2, settings.devices[0]).devices == ("4", "5")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"accelerator": {**NVIDIA, "devices": ["four"]}}, "accelerator.devices: 'four' is no device; give indices"),
        ({"accelerator": {**NVIDIA, "devices": [1, 1]}}, "accelerator.devices: names a device twice"),
        ({"accelerator": {**NVIDIA, "devices": [1, "MIG-5a1b2c3d-0000-1111"]}}, "mixes indices, GPUs and MIG slices"),
        (
            {"accelerator": {**NVIDIA, "devices": [4, 5], "perMachine": 8}},
            "accelerator.devices: names 2, and accelerator.perMachine is 8; set accelerator.perMachine to 2",
        ),
        ({"accelerator": {"kind": "cpu", "devices": [0]}}, "accelerator.devices: kind cpu has none to choose from"),
        (
            {
                "accelerator": {**NVIDIA, "perMachine": 1},
                "serving": {"tensorParallelSize": 2, "environment": {"CUDA_VISIBLE_DEVICES": "5"}},
            },
            "set accelerator.devices to [5]",
        ),
    ],
)
def test_devices_that_make_no_sense_are_refused(changes, expected):
    assert expected in refusal(**changes)


def test_steps_and_containers_get_the_named_ones(tmp_path):
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    key.write_text("PRIVATE")
    known.write_text("".join(f"10.0.0.{n} ssh-ed25519 AAAA\n" for n in (1, 2)))
    settings = parse(
        values(
            ssh={"privateKeyFile": str(key), "knownHostsFile": str(known)},
            accelerator={**NVIDIA, "devices": [4, 5]},
            serving={"tensorParallelSize": 2, "pipelineParallelSize": 2, "maxModelLen": 4096},
            model={"source": "modelscope", "id": "Qwen/Qwen2.5-7B-Instruct"},
        )
    )
    said = "nic=eth0 nofile=1024 memlock=-1 folder=/m id=1f gpus=8 use=4,5 hca= infiniband=no"

    class Machines(Answers):
        def new_resource(self, args):
            found, outputs = super().new_resource(args)
            if "-prepare" in args.name:
                outputs["stdout"] = said
            return found, outputs

    monitor = Recorder(Machines())
    pulumi.runtime.set_mocks(Machines(), project="tandem", stack="t", monitor=monitor)

    @pulumi.runtime.test
    async def run():
        return pulumi.Output.all(**await deploy(settings, api_key=None, hub_token=None))

    run()
    prepare = step_environment(monitor.seen["a-prepare-run"])
    assert (prepare["COUNT"], prepare["DEVICES"]) == ("2", "4 5")
    engine = MessageToDict(monitor.seen["a-engine"].object)
    assert engine["deviceRequests"] == [{"driver": "nvidia", "capabilities": ["gpu"], "deviceIds": ["4", "5"]}]
    options = step_environment(monitor.seen["a-collective-run"])["RUN_OPTIONS"]
    assert '--gpus="device=4,5"' in options.splitlines()


def test_what_the_environment_said_before_is_the_remedy_s_data():
    changes = {"accelerator": {**NVIDIA, "perMachine": 2}}
    serving = {"tensorParallelSize": 4, "environment": {"CUDA_VISIBLE_DEVICES": "6,7", "NCCL_DEBUG": "INFO"}}
    with pytest.raises(SettingsError) as caught:
        parse(values(**changes, serving=serving))
    assert caught.value.changes == {"serving.environment": {"NCCL_DEBUG": "INFO"}, "accelerator.devices": [6, 7]}
