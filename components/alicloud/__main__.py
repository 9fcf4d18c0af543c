"""python -m components.alicloud release | revoke | fresh | sweep | power-on | power-off, its call as JSON on stdin.

release    releases every machine that carries the stack's tag, and mount targets of its file system; `keep` names
           ids that stay, `mount_target` the one that stays
revoke     revokes rules that stand in `declared` security groups beside the declared ones
fresh      refuses when the account holds something of the stack that its state does not know
sweep      fails with a list when something but what `kept` names still carries the stack's tag
power-on, power-off    a machine, waiting until it runs or stands; a stopped one costs only its disk
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from components.alicloud.api import Api, ApiError, as_json
from components.alicloud.errors import REFRESH, Kind
from components.alicloud.leftovers import WEIGHTS, leftovers, machines, release, unmount
from components.alicloud.security_rules import Rule, revoke_undeclared

POWER_SECONDS = 300
REMEDY = "make sweep STACK={name} lists them and, with DELETE=1, deletes them"


def main(words: list[str]) -> int:
    """Runs one call; 0, or 1 after one sentence on standard error."""
    call: dict[str, Any] = json.load(sys.stdin)
    try:
        print(_act(words[0], call, Api(call["region"], call.get("endpoint"))))
    except ApiError as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


def _act(what: str, call: dict[str, Any], api: Api) -> str:
    match what:
        case "release":
            keep = set(call.get("keep") or ())
            unlisted = [m for m in machines(api, call["stack"]) if m.id not in keep]
            if unlisted:
                print(f"releasing {', '.join(map(str, unlisted))}", file=sys.stderr)
                release(api, [m.id for m in unlisted])
            unmount(api, call["stack"], call.get("mount_target"))
            return f"released {len(unlisted)}"
        case "revoke":
            declared = {each["group"]: [Rule(**rule) for rule in each["rules"]] for each in call["declared"]}
            gone = revoke_undeclared(api, declared)
            for rule in gone:
                print(f"revoked {rule}", file=sys.stderr)
            return f"revoked {len(gone)}"
        case "fresh":
            found = [each for each in leftovers(api, call["stack"]) if each.role != WEIGHTS]
            if found:
                raise ApiError(
                    "NotFresh",
                    f"the account already holds what carries this stack's tag: {_listed(found)}; bring back the "
                    f"stack's state, or {REMEDY.format(name=call['name'])}",
                )
            return "fresh"
        case "sweep":
            return _sweep(call, api)
        case "power-on" | "power-off":
            return _power(api, call["instance"], on=what == "power-on")
    raise ApiError("Usage", f"unknown call {what!r}")


def _sweep(call: dict[str, Any], api: Api) -> str:
    found = leftovers(api, call["stack"])
    kept = [each for each in found if each.role == WEIGHTS] if call["keep_weights"] else []
    for each in kept:
        print(
            f"kept {each} with the weights; `pulumi config set --path tandem:cloud.fileSystemId {each.id}` uses it "
            "again",
            file=sys.stderr,
        )
    rest = [each for each in found if each not in kept]
    if rest:
        raise ApiError("Leftovers", f"still there: {_listed(rest)}; {REMEDY.format(name=call['name'])}")
    return f"nothing left but {len(kept)} kept" if kept else "nothing left"


def _power(api: Api, instance: str, *, on: bool) -> str:
    wanted = "Running" if on else "Stopped"
    deadline = time.monotonic() + POWER_SECONDS
    requested = False
    while True:
        found = list(api.pages("ecs", "DescribeInstances", "Instances.Instance", InstanceIds=as_json([instance])))
        if not found:
            if on:
                raise ApiError("Gone", f"machine {instance} is gone: run {REFRESH}")
            return "gone"
        machine = found[0]
        status = machine["Status"]
        if status == wanted:
            return wanted.lower()
        if not requested and status in ("Running", "Stopped"):
            if on:
                _start(api, machine)
            else:
                api.call("ecs", "StopInstance", InstanceId=instance, StoppedMode="StopCharging")
            requested = True
        if time.monotonic() > deadline:
            raise ApiError("Timeout", f"machine {instance} is {status} and not {wanted} after {POWER_SECONDS} s")
        time.sleep(1)


def _start(api: Api, machine: dict[str, Any]) -> None:
    """Starts a machine that stood in economical mode, which kept no place for it."""
    try:
        api.call("ecs", "StartInstance", InstanceId=machine["InstanceId"])
    except ApiError as error:
        if error.kind is not Kind.STOCK:
            raise
        raise ApiError(
            error.code,
            f"the fetcher {machine['InstanceId']} was stopped to save its price, and {machine['ZoneId']} has no "
            f"{machine['InstanceType']} for it now ({error.code}): set cloud.fetcher.instanceType to another that the "
            "zone sells, or wait, and run `pulumi up` again",
        ) from None


def _listed(found: list[Any]) -> str:
    return ", ".join(map(str, found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
