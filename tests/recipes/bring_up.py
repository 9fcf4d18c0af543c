"""Recipes come up on this computer, reduced: `python -m tests.recipes.bring_up [RECIPE...]`; all without a name.

For each: bare machines (or an empty account on the local cloud), `pulumi up`, a chat completion through the URL with
the key, `pulumi destroy`, and a look at what is left. What was measured goes to came_up.json beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.alicloud.leftovers import leftovers
from localcloud import caretaker
from localcloud.fixtures import ensure_gguf, ensure_model
from localcloud.fixtures.model import GGUF_IDS, MODEL_ID
from localcloud.hosts import EXPORT, SHARE
from tests.e2e.gpu_packages import FAKES, write_archive
from tests.recipes.recipes import RECIPES
from tests.recipes.reduced import GPUS, NPU_MODEL, Here, Reduced, has_whole_shape, reduce
from tests.support.account import Account
from tests.support.deployment import Deployment, chat
from tests.support.host_machine import kernel
from tests.support.paths import ROOT
from tests.support.stack_files import read

RECORDS = Path(__file__).with_name("came_up.json")
WHOLE_RECORDS = RECORDS.with_name("came_up_whole.json")
LEFT = (
    "docker ps -aq 2>/dev/null; ls -d /var/lib/tandem /mnt/tandem ~/.tandem /tmp/tandem-* 2>/dev/null; "
    "ls -A /datadrive 2>/dev/null; true"
)
"""Containers, folders of ours, weights on a landlord's drive."""
STAND_INS = ROOT / "tests/stand_ins/bin"
LANDLORD = Path(__file__).with_name("landlord.sh")
SHOWN = 32
"""Characters of a completion that the record keeps."""


def records() -> dict[str, dict[str, Any]]:
    """What came up, by recipe."""
    found: dict[str, dict[str, Any]] = json.loads(RECORDS.read_text()) if RECORDS.exists() else {}
    return found


def whole_records() -> dict[str, dict[str, Any]]:
    """What came up in its own shape, by recipe."""
    found: dict[str, dict[str, Any]] = json.loads(WHOLE_RECORDS.read_text()) if WHOLE_RECORDS.exists() else {}
    return found


def bring_up(name: str, folder: Path, *, whole: bool = False) -> dict[str, Any]:
    """One recipe from bare machines to a completion and back.

    Args:
        name: the recipe's.
        folder: empty; state of machines and Pulumi.
        whole: in its own shape.

    Returns:
        The record, in seconds and characters.

    Raises:
        AssertionError: it did not come up, answer, or go.
    """
    config = read(name)
    place, reduced = _account(config, folder) if config["platform"] == "alicloud" else _hosts(config, folder, whole)
    try:
        for change in reduced.changes:
            print(f"  {change.setting} = {json.dumps(change.value)}  # {change.why}")
        place.config = reduced.config
        begun = time.monotonic()
        run = place.up().good()
        up = time.monotonic() - begun
        out = place.outputs()
        reply = chat(out, out["model"])
        assert reply.code == 200, reply
        said = reply.said
        assert said, reply
        assert reduced.local.real != said.startswith("stand-in of "), said
        begun = time.monotonic()
        place.destroy().good()
        down = time.monotonic() - begun
        _nothing_left(place)
        assert run.changed()
    finally:
        place.close()
    commit = subprocess.check_output(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, text=True).strip()
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit,
        "settings": reduce(config, whole=whole).digest,
        "machines": len(out["machines"]),
        "upSeconds": round(up),
        "destroySeconds": round(down),
        "engine": reduced.local.name,
        "real": reduced.local.real,
        "characters": len(said),
        "begins": said[:SHOWN],
    }


