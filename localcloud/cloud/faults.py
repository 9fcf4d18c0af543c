"""What ordered faults do to calls."""

import secrets
import time
from dataclasses import dataclass, fields

from localcloud.cloud.model.fault import NAMED, CallFault
from localcloud.cloud.store import Store
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError


@dataclass
class Outcome:
    """What faults do to one call: seconds to wait, an error instead of acting, an answer that never arrives."""

    seconds: float = 0.0
    error: ApiError | None = None
    lost: bool = False


def order(store: Store, given: Json) -> CallFault:
    """Enters a fault: fields of CallFault; `after` counts machines for RunInstances, calls for others.

    Raises:
        LocalCloudError: there is no such kind or field.
    """
    known = {each.name for each in fields(CallFault)} - {"id", "struck"}
    if unknown := sorted(given.keys() - known):
        raise LocalCloudError(f"A fault has no {unknown[0]!r}: give some of {', '.join(sorted(known))}.")
    fault = CallFault(**{"kind": "", **given}, id=secrets.token_hex(4))
    store.put(fault)
    return fault


def strike(store: Store, action: str, weight: int, zone: str, instance_type: str) -> Outcome:
    """What the ordered faults do to this call; counts it."""
    outcome = Outcome()
    for fault in store.all(CallFault):
        if fault.zone not in ("", zone) or fault.type not in ("", instance_type):
            continue
        due = fault.due(action, weight)
        if due and not outcome.error:  # one call, one error: the next fault waits for the next call
            fault.struck += 1
            match fault.kind:
                case "slow":
                    outcome.seconds += fault.seconds
                case "lost":
                    outcome.lost = True
                case "error":
                    outcome.error = ApiError(fault.status, fault.code, fault.message)
                case named:
                    outcome.error = ApiError(*NAMED[named])
        store.put(fault)
    return outcome


def wait(outcome: Outcome) -> None:
    """Lets a slow answer be slow."""
    if outcome.seconds > 0:
        time.sleep(outcome.seconds)
