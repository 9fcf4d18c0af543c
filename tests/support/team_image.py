"""Images of LiteLLM and PostgreSQL for the tests' registry; what stands in for what: tests/stand_ins/README.md."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localcloud.fixtures import ensure_images
from localcloud.fixtures.uv import find_uv, uv_cache
from localcloud.machines.archive_sources import archive_sources, release_codename
from localcloud.system.cache import key_of, made_once
from localcloud.system.programs import run
from stacks.versions import LITELLM
from tests.support.paths import ROOT

SCRIPT = ROOT / "tests/support/team_image.sh"
STAND_INS = {
    "opt/prisma/query-engine": ROOT / "tests/stand_ins/prisma_query_engine.cjs",
    "usr/local/bin/prisma": ROOT / "tests/stand_ins/prisma.sh",
}
KIND = "application/vnd.oci.image"
LITELLM_IMAGE, POSTGRES_IMAGE = f"tandem/litellm:{LITELLM}", "tandem/postgres:15"
PATHS = {
    LITELLM_IMAGE: "PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/bin:/bin",
    POSTGRES_IMAGE: "PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
}


def ensure_team_images() -> Path:
    """An OCI image layout with both and with those of the local stacks: about 5 minutes and 1 GiB, once."""
    own = [
        ensure_images().name,
        ensure_root().name,
        Path(__file__).read_text(),
        *(f.read_text() for f in STAND_INS.values()),
    ]
    return made_once("team-images", key_of(*own), _make)


def ensure_root() -> Path:
    """The folder with `layer`, the archive of all that is no stand-in."""

    def make(folder: Path, log: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            root, sources = Path(place) / "root", Path(place) / "sources.list"
            sources.write_text("".join(f"{line}\n" for line in archive_sources()))
            run(SCRIPT, root, release_codename(), sources, find_uv(), uv_cache(), LITELLM, log=log)
            run("tar", "--create", "--numeric-owner", "--file", folder / "layer", "--directory", root, ".", log=log)

    return made_once("team", key_of(release_codename(), LITELLM, SCRIPT.read_text()), make)


def _make(folder: Path, _log: Path) -> None:
    shutil.copytree(ensure_images(), folder, dirs_exist_ok=True)
    blobs = folder / "blobs" / "sha256"
    with tarfile.open(folder / "stand-ins", "w") as archive:
        for path, file in STAND_INS.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = file.stat().st_size, 0o755
            with file.open("rb") as content:
                archive.addfile(entry, content)
    layers = []
    for archived in (ensure_root() / "layer", folder / "stand-ins"):
        with archived.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        (blobs / digest).hardlink_to(archived)
        layers.append(_described(f"{KIND}.layer.v1.tar", digest, archived.stat().st_size))
    index = json.loads((folder / "index.json").read_text())
    index["manifests"] += [_image(blobs, name, path, layers) for name, path in PATHS.items()]
    (folder / "index.json").write_text(json.dumps(index))


def _image(blobs: Path, name: str, path: str, layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Its manifest's descriptor."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [path, "LANG=C.UTF-8"], "StopSignal": "SIGINT"},  # as PostgreSQL's official image
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{KIND}.manifest.v1+json",
        "config": _blob(blobs, f"{KIND}.config.v1+json", config),
        "layers": layers,
    }
    own = {"annotations": {"org.opencontainers.image.ref.name": name}}
    return {**_blob(blobs, f"{KIND}.manifest.v1+json", manifest), **own}


def _blob(blobs: Path, media_type: str, value: dict[str, Any]) -> dict[str, Any]:
    content = json.dumps(value, sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return _described(media_type, digest, len(content))


def _described(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}