def _hosts(config: dict[str, Any], folder: Path, whole: bool) -> tuple[Deployment, Reduced]:
    """Bare machines under the recipe's names, with the weights where the recipe wants them by hand."""
    here = Here()
    reduced = reduce(config, here, whole=whole)
    place = Deployment(
        folder,
        "tandemr",
        f"{here.network}.0/24",
        [machine["name"] for machine in reduced.config["machines"]],
        engines=[reduced.local.program] if reduced.local.program else [],
        binds=[
            *([] if reduced.local.real else [f"{STAND_INS}:/opt/tandem/stand-ins"]),
            *(_gpus(folder) if whole else []),
        ],
        # A hub's model keeps its name in its own shape, and with it the plan.
        models={NPU_MODEL: ensure_model()}
        | ({config["model"]["id"]: ensure_model()} if whole and config["model"]["source"] != "path" else {}),
    )
    if config.get("runtime") == "native":
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda machine: place.ssh(machine["name"], LANDLORD.read_text()), reduced.config["machines"]))
    if whole:
        device, count, switches = GPUS[config["accelerator"]["gpu"]]
        with ThreadPoolExecutor() as pool:
            list(
                pool.map(
                    lambda m: place.ssh(m["name"], f"bash /opt/gpus/stand_in_gpus.sh {count} {device} {switches}"),
                    config["machines"],
                )
            )
    if reduced.weights:
        target, model = reduced.weights
        files = {MODEL_ID: ensure_model} | {id_: lambda p=parts: ensure_gguf(p) for parts, id_ in GGUF_IDS.items()}
        shutil.copytree(files[model](), place.site.shares.create(SHARE, [EXPORT]) / target)
    return place, reduced


def _gpus(folder: Path) -> list[str]:
    """What machines need that show GPUs."""
    archive = folder / "archive"
    archive.mkdir()
    write_archive(archive, kernel())
    return [f"{archive}:/opt/archive", f"{FAKES}:/opt/fakes", f"{Path(__file__).parent}:/opt/gpus"]


def _account(config: dict[str, Any], folder: Path) -> tuple[Deployment, Reduced]:
    """An empty account of a cloud of its own."""
    place = Account(folder, Here().public)
    return place, reduce(config, Here(endpoint=place.status["endpoint"]))


def _nothing_left(place: Deployment) -> None:
    if isinstance(place, Account):
        assert place.instances() == {}
        assert leftovers(place.api(), "tandem-test") == []
    else:
        for machine in place.config["machines"]:
            left = place.ssh(machine["name"], LEFT)
            assert not left.strip(), left
    state = json.loads((place.folder / "stacks/.pulumi/stacks/tandem/test.json").read_text())
    assert not state["checkpoint"]["latest"].get("resources")


def main() -> int:
    """Brings up those named; 1 when one did not."""
    names = [recipe.name for recipe in RECIPES]
    parser = argparse.ArgumentParser(prog="python -m tests.recipes.bring_up", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="in its own shape, with stand-ins of engine and GPUs")
    parser.add_argument("recipe", nargs="*", help=f"of {', '.join(names)}")
    args = parser.parse_args()
    unknown = set(args.recipe) - set(names)
    if unknown:
        parser.error(f"no recipe: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    failed = False
    # What a run that fails half-way has made goes with it.
    caretaker.begin()
    if args.whole:
        names = [name for name in names if has_whole_shape(read(name))]
    records_of, file = (whole_records, WHOLE_RECORDS) if args.whole else (records, RECORDS)
    for name in args.recipe or names:
        print(f"{name}:", flush=True)
        with tempfile.TemporaryDirectory(prefix="recipe-", ignore_cleanup_errors=True) as folder:
            try:
                made = bring_up(name, Path(folder), whole=args.whole)
            except (AssertionError, subprocess.SubprocessError) as error:
                print(f"{name} did not come up: {error}", file=sys.stderr, flush=True)
                failed = True
                continue
        file.write_text(json.dumps(dict(sorted({**records_of(), name: made}.items())), indent=1) + "\n")
        print(f"  {json.dumps(made)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
