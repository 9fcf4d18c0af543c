"""The bridge's names and kinds of properties against the official SDKs, which are the authority on them."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
from types import ModuleType
from typing import Any

import pytest

from toolchain.parts import all_parts

pytestmark = pytest.mark.engine

# Of Terraform providers newer than the SDK, or of the SDK's own base classes.
ONLY_BRIDGE = {
    "docker:index/container:Container.deviceCgroupRules",
    "docker:index/container:Container.uploads.group",
    "docker:index/container:Container.uploads.owner",
    "alicloud:ecs/instance:Instance.ioOptimized",
    "alicloud:ecs/instance:Instance.subnetId",
}
ONLY_SDK = re.compile(r"\.(urn|id|pulumi_resource_name|pulumi_resource_type)$")


def schema(name: str) -> dict[str, Any]:
    part = all_parts()[name]
    if not part.present():
        pytest.skip(f"the {name} plugin is not built: python -m toolchain ensure")
    program = part.directory() / f"pulumi-resource-{name}"
    found: dict[str, Any] = json.loads(subprocess.check_output([program, "--schema"]))
    return found


def getters(cls: type) -> dict[str, Any]:
    """Return the class's properties by their names on the wire."""
    found = inspect.getmembers(cls, lambda member: isinstance(member, property))
    return {getattr(prop.fget, "_pulumi_name", name): prop.fget for name, prop in found}


def sdk_class(token: str) -> tuple[type, ModuleType]:
    package, module, name = token.split(":")
    folder = module.split("/")[0]
    imported = importlib.import_module(f"pulumi_{package}" + ("" if folder == "index" else f".{folder}"))
    class_name = name if name[0].isupper() else name[0].upper() + name[1:] + "Result"
    return getattr(imported, class_name), imported.outputs


def differences(path: str, properties: dict[str, Any], cls: type, outputs: ModuleType, types: Any) -> set[str]:
    there = getters(cls)
    found = {f"{path}.{name}" for name in set(properties) ^ set(there)}
    for name in set(properties) & set(there):
        here, annotation = properties[name], str(there[name].__annotations__["return"])
        if (here.get("type") == "array") != ("Sequence" in annotation):
            found.add(f"{path}.{name}: {annotation}")
        element = here.get("items", here)
        element = element.get("additionalProperties", element)
        if element.get("$ref", "").startswith("#/types/"):
            inner = re.search(r"outputs\.(\w+)", annotation)
            if inner is None:
                found.add(f"{path}.{name}: {annotation}")
                continue
            nested = types[element["$ref"].removeprefix("#/types/")]["properties"]
            found |= differences(f"{path}.{name}", nested, getattr(outputs, inner[1]), outputs, types)
    return found


@pytest.mark.parametrize("name", ["docker", "alicloud"])
def test_every_property_has_the_sdks_name_and_kind(name: str) -> None:
    described = schema(name)
    found: set[str] = set()
    resources = {token: each["properties"] for token, each in described["resources"].items()}
    results = {token: each["outputs"]["properties"] for token, each in described["functions"].items()}
    for token, properties in {**resources, **results}.items():
        cls, outputs = sdk_class(token)
        found |= differences(token, properties, cls, outputs, described["types"])
    assert {path for path in found if not ONLY_SDK.search(path)} <= ONLY_BRIDGE
    assert len(resources) > 10


@pytest.mark.parametrize("name", ["docker", "alicloud"])
def test_what_the_sdk_requires_is_what_the_bridge_requires(name: str) -> None:
    """So a name that the SDK does not require is made up, and only such a one."""
    for token, described in schema(name)["resources"].items():
        cls, _ = sdk_class(token)
        arguments = importlib.import_module(cls.__module__)
        parameters = inspect.signature(getattr(arguments, f"{cls.__name__}Args").__init__).parameters
        names = {prop: key for key, prop in getters(getattr(arguments, f"{cls.__name__}Args")).items()}
        needed = {key for key, each in parameters.items() if each.default is inspect.Parameter.empty and key != "self"}
        wire = {
            wired
            for wired, getter in getters(getattr(arguments, f"{cls.__name__}Args")).items()
            if getter.__name__ in needed
        }
        assert names and wire == set(described["requiredInputs"]), token


@pytest.mark.parametrize("name", ["docker", "alicloud"])
def test_the_providers_configuration_has_the_sdks_names(name: str) -> None:
    provider = importlib.import_module(f"pulumi_{name}.provider")
    there = set(getters(provider.ProviderArgs))
    assert there <= set(schema(name)["provider"]["inputProperties"])
