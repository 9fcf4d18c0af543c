"""Imports what the program imports, also what it only imports once it uses it: `python -m toolchain.imports`.

Set-up runs it so that Python's bytecode is there: the provider's and the SDK's modules take seconds without.
"""

from importlib import import_module

import pulumi_alicloud

MODULES = (
    "pulumi.runtime.stack",
    "stacks.deployment",
    "alibabacloud_credentials.client",
    "alibabacloud_tea_openapi.client",
)

for name in MODULES:
    import_module(name)
# The provider's modules are lazy: reading a name is what loads one.
LOADED = (pulumi_alicloud.ecs.Instance, pulumi_alicloud.nas.FileSystem, pulumi_alicloud.vpc.Network)
