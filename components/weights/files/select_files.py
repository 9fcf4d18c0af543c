"""Which files of a repository are wanted: patterns, and GGUF models that come in parts. Pure."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from folder import File
from formats import CONSOLIDATED, SAFETENSORS, copies
from progress import amount

PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
"""How llama.cpp's gguf-split numbers the files of a split model."""
SHOWN = 6


def select_files(files: Sequence[File], patterns: Sequence[str], model: str, prefers: str = SAFETENSORS) -> list[File]:
    """The files that are wanted.

    A pattern is a shell pattern for the whole path, `*` crossing slashes; one that ends in a slash means all below;
    with `!` before it, it leaves files out. As in a .gitignore the last pattern that matches a file decides. Where none
    or a `!` stands first all files are wanted but further copies of the same weights (`formats.copies`).

    Raises:
        LookupError: one sentence: a pattern that matches nothing, a split model in part, or several GGUF models.
    """
    for pattern in patterns:
        if not any(_matches(f.path, _bare(pattern)) for f in files):
            near = _near([f.path for f in files], _bare(pattern))
            raise LookupError(f"model.files: {pattern} matches no file of {model}; {near}")
    everything = not patterns or patterns[0].startswith("!")
    spare = {f.path for held in copies(files, prefers).values() for f in held} if everything else set()
    chosen = [f for f in files if _wanted(f.path, patterns, everything and f.path not in spare)]
    if not chosen:
        raise LookupError(f"model.files leaves no file of {model}; take out one of {_some(patterns)}")
    _whole(files, chosen, model)
    models = gguf_models([f.path for f in chosen])
    if len(models) > 1 and not any(f.path.endswith(".safetensors") for f in chosen):
        one = PART.sub("-*.gguf", models[0])
        raise LookupError(
            f"{'model.files chooses' if patterns else f'{model} holds'} {len(models)} GGUF models ({_some(models)}), "
            f"and an engine serves one; choose one with model.files, such as {one}"
        )
    return chosen


def left_out(
    files: Sequence[File], chosen: Sequence[File], model: str, prefers: str = SAFETENSORS, *, named: bool = False
) -> str:
    """What further copies of the weights are not fetched, or are though nobody needs them, as one line; or nothing.

    Args:
        files: the repository's.
        chosen: those that are fetched.
        model: for the line.
        prefers: as `select_files`.
        named: the user has named what is wanted, and knows what isn't.
    """
    there = {f.path for f in chosen}
    sentences = []
    for label, held in copies(files, prefers).items():
        for fetched in (True,) if named else (False, True):
            some = [f for f in held if (f.path in there) == fetched]
            if some and (size := sum(f.size for f in some)):
                names = _some([f.path for f in some], 2)
                sentences.append(f"{'also fetched' if fetched else 'left out'}: {amount(size)} {label} ({names})")
    # Two sets of safetensors which different engines read: neither is left out by itself.
    both = [f for f in chosen if CONSOLIDATED.fullmatch(f.path)]
    if both and not sentences and any(f.path.startswith("model") and f.path.endswith(".safetensors") for f in chosen):
        sentences.append(
            f"also fetched: {amount(sum(f.size for f in both))} consolidated safetensors; "
            "model.files: ['!consolidated*'] leaves them out"
        )
    return f"{model} holds its weights more than once; {'; '.join(sentences)}" if sentences else ""


def gguf_models(paths: Sequence[str]) -> list[str]:
    """GGUF models among paths, each by its first file; projectors of images (mmproj) belong to a model."""
    found = [p for p in paths if p.endswith(".gguf") and not PurePosixPath(p).name.startswith("mmproj")]
    return sorted(p for p in found if (part := PART.search(p)) is None or int(part[1]) == 1)


def model_folder(paths: Sequence[str]) -> str:
    """Where below the repository the engine looks: the folder of its one GGUF model, else the repository itself."""
    models = gguf_models(paths)
    if len(models) != 1 or any(p.endswith(".safetensors") for p in paths):
        return "."
    return str(PurePosixPath(models[0]).parent)


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern + "*" if pattern.endswith("/") else pattern)


def _bare(pattern: str) -> str:
    return pattern[1:] if pattern.startswith(("!", "\\!")) else pattern


def _wanted(path: str, patterns: Sequence[str], first: bool) -> bool:
    wanted = first
    for pattern in patterns:
        if _matches(path, _bare(pattern)):
            wanted = not pattern.startswith("!")
    return wanted


def _whole(files: Sequence[File], chosen: Sequence[File], model: str) -> None:
    """Refuses parts of a split model without the others."""
    there, wanted = {f.path for f in files}, {f.path for f in chosen}
    for path in sorted(wanted):
        part = PART.search(path)
        if part is None:
            continue
        base, total = path[: part.start()], int(part[2])
        parts = [f"{base}-{number:05d}-of-{part[2]}.gguf" for number in range(1, total + 1)]
        if missing := [p for p in parts if p not in there]:
            raise LookupError(
                f"{model} lacks {len(missing)} of {total} parts of {base} ({_some(missing)}); use another"
            )
        if missing := [p for p in parts if p not in wanted]:
            raise LookupError(
                f"model.files chooses {total - len(missing)} of {total} parts of {base}, and an engine needs all; "
                f"write {base}-*.gguf"
            )


def _near(paths: Sequence[str], pattern: str) -> str:
    """Names like what was asked for: files, and folders as they'd be written."""
    folders = {f"{parent}/" for p in paths for parent in PurePosixPath(p).parents if str(parent) != "."}
    names = sorted({*paths, *folders})
    plain = re.sub(r"[*?\[\]]", "", pattern).lower()
    by_plain: dict[str, str] = {}
    for name in names:
        by_plain.setdefault(name.lower(), name)
        by_plain.setdefault(PurePosixPath(name).name.lower(), name)
    close = [by_plain[key] for key in difflib.get_close_matches(plain, by_plain, n=3, cutoff=0.4)]
    return f"near it are {_some(list(dict.fromkeys(close)))}" if close else f"it holds {_some(names)}"


def _some(names: Sequence[str], most: int = SHOWN) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
