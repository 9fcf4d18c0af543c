"""Which NVIDIA driver a machine needs, as data and pure functions.

drivers.py plan CUDA BRANCH ID...       shell assignments: minimum, branch, modules, compatible
drivers.py names BRANCH MODULES FABRIC  every package that may be asked for
drivers.py minimum CUDA              the oldest branch that runs it, whatever the GPUs
drivers.py choose BRANCH MODULES FABRIC reads `apt-cache madison` of those; prints pin lines and the transaction
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_BRANCH = 580
"""Installed where nothing asks for another: the long-lived branch that CUDA 13 needs."""

OLDEST_BY_CUDA = {11: 450, 12: 525, 13: 580}
"""CUDA's compatibility guide, "minor version compatibility": the branch on which every minor of a major runs."""


SHIPPED_WITH = {
    (11, 0): 450,
    (11, 1): 455,
    (11, 2): 460,
    (11, 3): 465,
    (11, 4): 470,
    (11, 5): 495,
    (11, 6): 510,
    (11, 7): 515,
    (11, 8): 520,
    (12, 0): 525,
    (12, 1): 530,
    (12, 2): 535,
    (12, 3): 545,
    (12, 4): 550,
    (12, 5): 555,
    (12, 6): 560,
    (12, 8): 570,
    (12, 9): 575,
    (13, 0): 580,
    (13, 1): 590,
}
"""CUDA's release notes, "CUDA toolkit and corresponding driver versions": the branch that knows a version in full."""

FORWARD_COMPATIBLE = {12: (470, 535, 550), 13: (535, 550, 570)}
"""CUDA's compatibility guide, "forward compatibility": older branches on which the libraries run that images of a major
bring along (cuda-compat), on data-centre and workstation GPUs, never on a GeForce."""

GEFORCE_CHIPS = (
    (0x1B00, 0x1D7F),
    (0x1E00, 0x1FFF),
    (0x2180, 0x22FF),
    (0x2400, 0x28FF),
    (0x2B00, 0x2DFF),
    (0x2F00, 0x2FFF),
)
"""Chips that GeForce and other GPUs are made of (pci.ids); V100, A100, H100, B200 and GB10 have chips of their own."""


class Impossible(Exception):
    """No driver does: one sentence with cause and remedy."""


@dataclass(frozen=True)
class Generation:
    """GPUs of one architecture.

    Attributes:
        name: the architecture's.
        ids: ranges of PCI device ids, both ends included.
        oldest: the first driver branch that knows them.
        newest: the last one that does; None while there is no end.
        newest_cuda: the last CUDA major that compiles for them; None while there is no end.
        modules: kernel modules that drive them: `open`, `proprietary`.
    """

    name: str
    ids: tuple[tuple[int, int], ...]
    oldest: int
    newest: int | None
    newest_cuda: int | None
    modules: tuple[str, ...]


# Ids: the supported chips in the open kernel modules' README and pci.ids. Modules: NVIDIA's driver guide, "Open GPU
# kernel modules": Turing and newer, and Blackwell only those. Ends: CUDA 13's and branch 580's release notes.
GENERATIONS = (
    Generation("Pascal", ((0x15F0, 0x15FF), (0x1B00, 0x1D7F)), 384, 580, 12, ("proprietary",)),
    Generation("Volta", ((0x1D80, 0x1DFF),), 384, 580, 12, ("proprietary",)),
    Generation("Turing", ((0x1E00, 0x1FFF), (0x2180, 0x21FF)), 410, None, None, ("open", "proprietary")),
    Generation(
        "Ampere", ((0x2080, 0x20FF), (0x2200, 0x22FF), (0x2400, 0x25FF)), 450, None, None, ("open", "proprietary")
    ),
    Generation("Hopper", ((0x2300, 0x23FF),), 525, None, None, ("open", "proprietary")),
    Generation("Ada", ((0x2600, 0x28FF),), 525, None, None, ("open", "proprietary")),
    Generation("Blackwell", ((0x2900, 0x2FFF), (0x3100, 0x31FF)), 570, None, None, ("open",)),
)


