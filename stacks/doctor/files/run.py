"""Runs `machine_state.py` on a machine, from memory: a full or read-only disk is one of the things that it looks for.

Standard input is JSON: `modules`, texts by name in the order in which they import each other, and `call`, what
`look.main` takes. Python 3.8 and newer.
"""

import json
import sys
import types


def main() -> None:
    """Makes modules of the texts, and calls one of them."""
    sent = json.load(sys.stdin)
    for name, text in sent["modules"].items():
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(text, f"{name}.py", "exec"), module.__dict__)  # noqa: S102  # our own files
    sys.modules["machine_state"].main(sent["call"])


if __name__ == "__main__":
    main()
