"""Weights on shared storage, written once and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pulumi

from components.remote import Machine, RemoteStep

FILES = Path(__file__).parent / "files"
APT = Path(__file__).parents[1] / "host" / "files" / "apt.sh"


@dataclass(frozen=True)
class WeightsArgs:
    """Which weights, from where.

    Attributes:
        source: huggingface, modelscope, openmind, git-lfs or path.
        id: owner/name on the hub, the repository's URL for `git-lfs`, or a folder on the storage for `path`.
        revision: branch, tag or commit; None is the hub's default.
        endpoint: the hub's URL; None is the hub's own.
        mount_point: where the storage is mounted.
        files: patterns of the files that are wanted; none means all.
        check: any text; another text has every checksum verified again.
        stall_seconds: without a new byte for so long a download is started again, where it was.
    """

    source: str
    id: str
    revision: str | None
    endpoint: str | None
    mount_point: str
    files: tuple[str, ...] = ()
    check: str = ""
    stall_seconds: int = 60

    @property
    def folder(self) -> str:
        """Where the weights lie on every machine; those from a hub have a folder a revision and choice of files."""
        base = PurePosixPath(self.mount_point)
        if self.source == "path":
            return str(base / self.id)
        slug = re.sub(r"[^A-Za-z0-9._-]+", "--", self.id.partition("://")[2] or self.id)
        # Another choice of files is another folder: an engine takes whatever GGUF file it finds in its own.
        chosen = hashlib.sha256("\n".join(self.files).encode()).hexdigest()[:8] if self.files else ""
        return str(
            base / "models" / (slug + (f"@{self.revision}" if self.revision else "") + (chosen and f"+{chosen}"))
        )


class Weights(pulumi.ComponentResource):
    """Downloads to the storage, resumes after a cut, and verifies against the hub's checksums.

    One machine writes. Files that are there and right are never written again; wrong ones are replaced.
    Replacing or removing this component never deletes weights.

    Attributes:
        folder: path of the verified weights on every machine, known when they are verified: of a GGUF model the
            folder that its file or its parts lie in.
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
            files=travelling(),
            environment=environment(args),
            secrets={"HUB_TOKEN": token} if token is not None else None,
            long=True,
            timeout=48 * 3600,
            after=after,
            parent=self,
        )
        self.folder = step.result.apply(lambda found: found["folder"])
        self.register_outputs({"folder": self.folder})


def travelling() -> dict[str, Path]:
    """What goes to the machine beside the script: name there, and file here."""
    return {path.name: path for path in (*sorted(FILES.glob("*.py")), APT)}


def environment(args: WeightsArgs) -> dict[str, str]:
    """What the script is told, but for the token."""
    return {
        "SOURCE": args.source,
        "MODEL_ID": args.id,
        "REVISION": args.revision or "",
        "ENDPOINT": args.endpoint or "",
        "PATTERNS": "\n".join(args.files),
        "FOLDER": args.folder,
        "CHECK": args.check,
        "STALL_SECONDS": str(args.stall_seconds),
    }
