"""Calls that no cloud has: order faults, limit stock, reclaim, kill. Under `/-/`, for whoever knows the secret key."""

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from localcloud.cloud import faults
from localcloud.cloud.catalog import TYPES, ZONES, set_stock
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import CallFault, Instance, NasStock, Problem, Quota, Standing
from localcloud.cloud.wire import Json
from localcloud.errors import LocalCloudError
from localcloud.http.messages import Request, Response, as_json

PREFIX = "/-/"
KEY_HEADER = "x-tandem-secret"
RECLAIM_SECONDS = 300  # Alibaba's documentation: a spot machine is warned five minutes ahead


class Admin:
    """Answers one cloud's admin calls."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._calls: dict[tuple[str, str], Callable[[Json], Any]] = {
            ("GET", "faults"): lambda _: [asdict(each) for each in cloud.store.all(CallFault)],
            ("POST", "faults"): lambda order: asdict(faults.order(cloud.store, order)),
            ("DELETE", "faults"): lambda _: self._clear(),
            ("GET", "problems"): lambda _: [asdict(each) for each in cloud.store.all(Problem)],
            ("POST", "stock"): self._stock,
            ("POST", "nas-stock"): self._nas_stock,
            ("POST", "quota"): self._quota,
            ("POST", "account"): self._account,
            ("POST", "reclaim"): self._reclaim,
            ("POST", "release-at"): self._release_at,
            ("POST", "kill"): self._kill,
        }

    def answer(self, request: Request) -> Response:
        """The answer to a request whose path begins with PREFIX; an error is one sentence."""
        path = request.path.removeprefix(PREFIX)
        if path == "health":
            return as_json({"ok": True})
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, ""), self._cloud.settings.secret):
            return as_json({"error": f"Give the cloud's secret key in the header {KEY_HEADER}."}, 403)
        call = self._calls.get((request.method, path))
        if call is None:
            known = ", ".join(f"{verb} {PREFIX}{name}" for verb, name in self._calls)
            return as_json({"error": f"There is no {request.method} {PREFIX}{path}: there are {known}."}, 404)
        try:
            order = json.loads(request.body or b"{}")
            if not isinstance(order, dict):
                raise LocalCloudError("The order is no JSON object.")
            with self._cloud.lock:
                return as_json(call(order))
        except LocalCloudError as error:
            return as_json({"error": str(error)}, 400)
        except (KeyError, ValueError, TypeError) as error:
            return as_json({"error": f"Malformed order: {error!r}."}, 400)

    def _clear(self) -> Json:
        self._cloud.store.delete(CallFault, [each.key for each in self._cloud.store.all(CallFault)])
        return {}

    def _stock(self, order: Json) -> Json:
        zone, kind = str(order["zone"]), str(order["type"])
        if zone not in ZONES[self._cloud.settings.region] or kind not in TYPES:
            raise LocalCloudError(f"There is no zone {zone} or no instance type {kind} in this region.")
        left = order.get("left")
        set_stock(self._cloud.store, zone, kind, None if left is None else int(left))
        return {"zone": zone, "type": kind, "left": left}

    def _nas_stock(self, order: Json) -> Json:
        blocked = NasStock(zone=str(order["zone"]), storage=str(order["storage"]))
        if order.get("available"):
            self._cloud.store.delete(NasStock, blocked.key)
        else:
            self._cloud.store.put(blocked)
        return order

    def _quota(self, order: Json) -> Json:
        self._cloud.store.put(Quota(cpus=int(order["cpus"])))
        return order

    def _account(self, order: Json) -> Json:
        """Its balance, and whether its real name is verified."""
        known = self._cloud.store.get(Standing, Standing.ACCOUNT) or Standing()
        changes = {"balance": "balance", "realName": "real_name"}
        self._cloud.store.put(replace(known, **{changes[name]: str(value) for name, value in order.items()}))
        return order

    def _reclaim(self, order: Json) -> Json:
        """Spot reclaim: the lock that warns, and the release after `seconds`."""
        instance = self._instance(order)
        seconds = float(order.get("seconds", RECLAIM_SECONDS))
        instance.locks = ["Recycling"]
        instance.reclaim_at = time.time() + seconds
        self._cloud.store.put(instance)
        return {"instance": instance.key, "seconds": seconds}

    def _release_at(self, order: Json) -> Json:
        """Moves a machine's automatic release nearer than the API would, to the begun minute."""
        instance = self._instance(order)
        instance.auto_release_time = stamp(seconds=False, at=time.time() + float(order["seconds"]))
        self._cloud.store.put(instance)
        return {"instance": instance.key, "at": instance.auto_release_time}

    def _kill(self, order: Json) -> Json:
        """Cuts a machine's power behind the API's back."""
        key = self._instance(order).key
        self._cloud.later(lambda: self._cloud.backend.stop(key, force=True))
        return {"instance": key}

    def _instance(self, order: Json) -> Instance:
        instance = self._cloud.store.get(Instance, str(order["instance"]))
        if instance is None:
            raise LocalCloudError(f"There is no instance {order['instance']}.")
        return instance
