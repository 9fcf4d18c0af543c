"""Settings are refused before any resource, with the setting, the reason and what works instead."""

import json
from typing import Any

import pytest
import yaml

from components.host import AcceleratorArgs
from stacks.load_settings import NAMESPACE, SECRETS, load, parse
from stacks.settings.errors import SettingsError
from stacks.settings.stack import Settings
from tests.support.paths import ROOT
from tests.support.settings import refusal, values
from tests.support.stack_files import all_stack_files


def test_defaults_fill_what_is_not_said():
    settings = parse(values())
    assert settings.model.name == "model-7b"
    assert settings.gateway.port == 8000
    assert settings.world_size == 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gatway": {}}, ["gatway: no such setting", "did you mean gateway?"]),
        ({"serving": {"tensorParalelSize": 2}}, ["serving.tensorParalelSize", "did you mean tensorParallelSize?"]),
        ({"machines": [{"name": "a", "adress": "x"}]}, ["machines[0].adress", "did you mean address?"]),
        ({"serving": {"tensorParallelSize": "two"}}, ["serving.tensorParallelSize", "valid integer"]),
        ({"serving": {"tensorParallelSize": 0}}, ["serving.tensorParallelSize", "greater than or equal to 1"]),
        ({"serving": None}, ["serving.split", "model.config", "or set tensorParallelSize"]),
        ({"platform": "gcp"}, ["platform", "'hosts'"]),
        ({"machines": []}, ["machines: is missing", "platform hosts needs it"]),
        (
            {"machines": [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "10.0.0.1"}]},
            ["machines", "same address 10.0.0.1:22"],
        ),
        (
            {
                "machines": [
                    {"name": "a", "address": "1.1.1.1", "privateAddress": "10.0.0.1"},
                    {"name": "b", "address": "1.1.1.2", "privateAddress": "10.0.0.1"},
                ]
            },
            ["same privateAddress 10.0.0.1"],
        ),
        (
            {"serving": {"tensorParallelSize": 4}},
            ["4 x pipelineParallelSize 1 = 4", "2 accelerators", "works: tensorParallelSize 2, pipelineParallelSize 1"],
        ),
        (
            {"images": {"engine": "lmsysorg/sglang:v0.5"}},
            ["images.engine", "is sglang's, and serving.engine is vllm", "take it out, which means vllm/vllm-openai:"],
        ),
        ({"images": {"engine": "vllm:1; rm -rf /"}}, ["images.engine", "is no image; write NAME:TAG, or NAME@sha256:"]),
        ({"images": {"engine": "vllm@sha256:12"}}, ["images.engine", "NAME@sha256:"]),
        ({"gateway": {"port": 8100}}, ["serving.port", "(gateway.port, 8100)", "set serving.port to 8200"]),
        ({"gateway": {"allowedCidrs": ["10.0.0.0/33"]}}, ["gateway.allowedCidrs", "203.0.113.0/24"]),
        ({"images": {"mounts": ["data:/data"]}}, ["images.mounts", "'data:/data' is no mount", ":ro"]),
        ({"storage": {"server": "nas", "mountPoint": "mnt"}}, ["storage.mountPoint", "/mnt"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(changes, expected):
    message = refusal(**changes)
    assert "nothing was created or changed" in message
    for part in expected:
        assert part in message


def nvidia(**changes: Any) -> dict[str, Any]:
    return {"accelerator": {"kind": "nvidia", **changes}}


def test_a_host_gets_the_accelerator_of_the_settings():
    wanted = {
        "cuda": "12.9",
        "driver": "alibaba",
        "alibabaVersions": ["570.133.20", "12.8.1", "9.8.0.87"],
        "driverBranch": 570,
        "hcas": ["mlx5_0"],
        "nvitop": True,
        "toolkitRepository": "https://mirror/toolkit",
    }
    given = parse(values(**nvidia(**wanted))).accelerator.of_machine(2)
    assert given == AcceleratorArgs(
        kind="nvidia",
        count=2,
        cuda="12.9",
        branch=570,
        driver="alibaba",
        hcas=("mlx5_0",),
        nvitop=True,
        alibaba_versions=("570.133.20", "12.8.1", "9.8.0.87"),
        toolkit_repository="https://mirror/toolkit",
    )
    assert parse(values()).accelerator.of_machine(1) == AcceleratorArgs()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"accelerator": {"kind": "cpu", "driverBranch": 580}}, "accelerator: driverBranch: belongs to kind nvidia"),
        (nvidia(driver="alibaba"), "alibabaVersions: driver alibaba asks for three full versions"),
        (nvidia(alibabaVersions=["1", "2", "3"]), "alibabaVersions: is for driver alibaba, and this is packages"),
        (nvidia(driver="present", driverRepository="deb x"), "driverRepository: driver present installs none"),
        (nvidia(cuda="13"), "accelerator.cuda"),
        (nvidia(driver="runfile"), "accelerator.driver"),
        (
            {**nvidia(driverBranch=580), "runtime": "native", "storage": {"path": "/d"}},
            "accelerator.driverBranch: nothing",
        ),
    ],
)
def test_a_driver_that_makes_no_sense_is_refused(changes, expected):
    assert expected in refusal(**changes)