@dataclass(frozen=True)
class Plan:
    """A driver.

    Attributes:
        minimum: the oldest branch that will do if one is there.
        branch: the one to install.
        modules: its kernel modules.
        compatible: older branches that will do where none may be installed, with libraries that the image brings along.
    """

    minimum: int
    branch: int
    modules: str
    compatible: tuple[int, ...] = ()


@dataclass(frozen=True)
class Family:
    """How one archive names its packages; `{b}` is the branch, `{open}` is `-open` for open modules.

    Attributes:
        driver: the driver's own packages; the first gives the version.
        fabric: Fabric Manager, of exactly the driver's version.
        pin: a package that fixes the branch, installed before.
    """

    driver: tuple[str, ...]
    fabric: str
    pin: str = ""


FAMILIES = (
    # Ubuntu's archive: without display, for servers. Its Fabric Manager belongs to the -server flavour.
    Family(("nvidia-headless-{b}-server{open}", "nvidia-utils-{b}-server"), "nvidia-fabricmanager-{b}"),
    # NVIDIA's archive for Ubuntu up to branch 580.
    Family(("{vendor}-{b}",), "nvidia-fabricmanager-{b}"),
    # NVIDIA's archive for Debian, and for Ubuntu from branch 590.
    Family(("{vendor}",), "nvidia-fabricmanager", pin="nvidia-driver-pinning-{b}"),
)


def generation_of(device: int) -> Generation:
    """The generation of a PCI device id.

    Raises:
        Impossible: none is known.
    """
    for generation in GENERATIONS:
        if any(first <= device <= last for first, last in generation.ids):
            return generation
    raise Impossible(
        f"GPU 10de:{device:04x} is of no generation known here; install its driver by hand and set accelerator.driver "
        "to present"
    )


def is_geforce(device: int) -> bool:
    """Whether a PCI device id is a GeForce's: of each chip's 128 ids these have the first 48 (pci.ids)."""
    return any(first <= device <= last for first, last in GEFORCE_CHIPS) and device & 0x7F < 0x30


def shipped_with(cuda: str) -> int:
    """The branch that knows a CUDA version (`major.minor`) in full; for one between two, or newer, the last before."""
    major, minor = (int(part) for part in (*cuda.split("."), "0")[:2])
    return max((branch for version, branch in SHIPPED_WITH.items() if version <= (major, minor)), default=450)


def oldest_branch(cuda: str) -> tuple[int, int]:
    """CUDA's major version, and the oldest branch that runs it.

    Raises:
        Impossible: it isn't known.
    """
    major = int(cuda.split(".", maxsplit=1)[0])
    if major not in OLDEST_BY_CUDA:
        known = ", ".join(map(str, OLDEST_BY_CUDA))
        raise Impossible(f"CUDA {cuda} is not known here (known majors: {known}); name the CUDA version of the image")
    return major, OLDEST_BY_CUDA[major]


def plan_driver(devices: Sequence[int], cuda: str, branch: int | None = None) -> Plan:
    """The driver for these GPUs under an image of that CUDA version (`major.minor`).

    Raises:
        Impossible: no branch drives all of them, or the branch asked for is too old or too new.
    """
    if not devices:
        raise Impossible("this machine's PCI bus has no NVIDIA GPU; use a machine with GPUs, or accelerator.kind cpu")
    generations = sorted({generation_of(device) for device in devices}, key=lambda g: g.name)
    major, oldest = oldest_branch(cuda)
    names = " and ".join(g.name for g in generations)
    minimum = max([oldest, *(g.oldest for g in generations)])
    newest = min((g.newest for g in generations if g.newest), default=None)
    for generation in generations:
        if generation.newest_cuda and major > generation.newest_cuda:
            raise Impossible(
                f"{generation.name} GPUs are not supported by CUDA {major}; use an engine image of CUDA "
                f"{generation.newest_cuda} and set cuda to match"
            )
    modules = [m for m in ("open", "proprietary") if all(m in g.modules for g in generations)]
    if not modules:
        raise Impossible(f"no kernel modules drive {names} GPUs together; use machines with one generation")
    compatible: tuple[int, ...] = FORWARD_COMPATIBLE.get(major, ())
    if any(is_geforce(device) for device in devices):
        # Their images ask for the version itself, and no library that an image brings along runs there.
        minimum, compatible = max(minimum, shipped_with(cuda)), ()
    wanted = branch or max(minimum, min(DEFAULT_BRANCH, newest or DEFAULT_BRANCH))
    if wanted < minimum:
        raise Impossible(f"driver branch {wanted} is too old for CUDA {cuda} on {names} GPUs; use {minimum} or newer")
    if newest and wanted > newest:
        raise Impossible(f"driver branch {wanted} does not drive {names} GPUs any more; use {newest}")
    # Who names a branch wants it: an older driver that would do goes too.
    compatible = tuple(b for b in compatible if branch is None and b >= max(g.oldest for g in generations))
    return Plan(branch or minimum, wanted, modules[0], compatible)


