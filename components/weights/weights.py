"""Weights on shared storage, written once and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import pulumi

from components.machine import PACKAGE_MANAGER, Machine, RemoteStep

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class WeightsArgs:
    """Which weights, from where.

    Attributes:
        source: huggingface, modelscope, openmind, git-lfs or path.
        id: owner/name on the hub, the repository's URL for `git-lfs`, or a folder on the storage for `path`.
        revision: branch, tag or commit; None is the hub's default.
        endpoint: the hub's URL; None is the hub's own.
        mount_point: where the storage is mounted.
        files: patterns of the files that are wanted, after `!` of those that are not; none means all, but for further
            copies of the same weights.
        trigger: any text; another text has every checksum verified again.
        stall_seconds: without a new byte for so long a download is started again, where it was.
        prefers: the format that the engine reads, where a repository has several.
        belongs: they belong to a model, such as an adapter or a projector, and are none by themselves.
        own_hub: the hub is the one that the token is for; another gets none.
    """

    source: str
    id: str
    revision: str | None
    endpoint: str | None
    mount_point: str
    files: tuple[str, ...] = ()
    trigger: str = ""
    stall_seconds: int = 60
    prefers: Literal["safetensors", "gguf"] = "safetensors"
    belongs: bool = False
    own_hub: bool = True

    @property
    def folder(self) -> str:
        """Where the weights lie on every machine; those from a hub have a folder a revision and choice of files."""
        base = PurePosixPath(self.mount_point)
        if self.source == "path":
            return str(base / self.id)
        slug = _slug(self.id.partition("://")[2] or self.id)
        # Another choice of files is another folder: an engine takes whatever GGUF file it finds in its own.
        chosen = hashlib.sha256("\n".join(self.files).encode()).hexdigest()[:8] if self.files else ""
        return str(
            base / "models" / (slug + (f"@{_slug(self.revision)}" if self.revision else "") + (chosen and f"+{chosen}"))
        )


def _slug(text: str) -> str:
    """A name for one folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "--", text)


class Weights(pulumi.ComponentResource):
    """Downloads to the storage, resumes after a cut, and verifies against the hub's checksums.

    One machine writes. Files that are there and right are never written again; wrong ones are replaced.
    Replacing or removing this component never deletes weights.

    Attributes:
        folder: path of the verified weights on every machine, known when they are verified: of a GGUF model the
            folder that its file or its parts lie in.
        note: what went right and is worth a sentence, such as copies that were left out; empty for nothing.
    """

    folder: pulumi.Output[str]
    note: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        writer: Machine,
        args: WeightsArgs,
        token: pulumi.Input[str] | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares the weights.

        Args:
            name: Pulumi name, after the writer's; the step's name on it.
            writer: the machine that writes; the storage is mounted there.
            args: which weights.
            token: the hub's access token, a secret.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:weights:Weights", name, None, opts)
        step = RemoteStep(
            f"{writer.name}-{name}",
            machine=writer,
            script=FILES / "weights.sh",
            files=travelling(),
            environment={
                **environment(args),
                **({"HUB_TOKEN_WITHHELD": "yes"} if token is not None and not args.own_hub else {}),
            },
            secrets={"HUB_TOKEN": token} if token is not None and args.own_hub else None,
            long=True,
            timeout=48 * 3600,
            after=after,
            parent=self,
        )
        self.folder = step.result.apply(lambda found: found["folder"])
        self.note = step.result.apply(lambda found: found.get("note", ""))
        self.register_outputs({"folder": self.folder})


def travelling() -> dict[str, Path]:
    """What goes to the machine beside the script: name there, and file here."""
    return {**PACKAGE_MANAGER, **{path.name: path for path in sorted(FILES.glob("*.py"))}}


def environment(args: WeightsArgs) -> dict[str, str]:
    """Variables of the script, but for the token."""
    return {
        "SOURCE": args.source,
        "MODEL_ID": args.id,
        "REVISION": args.revision or "",
        "ENDPOINT": args.endpoint or "",
        "PATTERNS": "\n".join(args.files),
        "FOLDER": args.folder,
        "TRIGGER": args.trigger,
        "STALL_SECONDS": str(args.stall_seconds),
        # Named where it isn't the usual: what stands here is in the hash of a step that may have run already.
        **({"PREFERS": args.prefers} if args.prefers != "safetensors" else {}),
        **({"BELONGS": "yes"} if args.belongs else {}),
    }
