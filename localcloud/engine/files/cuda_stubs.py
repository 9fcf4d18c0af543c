"""Stand-ins for the CUDA libraries that PyTorch's published build links and a CPU engine never calls.

Runs inside the engine's root, with its Python: ``python3 cuda_stubs.py TORCH_LIB TARGET``. The real libraries
are some 2.5 GiB; the loader only wants their names, versions and symbols. A stand-in's functions say who they
are and abort, so nothing here can pass for a GPU. libcudart is not among them: it runs when PyTorch is imported.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

VERSION_NODES = {"NVSHMEM": "libnvshmem_host.so.3"}
"""Symbol versions that aren't the name of their library."""

PREFIXES = {
    "cuFile": "libcufile.so.0",
    "cufft": "libcufft.so.12",
    "curand": "libcurand.so.10",
    "cusparseLt": "libcusparseLt.so.0",
    "nccl": "libnccl.so.2",
}
"""Libraries whose symbols carry no version, by how their functions' names begin."""

ALWAYS = frozenset(PREFIXES.values()) | frozenset(VERSION_NODES.values())
REAL = "libcudart.so.13"

CLOSED = """#include <stdio.h>
#include <stdlib.h>
static void closed(void) {
  fputs("tandem: this engine is the CPU build, and something called %s\\n", stderr);
  abort();
}
"""


def undefined(torch_lib: Path) -> Iterator[tuple[str, str]]:
    """Yield (symbol, version) for what PyTorch's libraries want from others; the version may be empty."""
    for library in sorted(torch_lib.glob("*.so*")):
        done = subprocess.run(
            ["readelf", "--wide", "--dyn-syms", str(library)], capture_output=True, text=True, check=True
        )
        for line in done.stdout.splitlines():
            fields = line.split()
            if len(fields) >= 8 and fields[6] == "UND":
                symbol, _, version = fields[7].partition("@")
                yield symbol, version.strip("@")


def owner(symbol: str, version: str) -> tuple[str, str] | None:
    """Return (library, version node) of a CUDA symbol that needs a stand-in; None for all other symbols."""
    if version == REAL:
        return None
    if version in VERSION_NODES:
        return VERSION_NODES[version], version
    if version.startswith("libcu") or version.startswith("libnv"):
        return version, version
    if not version:
        for prefix, library in PREFIXES.items():
            if symbol.startswith(prefix):
                return library, ""
    return None


def build(library: str, symbols: dict[str, str], target: Path) -> None:
    """Compile one stand-in that defines ``symbols`` (name -> version node, empty for none)."""
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.c"), Path(scratch, "versions.map")
        aliases = (f'void {name}(void) __attribute__((alias("closed")));\n' for name in sorted(symbols))
        source.write_text(CLOSED % library + "".join(aliases), encoding="ascii")
        nodes = sorted({node for node in symbols.values() if node})
        script.write_text("".join(f"{node} {{ *; }};\n" for node in nodes), encoding="ascii")
        versions = [f"-Wl,--version-script={script}"] if nodes else []
        command = ["gcc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{library}", *versions, str(source)]
        subprocess.run([*command, "-o", str(target / library)], check=True)


def main() -> None:
    """Build every stand-in that the libraries in argv[1] need, into argv[2]."""
    torch_lib, target = Path(sys.argv[1]), Path(sys.argv[2])
    libraries: defaultdict[str, dict[str, str]] = defaultdict(dict, {name: {} for name in ALWAYS})
    for symbol, version in undefined(torch_lib):
        found = owner(symbol, version)
        if found:
            libraries[found[0]][symbol] = found[1]
    target.mkdir(parents=True, exist_ok=True)
    for library, symbols in sorted(libraries.items()):
        build(library, symbols, target)


if __name__ == "__main__":
    main()