def package_names(branch: int, modules: str) -> list[str]:
    """Every package of every family."""
    names = [_name(n, branch, modules) for family in FAMILIES for n in (*family.driver, family.fabric, family.pin) if n]
    return list(dict.fromkeys(names))


def choose_packages(madison: str, branch: int, modules: str, *, fabric: bool) -> tuple[list[str], list[str]]:
    """Packages to install before, and the one transaction (`name=version`), from what the archives have.

    Driver and Fabric Manager get the newest upstream version that both have.

    Raises:
        Impossible: no archive has them, or not in one version.
    """
    have = _available(madison)
    lonely = []
    for family in FAMILIES:
        driver = [_name(n, branch, modules) for n in family.driver]
        partner = _name(family.fabric, branch, modules)
        wanted = [*driver, partner] if fabric else driver
        versions = [
            v
            for v in have.get(driver[0], {})
            if v.split(".")[0] == str(branch) and all(v in have.get(n, {}) for n in wanted)
        ]
        if versions:
            newest = max(versions, key=_order)
            pins = (
                [_name(family.pin, branch, modules)]
                if family.pin and have.get(_name(family.pin, branch, modules))
                else []
            )
            return pins, [f"{n}={have[n][newest]}" for n in wanted]
        if all(n in have for n in driver):
            lonely.append((driver[0], partner, have[driver[0]], have.get(partner, {})))
    if lonely:
        name, partner, ours, theirs = lonely[0]
        raise Impossible(
            f"{name} is there in {_list(ours)} and {partner} in {_list(theirs)}: an NVSwitch machine needs one version "
            "of both; add an archive that has both"
        )
    raise Impossible(
        f"no archive of this machine has a driver of branch {branch} ({_name(FAMILIES[0].driver[0], branch, modules)} "
        f"or {_name(FAMILIES[1].driver[0], branch, modules)}); set accelerator.driverRepository to one that "
        "has, or install it by hand"
    )


def _name(pattern: str, branch: int, modules: str) -> str:
    is_open = modules == "open"
    return pattern.format(
        b=branch, open="-open" if is_open else "", vendor="nvidia-open" if is_open else "cuda-drivers"
    )


def _available(madison: str) -> dict[str, dict[str, str]]:
    """Package -> upstream version -> full version, from `name | version | source` lines."""
    found: dict[str, dict[str, str]] = {}
    for line in madison.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) >= 2:
            found.setdefault(words[0], {}).setdefault(upstream(words[1]), words[1])
    return found


def upstream(version: str) -> str:
    """`1:580.95.05-0ubuntu0.24.04.1` -> `580.95.05`."""
    return version.rsplit(":", maxsplit=1)[-1].split("-", maxsplit=1)[0]


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _list(versions: dict[str, str]) -> str:
    return ", ".join(versions) or "no version"


def main(words: list[str]) -> int:
    """Runs one call; 1 with a sentence on standard error."""
    try:
        if words[0] == "plan":
            plan = plan_driver([int(word, 16) for word in words[3:]], words[1], int(words[2]) if words[2] else None)
            compatible = ",".join(map(str, plan.compatible))
            print(f"minimum={plan.minimum} branch={plan.branch} modules={plan.modules} compatible={compatible}")
        elif words[0] == "minimum":
            print(oldest_branch(words[1])[1])
        elif words[0] == "names":
            print(*package_names(int(words[1]), words[2]))
        else:
            pins, transaction = choose_packages(sys.stdin.read(), int(words[1]), words[2], fabric=words[3] == "yes")
            print(*pins)
            print(*transaction)
    except Impossible as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
