"""Which of the deployment's ports somebody else holds on this machine, and who: from /proc, without other programs.

    ports.py STACK SETTING=FIRST[-LAST]...

Prints one sentence and ends with 1 if a port is taken. What the stack itself runs, as containers with its label or as
processes with its mark, does not count. Python 3.6 and newer: annotations newer than that stand in quotes.
"""

import os
import subprocess
import sys
from pathlib import Path

LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp's `st` column (include/net/tcp_states.h)
PROC = Path(os.environ.get("TANDEM_PROC", "/proc"))


def listeners() -> "dict[int, str]":
    """{port: inode of its socket} of all that listens, by IPv4 or IPv6."""
    found = {}  # type: dict[int, str]
    for name in ("tcp", "tcp6"):
        for line in read(f"net/{name}").splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENING:
                found.setdefault(int(words[1].rpartition(":")[2], 16), words[9])
    return found


def holders(inodes: "set[str]") -> "dict[str, str]":
    """{inode: process id} of the sockets given; those of other users stay out for whoever isn't root."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found = {}  # type: dict[str, str]
    for process in PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            for file in (process / "fd").iterdir():
                target = os.readlink(str(file))  # noqa: PTH115  # Path.readlink came with Python 3.9
                if target in wanted:
                    found.setdefault(wanted[target], process.name)
        except OSError:  # it ended, or is another user's
            continue
    return found


def containers() -> "dict[str, tuple[str, str]]":
    """{container id: (name, stack)} of what Docker runs here; nothing without Docker."""
    command = ["docker", "ps", "--no-trunc", "--format", '{{.ID}} {{.Names}} {{.Label "tandem.stack"}}']
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return {}
    lines = [line.split(" ") for line in done.stdout.decode().splitlines()]
    return {words[0]: (words[1], words[2]) for words in lines if len(words) == 3}


def read(name: str) -> str:
    """A file of /proc; empty if it is gone or not for us."""
    try:
        return (PROC / name).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def describe(pid: str, known: "dict[str, tuple[str, str]]") -> str:
    """A process in words a user knows it by."""
    words = read(f"{pid}/cmdline").replace("\0", " ").strip() or read(f"{pid}/comm").strip()
    group = read(f"{pid}/cgroup")
    inside = [name for identity, (name, _) in known.items() if identity in group]
    more = f", container {inside[0]}" if inside else ""
    return f"{words[:80]} (process {pid}{more})"


def ours(pid: str, stack: str, known: "dict[str, tuple[str, str]]") -> bool:
    """Whether it is the stack's own container or process."""
    group = read(f"{pid}/cgroup")
    if any(owner == stack and identity in group for identity, (_, owner) in known.items()):
        return True
    return f"TANDEM_OWNER={stack}" in read(f"{pid}/environ").split("\0")


def main(stack: str, wanted: "list[str]") -> int:
    """0 if all are free or the stack's own; 1 with a sentence on standard output."""
    listening = listeners()
    taken = {}  # type: dict[int, str]
    for word in wanted:
        setting, _, span = word.rpartition("=")
        first, _, last = span.partition("-")
        for port in range(int(first), int(last or first) + 1):
            if port in listening:
                taken.setdefault(port, setting)
    if not taken:
        return 0
    found, known = holders({listening[port] for port in taken}), containers()
    for port, setting in sorted(taken.items()):
        pid = found.get(listening[port])
        if pid is not None and ours(pid, stack, known):
            continue
        who = describe(pid, known) if pid is not None else "a process that this login may not see"
        print(f"port {port}, which {setting} needs, is held by {who}; stop that, or move {setting}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
