"""The cases of the accelerator stages as a table in docs/gpu-hosts.md: `python -m tests.e2e.gpu_table` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.gpu_cases import (
    ASCEND,
    B200,
    DRIVERS,
    FABRIC_535,
    H20,
    HEADERS,
    INSTALL_535,
    L20,
    LOAD,
    PROOFS,
    RTX4090,
    START_FABRIC,
    UP,
    V100,
    Case,
)
from tests.support.paths import ROOT

BEGIN, END = "<!-- cases: python -m tests.e2e.gpu_table -->", "<!-- end of cases -->"
HEAD = ("case", "state before", "what it ran", "state after, or the sentence", "run again")
GPUS = {L20: "L20", H20: "H20", V100: "V100", B200: "B200", RTX4090: "RTX 4090"}
UBUNTU = "-0ubuntu0.24.04.1"
"""The end of all versions; left out for the reader."""
STATES = (
    (re.escape(FABRIC_535), "driver 535 and its Fabric Manager installed and loaded"),
    (re.escape(INSTALL_535), "driver 535 installed"),
    (re.escape(UP), "an active InfiniBand port"),
    (re.escape(LOAD), "loaded"),
    (re.escape(START_FABRIC), "Fabric Manager runs"),
    (r"echo 535\.1\.1 > /usr/lib/fake-gpu/fabric", "its version is now 535.1.1"),
    (r"echo (\w+) > /etc/fake-gpu/fault", r"fault `\1`"),
    (r"echo 535.1.1 open > /run/fake-gpu/module", "an older module is in the kernel"),
    (r"echo 535.1.1 open \| tee \S+ > /run/fake-gpu/module", "an older module is in the kernel, after a boot too"),
    (r"mkdir -p /opt/fake-sys/module/nouveau", "nouveau holds them"),
    (r"mkdir -p /dev/infiniband", "its device files"),
    (r"apt-mark hold (\S+)", r"\1 held by the user"),
    (r"install \S+ \S+ /dev/null /usr/bin/nvidia-uninstall", "from a `.run`"),
    (r"mkdir -p \S+/efivars; printf .* > \S+SecureBoot\S+", "Secure Boot on"),
    (r"bash /opt/fakes/metadata.sh", "Alibaba Cloud's metadata service and installer"),
    ("true", ""),
)
"""The commands that make a state, in words."""


def page() -> Path:
    """Where the table stands."""
    return ROOT / "docs/gpu-hosts.md"


def state(case: Case) -> str:
    """A machine before the step."""
    text = case.before
    for shell, words in STATES:
        text = re.sub(shell, words, text)
    assert "/" not in text.replace("/dev", ""), f"{case.name}: say {text!r} in words in STATES"
    count = len(case.gpus)
    bus = f"{count} x {GPUS[case.gpus[0]]}" if count else "no GPU"
    switches = f", {case.switches} NVSwitches" * bool(case.switches)
    environment = [
        f"{name}={value}" for name, value in case.environment.items() if name in ("CUDA", "BRANCH", "DRIVER", "COUNT")
    ]
    return "; ".join(filter(None, [bus + switches, text, *environment]))


def ran(case: Case) -> str:
    """What the step changed."""
    packages = [words.replace(HEADERS, "linux-headers-$(uname -r)") for words in case.transactions]
    done = [f"`apt-get install {words.replace(UBUNTU, '')}`" for words in packages]
    return "; ".join([*done, *["a reboot"] * case.boots]) or "nothing"


def after(case: Case) -> str:
    """What the step reports, or its sentence."""
    if case.fails:
        return f"fails: {case.fails} ..."
    facts = ", ".join(f"{name} {value or 'none'}" for name, value in case.result.items())
    return f"{facts}; held: {len(case.held)}" if case.held else facts


def table() -> str:
    """Its lines."""
    rows: list[tuple[str, ...]] = [HEAD, ("---",) * len(HEAD)]
    for name, cases in (("nvidia_driver", DRIVERS), ("nvidia_proof", PROOFS)):
        for case in cases:
            again = "once" if name == "nvidia_proof" or case.fails else "changes nothing"
            rows.append((f"{name}: {case.name}", state(case), ran(case), after(case), again))
    for name, (shell, environment, says) in ASCEND.items():
        before = f"`{shell}`" if shell != "true" else "two 910B with driver, firmware and addresses"
        more = "; ".join(filter(None, [before, *(f"{key}={value}" for key, value in environment.items())]))
        said = f"fails: {says} ..." if says else "devices and driver reported"
        rows.append((f"ascend: {name}", more, "nothing", said, "says the same"))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def written(text: str) -> str:
    """The page with its table as it is made."""
    return f"{text[: text.index(BEGIN) + len(BEGIN)]}\n{table()}\n{text[text.index(END) :]}"


if __name__ == "__main__":
    page().write_text(written(page().read_text()))
