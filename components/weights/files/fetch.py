"""Brings weights into a folder and proves them right. One writer, resumable, watched.

Environment: SOURCE, MODEL_ID, REVISION, ENDPOINT, PATTERNS (one a line), PREFERS, BELONGS, FOLDER,
STALL_SECONDS, HUB_TOKEN, HUB_TOKEN_WITHHELD, and lib.sh's TANDEM_DIR. Tells by files there: status, a line for people;
progress.json, the same for programs; result or error.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from changed_revision import Moved
from folder import File, read_manifest, write_manifest, wrong_files
from git_lfs import GitLfs
from hubs import ENDPOINTS, Hub, HuggingFace, ModelScope, explain
from integrity import check_beginnings, check_files, check_listing, first
from progress import Progress, State, amount
from safe_paths import ENDING, Inside, alike, check_names
from select_files import left_out, model_folder, select_files
from target import StorageFailure
from transfer import Differs, Transfer, Unfinished
from web import BROKEN, TRIES, Refusal
from writer_lock import WriterLock

HERE = Path(os.environ["TANDEM_DIR"])

SOURCE, MODEL, REVISION = os.environ["SOURCE"], os.environ["MODEL_ID"], os.environ["REVISION"]
ENDPOINT, TOKEN = os.environ["ENDPOINT"], os.environ.get("HUB_TOKEN", "")
PATTERNS = os.environ.get("PATTERNS", "").splitlines()
PREFERS = os.environ.get("PREFERS", "safetensors")
ALONE = os.environ.get("BELONGS", "no") != "yes"
"""A model by itself, and not what belongs to one: an adapter, a projector."""
FOLDER = Path(os.environ["FOLDER"])
STALL_SECONDS = float(os.environ["STALL_SECONDS"])
"""Without one new byte for this long a connection is opened anew; it goes on where it was."""
SLOW = int(os.environ.get("DOWNLOAD_SLOW", "1000000"))
"""Bytes a second; a download below it takes twelve days for a terabyte."""
WHERE = f"{ENDPOINT or ENDPOINTS.get(SOURCE, SOURCE)} ({MODEL})"


def fail(sentence: str) -> NoReturn:
    """One sentence for the user, then the end."""
    (HERE / "error").write_text(sentence + "\n")
    print("FAILED:", sentence, flush=True)
    if lock.held:
        lock.release()
    sys.stdout.flush()
    os._exit(1)  # threads may still wait for a hub


def status(line: str) -> None:
    """The line that moves in front of the user."""
    (HERE / "status").write_text(line + "\n")


def note(state: State) -> None:
    """The same for whoever waits for the download to end."""
    new = HERE / "progress.json.new"
    new.write_text(json.dumps(asdict(state)))
    new.replace(HERE / "progress.json")


def progress(verb: str, files: list[File]) -> Progress:
    """What is shown while these files are handled."""
    slow = SLOW if verb == "downloading" else 0
    return Progress(verb, MODEL, sum(f.size for f in files), status, note, window=STALL_SECONDS, slow=slow)


def enough_space(files: list[File]) -> None:
    """Refuses before the first byte when the chosen files can't fit."""
    held = 0
    for file in files:
        for path in (FOLDER / file.path, FOLDER / (file.path + ENDING)):
            held += min(path.stat().st_size, file.size) if path.is_file() else 0
    missing = sum(f.size for f in files) - held
    free = shutil.disk_usage(FOLDER.parent).free
    if missing > free:
        fail(
            f"{FOLDER.parent} has {amount(free)} free and {MODEL} needs {amount(missing)} more; "
            "free space there or use a larger storage"
        )


def verify(files: list[File]) -> list[tuple[File, str]]:
    """Reads every byte that is there once; what is wrong, with reasons."""
    shown = progress("verifying", [f for f in files if (FOLDER / f.path).is_file()])
    return list(wrong_files(FOLDER, files, shown.add))


def download(hub: Hub, wanted: list[File], shown: Progress) -> list[File]:
    """Fetches files that are missing; returns those that came with other bytes than the hub's."""
    if isinstance(hub, GitLfs):
        for file in wanted:
            if not file.sha256:
                hub.place(inside, file)
                shown.add(file.size)
        wanted = [f for f in wanted if f.sha256]
    transfer = Transfer(inside, hub.locate, shown, stall=STALL_SECONDS, explain=hub.explain)
    return transfer.run(wanted)


def bring(hub: Hub, all_files: list[File], files: list[File]) -> list[File]:
    """Downloads until every checksum is the hub's; what is small first, since it may show that the rest is in vain.

    A file that came altered is fetched once more; what a branch did meanwhile is `Moved`'s.

    Returns:
        The files as they are there.
    """
    wrong = verify(files)
    for file, reason in wrong:
        print(f"{file.path} {reason}", flush=True)
        if reason != "is missing":
            inside.remove(file.path)
    wanted = [file for file, _ in wrong]
    shown = progress("downloading", files)
    shown.there(sum(f.size for f in files) - sum(f.size for f in wanted))
    moved = Moved(hub, MODEL, FOLDER)
    for turn in (True, False):
        files = moved.bring(lambda some: download(hub, some, shown), files, [f for f in wanted if first(f) is turn])
        if turn and (wrong_model := check_beginnings(FOLDER, all_files, files)):
            fail(f"{MODEL} {wrong_model}")
    for line in moved.notes:
        notes.append(line)
    return files


