"""Whether Docker will start an image on this machine's GPUs, by what the image asks of the driver.

image_fits.py IMAGE DRIVER CUDA BRAND <ENVIRONMENT   the image's environment as JSON, a list of NAME=VALUE; exit code 1
and one sentence where NVIDIA's container runtime would refuse. CUDA is the newest the driver knows, as nvidia-smi says.

The rule is NVIDIA's container toolkit's: every NVIDIA_REQUIRE_* must hold; blanks in it mean or, commas and; an image
that names CUDA_VERSION alone asks for that (its user guide, "Constraints"). CUDA's own images let an older driver pass
on data-centre GPUs, whose brands they list, and never on a GeForce.
"""

from __future__ import annotations

import json
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

from drivers import shipped_with

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def unmet(environment: dict[str, str], have: dict[str, str]) -> str | None:
    """The first requirement that doesn't hold, as the image has it; None where all do.

    Args:
        environment: the image's.
        have: `cuda`, `driver` and `brand` of this machine; what is not in it counts as fulfilled.
    """
    if environment.get("NVIDIA_DISABLE_REQUIRE", "").lower() in ("1", "t", "true"):
        return None
    required = {k: v for k, v in environment.items() if k.startswith("NVIDIA_REQUIRE_")}
    if "NVIDIA_REQUIRE_CUDA" not in required and (version := environment.get("CUDA_VERSION")):
        required["NVIDIA_REQUIRE_CUDA"] = "cuda>=" + ".".join(version.split(".")[:2])
    for text in required.values():
        choices = text.split()
        if choices and not any(all(_holds(term, have) for term in choice.split(",")) for choice in choices):
            return choices[0]
    return None


def _holds(term: str, have: dict[str, str]) -> bool:
    found = re.fullmatch(r"([a-z]+)(==|=|!=|<=|>=|<|>)(.+)", term)
    if found is None or not have.get(found[1]):
        return True
    name, sign, wanted = found.groups()
    compare = COMPARE[sign]
    if name == "brand":
        return compare(have[name], wanted)
    here, there = _version(have[name]), _version(wanted)
    length = max(len(here), len(there))
    return compare(here + [0] * (length - len(here)), there + [0] * (length - len(there)))


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)]


def brand_of(brand: str) -> str:
    """As constraints have it: `NVIDIA RTX` -> `nvidiartx`, `NVIDIA vApps` -> `vapps`."""
    word = brand.lower().replace(" ", "")
    return word[6:] if word.startswith("nvidiav") else word


def sentence(image: str, environment: dict[str, str], have: dict[str, str]) -> str | None:
    """Why Docker would refuse, and what mends it; None where it wouldn't."""
    needed = unmet(environment, have)
    if needed is None:
        return None
    wanted = re.match(r"cuda>=?(\d+\.\d+)", needed)
    newer = shipped_with(wanted[1]) if wanted else 0
    remedy = f"driver branch {newer} or newer (accelerator.driverBranch: {newer})" if newer else "a newer driver"
    cuda = have["cuda"] or "of an unknown version"
    return (
        f"the image {image} asks for {needed} (NVIDIA_REQUIRE_CUDA), and this machine's driver {have['driver']} has "
        f"CUDA {cuda} on {have['brand'] or 'these'} GPUs, so Docker refuses to start it; use {remedy}, or an image of "
        "an older CUDA"
    )


def main(words: list[str]) -> int:
    """Runs one call."""
    image, driver, cuda, brand = words
    environment = dict(pair.split("=", 1) for pair in json.load(sys.stdin) or [] if "=" in pair)
    said = sentence(image, environment, {"driver": driver, "cuda": cuda, "brand": brand_of(brand)})
    if said:
        print(said)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
