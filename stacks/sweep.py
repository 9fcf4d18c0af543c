"""python -m stacks.sweep STACK [--delete]: what an account still holds of a stack, also when its state is lost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import yaml

from components.alicloud.account import MISSING_KEYS, has_keys
from components.alicloud.api import Api, ApiError
from components.alicloud.leftovers import WEIGHTS, delete, leftovers
from stacks import project


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing is left (or all of it was deleted), 1 with a list or a sentence."""
    parser = argparse.ArgumentParser(prog="python -m stacks.sweep", description=__doc__)
    parser.add_argument("stack", help="the stack's name, as in Pulumi.<stack>.yaml")
    parser.add_argument("--delete", action="store_true", help="delete what is found, but not kept weights")
    parser.add_argument("--weights", action="store_true", help="with --delete: kept weights too")
    args = parser.parse_args(argv)
    try:
        cloud = _cloud(args.stack)
        if not has_keys():
            raise ApiError("NoKeys", MISSING_KEYS)
        api = Api(cloud["region"], cloud.get("endpoint"))
        stack = project.full_name(args.stack)
        found = leftovers(api, stack)
        kept = [] if args.weights else [each for each in found if each.role == WEIGHTS]
        rest = [each for each in found if each not in kept]
        for each in kept:
            print(f"{each} holds weights and stays; --weights with --delete deletes it too")
        if args.delete:
            delete(api, stack, rest, print)
        else:
            print("\n".join(map(str, rest)) or f"nothing of stack {args.stack} is left in {api.region}")
    except ApiError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if rest and not args.delete else 0


def _cloud(stack: str) -> dict[str, str]:
    file = project.ROOT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        raise ApiError("NoStack", f"there is no {file.name}; name a stack that has one")
    found = yaml.safe_load(file.read_text()).get("config", {}).get("tandem:cloud")
    if not found:
        raise ApiError("NoCloud", f"{file.name} rents nothing: it has no tandem:cloud")
    return dict(found)


if __name__ == "__main__":
    sys.exit(main())