NATIVE: dict[str, Any] = {"runtime": "native", "storage": {"path": "/datadrive"}}


def test_native_needs_a_shared_folder_and_no_image():
    settings = parse(values(**NATIVE, serving={"tensorParallelSize": 2, "executor": "ray"}))
    assert settings.storage.folder == "/datadrive"
    assert settings.native.requirements("vllm", "ray") == ("vllm==0.33.0", "ray==2.60.0")
    assert settings.native.requirements("vllm", "mp") == ("vllm==0.33.0",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"storage": {"server": "nas"}}, "storage.server: nothing is mounted with runtime native; give storage.path"),
        ({"storage": {}}, "storage.path: is missing; runtime native needs a folder"),
        ({"storage": {"path": "drive"}}, "storage.path: must be an absolute path, such as /drive"),
        ({"images": {"mounts": ["/a:/b"]}}, "images.mounts: there are no containers"),
        ({"native": {"python": "/p", "packages": ["x"]}}, "both name an environment"),
        ({"native": {"folder": "here"}}, "must be a path without blanks"),
        ({"accelerator": {"kind": "ascend"}}, "runtime: native knows no Ascend devices"),
        ({"serving": {"engine": "tensorrt-llm", "tensorParallelSize": 2}}, "tensorrt-llm runs in its image only"),
        (
            {"serving": {"engine": "llamacpp", "tensorParallelSize": 1, "pipelineParallelSize": 2}},
            "native.path: is missing; llamacpp is no pip package",
        ),
        ({"runtime": "docker", "storage": {"path": "/d", "server": "nas"}}, "storage.path: is there already, and"),
        ({"runtime": "docker", "storage": {"server": "n"}, "native": {"python": "/p"}}, "native: belongs to runtime"),
        ({"runtime": "podman"}, "runtime: input should be 'docker' or 'native'"),
    ],
)
def test_what_makes_no_sense_without_containers_is_refused(changes, expected):
    assert expected in refusal(**{**NATIVE, **changes})


@pytest.mark.parametrize(
    ("webui", "expected"),
    [
        ({"enabled": True}, "webui: allowedCidrs: is missing, so nobody could open the page"),
        (
            {"enabled": True, "allowedCidrs": ["10.0.0.0/8"], "port": 8000},
            "webui.port: the page (8000) and the URL (gateway.port, 8000) want the same port",
        ),
        ({"enabled": True, "allowedCidrs": ["10.0.0.0/33"]}, "webui.allowedCidrs"),
        ({"adminEmail": "me"}, "webui.adminEmail"),
    ],
)
def test_a_page_that_could_not_work_is_refused(webui, expected):
    assert expected in refusal(webui=webui)


def test_all_mistakes_are_reported_at_once():
    message = refusal(platform="gcp", nonsense="1", model={})
    for part in ("platform:", "nonsense:", "model.source:", "model.id:"):
        assert part in message


def test_a_short_key_is_refused_without_showing_it(monkeypatch):
    config = {f"{NAMESPACE}:{k}": v for k, v in {**values(), "apiKey": "hunter2"}.items()}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    with pytest.raises(SettingsError) as caught:
        load()
    assert "apiKey: has 7 characters" in str(caught.value)
    assert "apiKey: stands in clear" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_wrong_input_never_shows_its_value():
    """A secret typed into the wrong place must not come back in the message."""
    assert "s3cret-value" not in refusal(serving={"tensorParallelSize": "s3cret-value"})


def test_project_file_declares_every_setting_and_no_other():
    """Pulumi.yaml and the schema tell the same facts: names, and types as far as Pulumi knows them."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    fields = {field.alias or name: field for name, field in Settings.model_fields.items()}
    assert set(declared) == set(fields)
    kinds = {"object": dict, "array": list, "string": str}
    for name, entry in declared.items():
        assert entry["description"]
        if "default" in entry:
            assert entry["default"] == kinds[entry["type"]]()
        assert name not in SECRETS


@pytest.mark.parametrize("path", all_stack_files(), ids=lambda p: p.name)
def test_every_stack_file_holds(path):
    config = yaml.safe_load(path.read_text())["config"]
    given = {k.removeprefix(f"{NAMESPACE}:"): v for k, v in config.items() if k.startswith(f"{NAMESPACE}:")}
    assert parse({k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}).world_size >= 1
