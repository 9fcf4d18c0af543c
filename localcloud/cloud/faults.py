"""Trouble to order: each fault is a document of the store and strikes the calls that it names."""

import fnmatch
import secrets
import time
from dataclasses import dataclass

from localcloud.cloud.store import Store
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError

# Named faults: status, code, message. Codes from Alibaba's lists of errors of ECS and of all products.
NAMED = {
    "throttle": (400, "Throttling.User", "Request was denied due to user flow control."),
    "unavailable": (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
    "balance": (
        403, "InvalidAccountStatus.NotEnoughBalance", "Your account does not have enough balance.",
    ),
    "no-stock": (
        403, "OperationDenied.NoStock",
        "The requested resource is sold out in the specified zone; try other types or zones.",
    ),
    "not-on-sale": (403, "Zone.NotOnSale", "The specified zone is not available for purchase."),
    "quota": (403, "QuotaExceed.ElasticQuota", "The number of the specified ECS instances has exceeded the quota."),
}  # fmt: skip
KINDS = (*NAMED, "error", "slow", "lost")


@dataclass
class Outcome:
    """What faults do to one call: seconds to wait, an error instead of acting, an answer that never arrives."""

    seconds: float = 0.0
    error: ApiError | None = None
    lost: bool = False


def order(store: Store, wish: Json) -> Json:
    """Enters a fault: kind, action (a pattern, default RunInstances for stock and balance, else `*`), after, times.

    `after` lets that many machines (RunInstances counts its Amount) or calls pass first; `times` is how often it
    strikes, 0 for always. `slow` takes `seconds`; `error` takes status, code and message.

    Raises:
        LocalCloudError: there is no such kind.
    """
    kind = str(wish.get("kind"))
    if kind not in KINDS:
        raise LocalCloudError(f"There is no fault {kind!r}: order one of {', '.join(KINDS)}.")
    machines = kind in ("no-stock", "balance", "not-on-sale", "quota")
    fault = {
        "id": secrets.token_hex(4), "kind": kind, "action": "RunInstances" if machines else "*",
        "after": 0, "times": 1, "seconds": 1.0, "status": 500, "code": "InternalError", "message": "Ordered fault.",
        "zone": "", "type": "", **wish, "struck": 0,
    }  # fmt: skip
    store.put("fault", fault["id"], fault)
    return fault


def strike(store: Store, action: str, weight: int, zone: str, kind_of_machine: str) -> Outcome:
    """What the ordered faults do to this call; counts it."""
    outcome = Outcome()
    for fault in store.all("fault"):
        if not fnmatch.fnmatchcase(action, fault["action"]) or 0 < fault["times"] <= fault["struck"]:
            continue
        if fault["zone"] not in ("", zone) or fault["type"] not in ("", kind_of_machine):
            continue
        passed = fault["after"] - weight
        if fault["after"] > 0 and passed >= 0:
            fault["after"] = passed
            store.put("fault", fault["id"], fault)
            continue
        if outcome.error:  # one call, one error: the next fault waits for the next call
            continue
        fault["struck"] += 1
        store.put("fault", fault["id"], fault)
        match fault["kind"]:
            case "slow":
                outcome.seconds += float(fault["seconds"])
            case "lost":
                outcome.lost = True
            case "error":
                outcome.error = ApiError(int(fault["status"]), str(fault["code"]), str(fault["message"]))
            case named:
                outcome.error = ApiError(*NAMED[named])
    return outcome


def wait(outcome: Outcome) -> None:
    """Lets a slow answer be slow."""
    if outcome.seconds > 0:
        time.sleep(outcome.seconds)
