"""Which sections belong to which platform, and that machines differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings


def platform_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Each platform has its own sections."""
    hosts = settings.platform == "hosts"
    for name, given, wanted in (
        ("machines", bool(settings.machines), hosts),
        ("storage.server", settings.storage.server is not None, hosts and settings.storage.path is None),
        ("cloud", settings.cloud is not None, not hosts),
    ):
        if wanted and not given:
            yield Mistake(f"{name}: is missing; platform {settings.platform} needs it ({_example(name)})")
        if given and not wanted and not (hosts and name == "storage.server"):
            yield Mistake(
                f"{name}: belongs to platform {'hosts' if not hosts else 'alicloud'}, and this stack's platform is "
                f"{settings.platform}; take it out"
            )


def access_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Rented machines have their own way in, and RDMA devices are for NCCL."""
    if settings.platform == "alicloud":
        if settings.ssh.agent:
            yield Mistake(
                "ssh.agent: platform alicloud gives the machines a key pair made from ssh.privateKeyFile; name "
                "that file instead"
            )
        if settings.ssh.proxy_jump:
            yield Mistake(
                "ssh.proxyJump: platform alicloud gives each machine an address of its own, which cloud.adminCidrs "
                "may reach; take it out"
            )
    if settings.accelerator.kind != "nvidia" and (given := next((m.name for m in settings.machines if m.hcas), None)):
        yield Mistake(
            f"machines: {given}'s hcas are RDMA devices for NCCL, and accelerator.kind is {settings.accelerator.kind}; "
            "take them out"
        )


def duplicate_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Machines have their own names and addresses."""
    for label, values in (
        ("name", [m.name for m in settings.machines]),
        ("address", [f"{m.address}:{m.port}" for m in settings.machines]),
        ("privateAddress", [m.peer_address for m in settings.machines]),
    ):
        value, count = next(iter(Counter(values).most_common(1)), ("", 0))
        if count > 1:
            yield Mistake(f"machines: {count} machines have the same {label} {value}; give each its own, or remove one")


def _example(name: str) -> str:
    return {
        "machines": "a list of name and address",
        "storage.server": "the NFS server's name or address; or storage.path, if every machine has the folder",
        "cloud": "at least region, candidates, machines and adminCidrs; see Pulumi.dev.yaml",
    }[name]
