"""What happens to machines in the background: boot, power, release, and the watch over all of them."""

import base64
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from localcloud.cloud.backend import MachineSpec
from localcloud.cloud.catalog import move_stock, stock
from localcloud.cloud.cloud import DELAYS, GONE, Cloud, stamp
from localcloud.cloud.firewall import apply_to, rules_of
from localcloud.cloud.public_addresses import take_public
from localcloud.cloud.shares import publish
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, LocalCloudError

WATCH_SECONDS = 1.0
ECONOMICAL = "StopCharging"
PASSING = ("Pending", "Starting", "Stopping")
PROBLEMS_KEPT = 100


def boot(cloud: Cloud, key: str) -> None:
    """Makes a pending machine and lets it run; one that cannot be made disappears, and `problems` says why."""

    def make() -> None:
        began = time.time()
        with cloud.lock:
            instance = cloud.store.get("instance", key)
            if instance is None:
                return
            spec, rules = spec_of(cloud, instance), rules_of(cloud, instance)
        try:
            cloud.backend.create(spec, rules)
        except LocalCloudError as error:
            problem(cloud, key, str(error))
            cloud.backend.destroy(key)
            with cloud.lock:
                forget(cloud, key)
            return
        _wait(cloud, "instance", began)
        _arrive(cloud, key, "Running")

    cloud.later(make)


def power(cloud: Cloud, key: str, passing: str, lasting: str, act: Callable[[], None], *, mode: str = "") -> None:
    """Gives a machine a passing status, acts in the background, then gives it the lasting one.

    `mode` is how a stopped one stands: KeepCharging, or StopCharging, which gives back its place and public address.
    """
    instance = cloud.store.get("instance", key)
    if instance is None:
        return
    instance.update(Status=passing, _mode=mode)
    cloud.store.put("instance", key, instance)

    def work() -> None:
        began = time.time()
        try:
            act()
        except LocalCloudError as error:
            problem(cloud, key, str(error))
        _wait(cloud, "stop" if passing == "Stopping" else "instance", began)
        _arrive(cloud, key, lasting)

    cloud.later(work)


def switch_on(cloud: Cloud, key: str) -> None:
    """Starts a stopped machine; one whose system disk was replaced is made anew.

    One that stood in economical mode needs a free place of its type, and gets another public address.

    Raises:
        ApiError: its zone has none.
    """
    instance = cloud.store.get("instance", key)
    if instance is not None and instance["StoppedMode"] == ECONOMICAL:
        _take_place(cloud, instance)
    fresh = instance is not None and instance.pop("_fresh", False)

    def act() -> None:
        if not fresh or instance is None:
            cloud.backend.start(key)
            return
        with cloud.lock:
            spec, rules = spec_of(cloud, instance), rules_of(cloud, instance)
        cloud.backend.create(spec, rules)

    power(cloud, key, "Starting", "Running", act)


def release(cloud: Cloud, key: str) -> None:
    """Destroys a machine in the background; it stays in the list as Stopping until it is gone."""
    instance = cloud.store.get("instance", key)
    if instance is None or instance.get("_leaving"):
        return
    instance["Status"] = "Stopping"
    instance["_leaving"] = True
    cloud.store.put("instance", key, instance)

    def work() -> None:
        began = time.time()
        try:
            cloud.backend.set_public(key, None)
            cloud.backend.destroy(key)
        except LocalCloudError as error:
            problem(cloud, key, str(error))
        _wait(cloud, "gone", began)
        with cloud.lock:
            forget(cloud, key)

    cloud.later(work)


def forget(cloud: Cloud, key: str) -> None:
    """Takes a machine's documents away and gives back its stock and public address; the caller holds the lock."""
    instance = cloud.store.get("instance", key)
    if instance is None:
        return
    for disk in cloud.store.all("disk"):
        if disk["InstanceId"] == key:
            cloud.store.delete("disk", disk["DiskId"])
    for eip in cloud.store.all("eip"):
        if eip["InstanceId"] == key:
            eip.update(InstanceId="", InstanceType="", PrivateIpAddress="", VpcId="")
            cloud.arrive("eip", eip["AllocationId"], "Available")
    card = cloud.store.get("network_interface", instance["_card"])
    if card:  # it outlives its machine by a while, and holds groups and vSwitch until then
        card["_groups"] = instance["SecurityGroupIds"]["SecurityGroupId"]
        cloud.begin("network_interface", instance["_card"], card, status="Deleting", then=GONE)
    cloud.store.delete("instance", key)
    if instance["StoppedMode"] != ECONOMICAL:
        move_stock(cloud.store, instance["ZoneId"], instance["InstanceType"], 1)
    cloud.strangers.add(instance["VpcAttributes"]["VpcId"])


def public_address(instance: Json) -> str | None:
    """The address at which a machine is known outside."""
    own = instance["PublicIpAddress"]["IpAddress"]
    return instance["EipAddress"]["IpAddress"] or (own[0] if own else None)


