"""Inside the head's container: are all nodes and accelerators there? ADDRESS ACCELERATORS "NODE NODE ..." RESOURCE."""

import sys

import ray

address, accelerators, nodes, resource = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
ray.init(address=address, logging_level="ERROR", log_to_driver=False)
alive = [node for node in ray.nodes() if node["Alive"]]
seen = {node["NodeManagerAddress"] for node in alive}
total = int(sum(node["Resources"].get(resource, 0) for node in alive))
missing = [node for node in nodes if node not in seen]
if missing:
    sys.exit(f"{len(nodes) - len(missing)} of {len(nodes)} machines joined, missing {' '.join(missing)}")
if total != accelerators:
    sys.exit(f"{total} of {accelerators} accelerators on {len(seen)} machines")
print(f"nodes={len(seen)} accelerators={total}")
