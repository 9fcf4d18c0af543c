"""What the hubs' own client libraries can tell and fetch. Runs in a virtual environment with that client."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from folder import File

IGNORED = (".gitattributes",)
REFUSED = 3
"""Exit code when the hub gives the files to nobody like us: trying again can't mend it."""


def listing(source: str, model: str, revision: str | None) -> tuple[str, list[File]]:
    """The model's files at a revision, and the revision's commit.

    Raises:
        LookupError: one sentence: no such model, no such revision, or no access.
    """
    return _huggingface(model, revision) if source == "huggingface" else _modelscope(model, revision)


def _huggingface(model: str, revision: str | None) -> tuple[str, list[File]]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    token = os.environ.get("HUB_TOKEN") or None
    try:
        info = HfApi(token=token).model_info(model, revision=revision, files_metadata=True)
    except GatedRepoError:
        raise LookupError(_gated(model)) from None
    except RevisionNotFoundError:
        raise LookupError(f"{model} has no revision {revision}; leave model.revision out for its default") from None
    except RepositoryNotFoundError:
        raise LookupError(
            f"the hub knows no model {model}; correct model.id, or set hubToken if it is private"
        ) from None
    files = [
        File(
            path=entry.rfilename,
            size=entry.size or 0,
            sha256=entry.lfs.sha256 if entry.lfs else None,
            git_sha1=None if entry.lfs else entry.blob_id,
        )
        for entry in info.siblings or []
        if entry.rfilename not in IGNORED
    ]
    return info.sha or "", files


def _modelscope(model: str, revision: str | None) -> tuple[str, list[File]]:
    from modelscope_hub import HubApi
    from modelscope_hub.errors import AuthenticationError, HubError, NotExistError, PermissionDeniedError

    wanted, token = revision or "master", os.environ.get("HUB_TOKEN") or None
    try:
        api = HubApi(endpoint=os.environ.get("MODELSCOPE_ENDPOINT"), token=token)
        found = api.list_repo_files(model, "model", revision=wanted)
    except NotExistError:
        raise LookupError(f"the hub knows no model {model} at {wanted}; correct model.id and model.revision") from None
    except (AuthenticationError, PermissionDeniedError):
        raise LookupError(_gated(model)) from None
    except HubError as error:
        raise ConnectionError(str(error)) from error
    files = [
        File(path=entry.path, size=entry.size, sha256=entry.sha256 or None)
        for entry in found
        if entry.type != "tree" and entry.path not in IGNORED
    ]
    return revision or "master", files


def _gated(model: str) -> str:
    return f"{model} is gated: accept its licence on the hub and set hubToken"


def download(source: str, model: str, revision: str | None, folder: Path) -> None:
    """Fetches what is missing into `folder`, going on where an earlier try was cut.

    Raises:
        LookupError: one sentence: no access. A gated model lists its files to everybody and gives them to few.
    """
    token = os.environ.get("HUB_TOKEN") or None
    if source == "huggingface":
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import GatedRepoError

        try:
            snapshot_download(model, revision=revision, local_dir=folder, token=token, ignore_patterns=list(IGNORED))
        except GatedRepoError:
            raise LookupError(_gated(model)) from None
    else:
        from modelscope import snapshot_download as modelscope_download
        from modelscope_hub.errors import AuthenticationError, FileDownloadError, PermissionDeniedError

        try:
            modelscope_download(model, revision=revision, local_dir=str(folder), token=token)
        except FileDownloadError as error:
            # One file refused is the model refused; other failures are worth another try.
            if any(
                isinstance(why, (AuthenticationError, PermissionDeniedError)) for why in error.failed_files.values()
            ):
                raise LookupError(_gated(model)) from None
            raise


if __name__ == "__main__":
    try:
        download(sys.argv[1], sys.argv[2], sys.argv[3] or None, Path(sys.argv[4]))
    except LookupError as refusal:
        Path(os.environ["TANDEM_DIR"], "error").write_text(f"{refusal}\n")
        sys.exit(REFUSED)