def source() -> Hub:
    """Where the files come from."""
    if SOURCE == "huggingface":
        return HuggingFace(MODEL, REVISION, ENDPOINT, TOKEN)
    if SOURCE == "modelscope":
        return ModelScope(MODEL, REVISION, ENDPOINT, TOKEN)
    return GitLfs(SOURCE, MODEL, REVISION, ENDPOINT, TOKEN, stall=STALL_SECONDS)


def listing(hub: Hub) -> tuple[str, list[File], list[File]]:
    """The commit, its files, and those that are chosen; those that were verified before when the hub doesn't answer."""
    status(f"listing the files of {MODEL}")
    try:
        revision, files = hub.listing()
        if not files:
            fail(f"{MODEL} holds no files at {REVISION or 'its default revision'}; correct model.id or model.revision")
        check_names([f.path for f in files], WHERE)
        chosen = select_files(files, PATTERNS, MODEL, PREFERS)
        if wrong := check_listing(files, chosen, alone=ALONE):
            fail(f"{MODEL} {wrong}")
        named = bool(PATTERNS) and not PATTERNS[0].startswith("!")
        if twice := left_out(files, chosen, MODEL, PREFERS, named=named):
            notes.append(twice)
        return revision, files, chosen
    except LookupError as error:
        fail(str(error.args[0]))
    except (*BROKEN, Refusal, ValueError) as error:
        why = explain(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
        known = read_manifest(FOLDER)
        if known is None:
            fail(f"the hub did not answer for {MODEL} ({why}); see model.endpoint")
        print(f"the hub did not answer ({why}); verifying what was verified before", flush=True)
        return known[0], known[1], known[1]


def lost() -> None:
    """Another machine took us for dead, and writes now."""
    fail(f"this machine stood still for too long and another one took over {FOLDER}; run `pulumi up` again")


lock = WriterLock(FOLDER, status, lost)
inside = Inside(FOLDER)
notes: list[str] = []
"""What went right and is worth a sentence to the user all the same."""


def from_hub() -> tuple[str, Path]:
    """The commit, and the folder that the engine gets."""
    hub = source()
    revision, all_files, files = listing(hub)
    FOLDER.parent.parent.mkdir(parents=True, exist_ok=True)
    inside.make()
    lock.acquire()
    for one, other in alike([f.path for f in files]):
        if not inside.tells_apart(one, other):
            fail(
                f"{WHERE} lists {one!r} and {other!r}, which this storage takes for one file; leave one out by "
                f"model.files: ['!{other}']"
            )
    enough_space(files)
    files = bring(hub, all_files, files)
    if wrong := check_files(FOLDER, {f.path for f in files}):
        fail(
            f"{MODEL} {wrong}, though its checksum is the hub's; use another revision or repository (model.revision, "
            "model.id)"
        )
    write_manifest(FOLDER, files, revision)
    inside.remove_unfinished()
    lock.release()
    if isinstance(hub, GitLfs):
        hub.close()
    return revision, FOLDER / model_folder([f.path for f in files])


def from_path() -> tuple[str, Path]:
    """Weights that somebody put on the storage. Nothing is written there."""
    if not FOLDER.is_dir():
        fail(f"there is no folder {FOLDER}; with source path, model.id is a folder on the storage with weights in it")
    if wrong := check_files(FOLDER, alone=ALONE):
        fail(f"{FOLDER} {wrong}; with source path, model.id is a folder on the storage with whole weights in it")
    known = read_manifest(FOLDER)
    if known and (differing := verify(known[1])):
        file, reason = differing[0]
        fail(f"{FOLDER / file.path} {reason}; copy it again")
    return (known[0] if known else "unknown"), FOLDER


def main() -> None:
    """Writes the result, or the one sentence why there is none."""
    try:
        revision, folder = from_path() if SOURCE == "path" else from_hub()
    except LookupError as error:
        fail(str(error.args[0]))
    except Differs as error:
        fail(f"{MODEL} changed on the hub while it came down ({error}); run `pulumi up` again, and see model.revision")
    except Unfinished as error:
        fail(
            f"{MODEL} could not be downloaded in {TRIES} tries ({error}); see the log, and model.endpoint for a mirror"
        )
    except (StorageFailure, OSError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            fail(f"{FOLDER.parent} is full; free space there, then run `pulumi up` again: the download goes on")
        fail(f"{FOLDER.parent} can't be written or read ({error}); see the storage's export and its rights")
    found = {"folder": str(folder), "revision": revision, **({"note": ". ".join(notes)} if notes else {})}
    (HERE / "result").write_text(" ".join(f"{key}={shlex.quote(value)}" for key, value in found.items()) + "\n")


if __name__ == "__main__":
    main()
