"""What `run.sh` found, as one JSON object: report.py FOLDER PROOF-CODE COLLECTIVE-CODE."""

import json
import re
import sys
from pathlib import Path


def main() -> int:
    folder, proof, collective = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

    def text(name: str, limit: int = 2000) -> str:
        file = folder / name
        return file.read_text(errors="replace").strip()[-limit:] if file.exists() else ""

    said = text("nvidia-smi-q", 10**6)
    fabric = re.findall(r"^ +Fabric *\n((?: {8,}\S.*\n)+)", said, re.M)
    measured = text("collective.json").splitlines()
    print(
        json.dumps(
            {
                "pci": json.loads(text("pci.json", 10**6) or "{}"),
                "plan": text("plan"),
                "rails": text("rails"),
                "query": text("query").splitlines(),
                "remapped_rows": text("rows").splitlines(),
                "fabric_of_nvidia_smi": sorted(set(fabric)),
                "proof": {
                    "exit": proof,
                    "result": text("step/result"),
                    "error": text("step/error"),
                    "log": text("proof.log"),
                },
                "collective": json.loads(measured[-1]) if measured else None,
                "collective_exit": collective,
                "collective_log": "" if collective == 0 else text("collective.log"),
            },
            indent=1,
        )
    )
    return 1 if proof or collective else 0


if __name__ == "__main__":
    sys.exit(main())
