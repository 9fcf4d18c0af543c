"""Weights on shared storage, written once and verified."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pulumi

from components.remote import Machine, RemoteStep

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class WeightsArgs:
    """Which weights, from where.

    Attributes:
        source: path, huggingface or modelscope.
        id: owner/name on the hub, or a folder on the storage for `path`.
        revision: branch, tag or commit; None is the hub's default.
        endpoint: the hub's URL; None is the hub's own.
        client: the hub client's pip requirement, such as huggingface_hub==2.4.0.
        mount_point: where the storage is mounted.
        pip_index: Python package index; None is pip's own.
        check: any text; another text has every checksum verified again.
        stall_seconds: without a new byte for so long a download is started again, where it was.
    """

    source: str
    id: str
    revision: str | None
    endpoint: str | None
    client: str
    mount_point: str
    pip_index: str | None = None
    check: str = ""
    stall_seconds: int = 60

    @property
    def folder(self) -> str:
        """Where the weights lie on every machine; hub models have a folder a revision."""
        base = PurePosixPath(self.mount_point)
        if self.source == "path":
            return str(base / self.id)
        slug = re.sub(r"[^A-Za-z0-9._-]+", "--", self.id)
        return str(base / "models" / (slug + (f"@{self.revision}" if self.revision else "")))


class Weights(pulumi.ComponentResource):
    """Downloads to the storage, resumes after a cut, and verifies against the hub's checksums.

    One machine writes. Files that are there and right are never written again; wrong ones are replaced.
    Replacing or removing this component never deletes weights.

    Attributes:
        folder: path of the verified weights on every machine, known when they are verified.
    """

    folder: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        writer: Machine,
        stack: str,
        args: WeightsArgs,
        token: pulumi.Input[str] | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the weights.

        Args:
            name: Pulumi name.
            writer: the machine that writes; the storage is mounted there.
            stack: the deployment's own name on machines.
            args: which weights.
            token: the hub's access token, a secret.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:models:Weights", name, None, opts)
        step = RemoteStep(
            f"{writer.name}-weights",
            machine=writer,
            stack=stack,
            script=FILES / "weights.sh",
            files={f: FILES / f for f in ("fetch.py", "hubs.py", "folder.py")},
            environment={
                "SOURCE": args.source,
                "MODEL_ID": args.id,
                "REVISION": args.revision or "",
                "ENDPOINT": args.endpoint or "",
                "CLIENT": args.client,
                "FOLDER": args.folder,
                "PIP_INDEX": args.pip_index or "",
                "CHECK": args.check,
                "STALL_SECONDS": str(args.stall_seconds),
            },
            secrets={"HUB_TOKEN": token} if token is not None else None,
            long=True,
            timeout=48 * 3600,
            after=after,
            parent=self,
        )
        self.folder = step.result.apply(lambda found: found["folder"])
        self.register_outputs({"folder": self.folder})
