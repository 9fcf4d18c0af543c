"""Inside the head's container: are all nodes and accelerators there? ADDRESS ACCELERATORS "NODE NODE ..." RESOURCE.

Standard output gets the result and nothing else: what Ray prints there goes to standard error.
"""

import os
import signal
import sys
import time

import ray

CLIENT_SECONDS = 45
"""Ray's client has no limit of its own where the head takes its connection and gives no answer."""
PATIENCE = 10
"""Seconds to look again before a report: a query costs a start of Ray's client, which takes as long as a node's."""


def missing(accelerators: int, nodes: list[str], resource: str) -> str:
    """What isn't there, for a reader; nothing when all is."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    seen = {node["NodeManagerAddress"] for node in alive}
    total = int(sum(node["Resources"].get(resource, 0) for node in alive))
    absent = [node for node in nodes if node not in seen]
    if absent:
        return f"{len(nodes) - len(absent)} of {len(nodes)} machines joined, missing {' '.join(absent)}"
    return "" if total == accelerators else f"{total} of {accelerators} accelerators on {len(seen)} machines"


output = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
address, wanted, members = sys.argv[1], int(sys.argv[2]), sys.argv[3].split()
signal.alarm(CLIENT_SECONDS + PATIENCE)
ray.init(address=address, logging_level="ERROR", log_to_driver=False)
deadline = time.monotonic() + PATIENCE
while why := missing(wanted, members, sys.argv[4]):
    if time.monotonic() > deadline:
        print(why, file=output, flush=True)
        sys.exit(1)
    time.sleep(0.5)
print(f"nodes={len(members)} accelerators={wanted}", file=output, flush=True)