def problem(cloud: Cloud, key: str, text: str) -> None:
    """Remembers what went wrong behind the API, where callers of the API cannot see it."""
    print(f"{key}: {text}", file=sys.stderr)
    with cloud.lock:
        known = cloud.store.keys("problem")
        cloud.store.delete("problem", known[: max(0, len(known) - PROBLEMS_KEPT)])
        cloud.store.put("problem", f"{time.time():.6f}", {"at": stamp(), "instance": key, "text": text})


def resume(cloud: Cloud) -> None:
    """After a start of the server: finishes what it was doing, and switches on machines that should run."""
    for vswitch in cloud.store.all("vswitch"):
        if vswitch.get("_next", {}).get("status") == GONE:
            continue
        cloud.backend.open_network(vswitch["VSwitchId"], vswitch["VpcId"], vswitch["CidrBlock"])
    for system in cloud.store.keys("file_system"):
        publish(cloud, system)
    for instance in cloud.store.all("instance"):
        key = instance["InstanceId"]
        match instance["Status"]:
            case "Pending":
                boot(cloud, key)
            case "Stopping" if instance.get("_leaving"):
                instance["_leaving"] = False
                release(cloud, key)
            case "Stopping":
                power(
                    cloud,
                    key,
                    "Stopping",
                    "Stopped",
                    partial(cloud.backend.stop, key, force=True),
                    mode=instance.get("_mode", ""),
                )
            case "Starting" | "Running" if not cloud.backend.running(key):
                switch_on(cloud, key)
            case "Starting":
                _arrive(cloud, key, "Running")
            case "Running":
                cloud.backend.set_public(key, public_address(instance))
                cloud.backend.set_firewall(key, rules_of(cloud, instance))


class Watch:
    """Releases what is due, and notices machines that switched themselves off."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, cloud: Cloud) -> None:
        """Looks around once in a while; the caller holds the lock."""
        for vpc in list(cloud.strangers):
            apply_to(cloud, vpc)
        now = time.time()
        if now < self._next:
            return
        self._next = now + WATCH_SECONDS
        for instance in cloud.store.all("instance"):
            if instance["Status"] in PASSING:
                continue
            due = instance["AutoReleaseTime"]
            reclaimed = instance.get("_reclaim")
            if (due and _moment(due) <= now) or (reclaimed and reclaimed <= now):
                release(cloud, instance["InstanceId"])
            elif instance["Status"] == "Running" and not cloud.backend.running(instance["InstanceId"]):
                instance["Status"] = "Stopped"
                cloud.store.put("instance", instance["InstanceId"], instance)


def spec_of(cloud: Cloud, instance: Json) -> MachineSpec:
    """What the machines' side needs to know."""
    pair = cloud.store.get("key_pair", instance["KeyPairName"]) if instance["KeyPairName"] else None
    return MachineSpec(
        instance["InstanceId"], instance["HostName"],
        instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0], instance["VpcAttributes"]["VSwitchId"],
        instance["Cpu"], instance["Memory"], (pair["PublicKey"],) if pair else (),
        base64.b64decode(instance["_user_data"]).decode(),
    )  # fmt: skip


def _take_place(cloud: Cloud, instance: Json) -> None:
    zone, kind = instance["ZoneId"], instance["InstanceType"]
    if stock(cloud.store, zone, kind) == 0:
        raise ApiError(403, "OperationDenied.NoStock", f"The requested resource is sold out in {zone}: {kind}.")
    move_stock(cloud.store, zone, kind, -1)
    instance["StoppedMode"] = "Not-applicable"
    if instance["InternetMaxBandwidthOut"] and not instance["EipAddress"]["IpAddress"]:
        instance["PublicIpAddress"]["IpAddress"] = [take_public(cloud, instance.get("_old_public", ""))]
    cloud.store.put("instance", instance["InstanceId"], instance)


def _give_place(cloud: Cloud, instance: Json) -> None:
    own = instance["PublicIpAddress"]["IpAddress"]
    if own:
        instance["_old_public"] = own[0]
        instance["PublicIpAddress"]["IpAddress"] = []
        cloud.backend.set_public(instance["InstanceId"], public_address(instance))
    move_stock(cloud.store, instance["ZoneId"], instance["InstanceType"], 1)


def _arrive(cloud: Cloud, key: str, status: str) -> None:
    with cloud.lock:
        instance = cloud.store.get("instance", key)
        if instance is None:
            return
        if status == "Running":
            instance["StartTime"] = stamp(seconds=False)
        mode = instance.pop("_mode", "") or "KeepCharging"
        instance["StoppedMode"] = mode if status == "Stopped" else "Not-applicable"
        if instance["StoppedMode"] == ECONOMICAL:
            _give_place(cloud, instance)
        cloud.arrive("instance", key, status)
        if status == "Running":
            try:
                cloud.backend.set_public(key, public_address(instance))
                cloud.backend.set_firewall(key, rules_of(cloud, instance))
            except LocalCloudError as error:
                problem(cloud, key, str(error))


def _wait(cloud: Cloud, delay: str, began: float) -> None:
    """The cloud's own delay, less what the work took."""
    time.sleep(max(0.0, DELAYS[delay] / cloud.settings.speed - (time.time() - began)))


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC).timestamp()
