"""Calls that no cloud has: order faults, limit stock, reclaim, kill. Under `/-/`, for whoever knows the secret key."""

import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.cloud import faults
from localcloud.cloud.catalog import TYPES, ZONES, set_stock
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.wire import Json
from localcloud.errors import LocalCloudError

KEY_HEADER = "x-tandem-secret"
RECLAIM_SECONDS = 300  # Alibaba's documentation: a spot machine is told five minutes ahead


class Admin:
    """Answers one cloud's admin calls."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._calls: dict[tuple[str, str], Callable[[Json], Any]] = {
            ("GET", "faults"): lambda _: cloud.store.all("fault"),
            ("POST", "faults"): lambda wish: faults.order(cloud.store, wish),
            ("DELETE", "faults"): lambda _: self._clear(),
            ("GET", "problems"): lambda _: cloud.store.all("problem"),
            ("POST", "stock"): self._stock,
            ("POST", "nas-stock"): self._nas_stock,
            ("POST", "quota"): self._quota,
            ("POST", "reclaim"): self._reclaim,
            ("POST", "release-at"): self._release_at,
            ("POST", "kill"): self._kill,
        }

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Status and answer; a wish that cannot be granted is told in one sentence."""
        if path == "health":
            return 200, {"ok": True}
        if not hmac.compare_digest(headers.get(KEY_HEADER, ""), self._cloud.settings.secret):
            return 403, {"error": f"Give the cloud's secret key in the header {KEY_HEADER}."}
        call = self._calls.get((method, path))
        if call is None:
            known = ", ".join(f"{verb} /-/{name}" for verb, name in self._calls)
            return 404, {"error": f"There is no {method} /-/{path}: there are {known}."}
        try:
            wish = json.loads(body or b"{}")
            if not isinstance(wish, dict):
                raise LocalCloudError("The wish is no JSON object.")
            with self._cloud.lock:
                return 200, call(wish)
        except (LocalCloudError, json.JSONDecodeError, KeyError, ValueError, TypeError) as error:
            return 400, {"error": f"{error}" if isinstance(error, LocalCloudError) else f"Malformed wish: {error!r}."}

    def _clear(self) -> Json:
        self._cloud.store.delete("fault", self._cloud.store.keys("fault"))
        return {}

    def _stock(self, wish: Json) -> Json:
        zone, kind = str(wish["zone"]), str(wish["type"])
        if zone not in ZONES[self._cloud.settings.region] or kind not in TYPES:
            raise LocalCloudError(f"There is no zone {zone} or no instance type {kind} in this region.")
        left = wish.get("left")
        set_stock(self._cloud.store, zone, kind, None if left is None else int(left))
        return {"zone": zone, "type": kind, "left": left}

    def _nas_stock(self, wish: Json) -> Json:
        key = f"{wish['zone']}/{wish['storage']}"
        if wish.get("available"):
            self._cloud.store.delete("nas_stock", key)
        else:
            self._cloud.store.put("nas_stock", key, {"key": key})
        return wish

    def _quota(self, wish: Json) -> Json:
        self._cloud.store.put("quota", "cpus", {"value": int(wish["cpus"])})
        return wish

    def _reclaim(self, wish: Json) -> Json:
        """Spot reclaim: the lock that warns, and the release after `seconds`."""
        instance = self._instance(wish)
        seconds = float(wish.get("seconds", RECLAIM_SECONDS))
        instance["OperationLocks"]["LockReason"] = [{"LockReason": "Recycling", "LockMsg": ""}]
        instance["_reclaim"] = time.time() + seconds
        self._cloud.store.put("instance", instance["InstanceId"], instance)
        return {"instance": instance["InstanceId"], "seconds": seconds}

    def _release_at(self, wish: Json) -> Json:
        """Moves a machine's automatic release nearer than the API would, to the begun minute."""
        instance = self._instance(wish)
        instance["AutoReleaseTime"] = stamp(seconds=False, at=time.time() + float(wish["seconds"]))
        self._cloud.store.put("instance", instance["InstanceId"], instance)
        return {"instance": instance["InstanceId"], "at": instance["AutoReleaseTime"]}

    def _kill(self, wish: Json) -> Json:
        """Cuts a machine's power behind the API's back."""
        key = self._instance(wish)["InstanceId"]
        self._cloud.later(lambda: self._cloud.backend.stop(key, force=True))
        return {"instance": key}

    def _instance(self, wish: Json) -> Json:
        instance = self._cloud.store.get("instance", str(wish["instance"]))
        if instance is None:
            raise LocalCloudError(f"There is no instance {wish['instance']}.")
        return instance
