"""A container registry to pull from: the read half of the OCI distribution specification, over an image layout."""

import json
from pathlib import Path

from localcloud.http.messages import Request, Response, as_json


class Registry:
    """Answers under `/v2/`; `docker pull ADDRESS:PORT/NAME:TAG` or `...@DIGEST`."""

    def __init__(self, layout: Path) -> None:
        index = json.loads((layout / "index.json").read_text())
        self.blobs = layout / "blobs" / "sha256"
        self.tags = {
            entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]
        }
        self.media_types = {entry["digest"]: entry["mediaType"] for entry in index["manifests"]}

    def answer(self, request: Request) -> Response:
        """Answer a request; its path begins after `/v2`."""
        parts = request.path.strip("/").split("/")
        if parts == [""]:
            return self._with_version(as_json({}))
        match parts:
            case [*name, "manifests", reference] if name:
                return self._with_version(self._manifest("/".join(name), reference))
            case [*name, "blobs", digest] if name:
                return self._with_version(self._blob(digest))
            case [*name, "tags", "list"] if name:
                prefix = "/".join(name) + ":"
                tags = [tag.removeprefix(prefix) for tag in self.tags if tag.startswith(prefix)]
                if tags:
                    return self._with_version(as_json({"name": "/".join(name), "tags": tags}))
        return self._with_version(_error("NAME_UNKNOWN", f"the registry has nothing at {request.path}"))

    def _manifest(self, name: str, reference: str) -> Response:
        digest = reference if reference.startswith("sha256:") else self.tags.get(f"{name}:{reference}", "")
        media_type = self.media_types.get(digest)
        if media_type is None:
            return _error("MANIFEST_UNKNOWN", f"{name} has no {reference}; there are {', '.join(sorted(self.tags))}")
        return self._content(digest, media_type)

    def _blob(self, digest: str) -> Response:
        known = digest.startswith("sha256:") and digest.removeprefix("sha256:").isalnum()
        if not known or not (self.blobs / digest.removeprefix("sha256:")).is_file():
            return _error("BLOB_UNKNOWN", f"there is no blob {digest}")
        return self._content(digest, "application/octet-stream")

    def _content(self, digest: str, content_type: str) -> Response:
        headers = {"Docker-Content-Digest": digest, "ETag": f'"{digest}"'}
        return Response(file=self.blobs / digest.removeprefix("sha256:"), content_type=content_type, headers=headers)

    @staticmethod
    def _with_version(answer: Response) -> Response:
        headers = {**answer.headers, "Docker-Distribution-API-Version": "registry/2.0"}
        return Response(answer.status, answer.body, answer.file, answer.content_type, headers)


def _error(code: str, message: str) -> Response:
    return as_json({"errors": [{"code": code, "message": message}]}, 404)
