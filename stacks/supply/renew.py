"""python -m stacks.supply.renew: the digest of every default image anew, into stacks/digests.json."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stacks import versions
from stacks.supply.registry import RegistryError, digest_of


def renew(images: Iterable[str], known: Mapping[str, str | None], file: Path) -> list[str]:
    """Writes the digests that the registries name; of one that can't be asked, what is known stays.

    An image that is a default no more goes out of the file.

    Args:
        images: `NAME:TAG` of every default.
        known: the digests of before.
        file: where they are written, sorted by name.

    Returns:
        One sentence for each image whose registry could not be asked.
    """
    ordered = sorted(images)
    failures: list[str] = []

    def ask(image: str) -> str | None:
        try:
            return digest_of(image)
        except RegistryError as error:
            failures.append(str(error))
            return known.get(image)

    with ThreadPoolExecutor(8) as pool:
        found = dict(zip(ordered, pool.map(ask, ordered), strict=True))
    for image, digest in found.items():
        if digest != known.get(image):
            print(f"{image}: {known.get(image)} -> {digest}")
    file.write_text(json.dumps(found, indent=2) + "\n")
    return sorted(failures)


def main() -> int:
    """0 when every registry answered, 1 with a sentence for each that didn't."""
    failures = renew(versions.default_images(), versions.DIGESTS, versions.DIGESTS_FILE)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
