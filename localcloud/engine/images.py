"""The container images of the local stack: frames of a few KiB around an environment that the machine mounts.

An OCI image layout (https://github.com/opencontainers/image-spec, image-layout.md) whose bytes depend on nothing
but this file, so their digests are the same everywhere.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from localcloud.machines.cache import key_of, made_once

NAMES = (
    "tandem/vllm-cpu:0.32.0",
    "tandem/gateway:1.22",
    "tandem/llamacpp-cpu:b11434",
    "tandem/ollama-cpu:0.17.4",
    "tandem/stand-in:1",
)
"""Engines, and nginx of Debian 12: the same frame, for what it holds is mounted from the machine."""

FOLDERS = {
    **dict.fromkeys(("usr", "opt/vllm", "dev", "proc", "sys", "run", "mnt", "home", "srv", "media", "var/run"), 0o755),
    **dict.fromkeys(("var/cache", "var/lib/nginx", "var/log/nginx", "var/lock", "etc/ld.so.conf.d"), 0o755),
    **dict.fromkeys(("tmp", "var/tmp"), 0o1777),
    "root": 0o700,
}

LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")},
    **{f"etc/{name}": f"/usr/lib/tandem/etc/{name}" for name in ("alternatives", "nginx", "ssl")},
}

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/debian_version": "12\n",
}

ENVIRONMENT = (
    "PATH=/opt/vllm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "PYTHONDONTWRITEBYTECODE=1",
)


def ensure_images() -> Path:
    """The OCI image layout with every image in NAMES, made when it isn't there."""
    return made_once("images", key_of(Path(__file__).read_text()), lambda folder, _log: write_images(folder))


def write_images(folder: Path) -> None:
    """Write the layout into an empty folder."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = frame()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": list(ENVIRONMENT), "WorkingDir": "/root", "Cmd": ["bash"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        "history": [{"created_by": "tandem"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _put(blobs, "application/vnd.oci.image.config.v1+json", _json(config)),
        "layers": [_put(blobs, "application/vnd.oci.image.layer.v1.tar", layer)],
    }
    described = _put(blobs, "application/vnd.oci.image.manifest.v1+json", _json(manifest))
    names = [{**described, "annotations": {"org.opencontainers.image.ref.name": name}} for name in NAMES]
    (folder / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": names}))


def frame() -> bytes:
    """The root file system as an uncompressed tar archive, the same bytes always."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        parents = {str(parent) for path in (*FOLDERS, *LINKS, *TEXTS) for parent in Path(path).parents} - {"."}
        for path in sorted(parents | set(FOLDERS)):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, FOLDERS.get(path, 0o755)
            archive.addfile(entry)
        for path, target in sorted(LINKS.items()):
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            archive.addfile(entry)
        for path, text in sorted(TEXTS.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _put(blobs: Path, media_type: str, content: bytes) -> dict[str, Any]:
    """Store a blob and return its descriptor."""
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
