"""How a Ray cluster's other machines are, one line of JSON a round; ended by whoever started it.

    ray_watch.py KIND    of accelerator; asks the cluster that RAY_ADDRESS names

A line is an object by the nodes' addresses: `counters`, `pids`, `held`, `busy` and `where` by stall_detector.py, or
null for a node that gives no answer. A cluster without an answer prints nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROUND, PATIENCE = 5.0, 25.0
"""Seconds between two rounds, and until a node is said to give no answer."""


def looked(source: str, kind: str) -> dict[str, Any]:
    """On the node: stall_detector.py's source has all that is asked of it."""
    known: dict[str, Any] = {"__name__": "stall_detector"}
    exec(compile(source, "stall_detector.py", "exec"), known)  # noqa: S102  # our own file, which that machine's container lacks
    pids = [pid for pid in known["tree"](known["of_ray"]()) if pid != os.getpid()]
    held = [pid for pid in [*known["services"](), *pids] if known["state"](pid) in known["HOLDS"]]
    return {
        "counters": known["counters"](pids),
        "pids": pids,
        "held": bool(held),
        "busy": known["busy"](kind),
        "where": known["where"](held or pids),
    }


def main() -> None:
    """Forever."""
    # What Ray prints goes elsewhere: the line is read by a program.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address="auto", logging_level="ERROR", log_to_driver=False)
    source = Path(__file__).with_name("stall_detector.py").read_text()
    remote = ray.remote(num_cpus=0, max_retries=0)(looked)
    own = ray.get_runtime_context().get_node_id()
    while True:
        asked = {}
        for node in ray.nodes():
            if node["NodeID"] != own:
                place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                call = remote.options(scheduling_strategy=place).remote(source, sys.argv[1]) if node["Alive"] else None
                asked[str(node["NodeManagerAddress"])] = call
        calls = [call for call in asked.values() if call]
        done = ray.wait(calls, num_returns=len(calls), timeout=PATIENCE)[0] if calls else []
        found: dict[str, Any] = {}
        for address, call in asked.items():
            try:
                found[address] = ray.get(call) if call in done else None
            except ray.exceptions.RayError:
                found[address] = None
        print(json.dumps(found), file=out, flush=True)
        time.sleep(ROUND)


if __name__ == "__main__":
    main()
