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
from localcloud.cloud.model import Disk, Eip, FileSystem, Instance, KeyPair, NetworkInterface, Problem, VSwitch
from localcloud.cloud.model.instance import ECONOMICAL
from localcloud.cloud.public_addresses import free_public_address
from localcloud.cloud.shares import publish
from localcloud.errors import ApiError, LocalCloudError

WATCH_SECONDS = 1.0
PASSING = ("Pending", "Starting", "Stopping")
PROBLEMS_KEPT = 100


def boot(cloud: Cloud, key: str) -> None:
    """Makes a pending machine and lets it run; one that cannot be made disappears, and `problems` says why."""

    def make() -> None:
        began = time.time()
        with cloud.lock:
            instance = cloud.store.get(Instance, key)
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
    instance = cloud.store.get(Instance, key)
    if instance is None:
        return
    instance.status, instance.next_stopped_mode = passing, mode
    cloud.store.put(instance)

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
    instance = cloud.store.get(Instance, key)
    if instance is not None and instance.stopped_mode == ECONOMICAL:
        _occupy_place(cloud, instance)
    fresh = instance is not None and instance.fresh
    if instance is not None:
        instance.fresh = False

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
    instance = cloud.store.get(Instance, key)
    if instance is None or instance.releasing:
        return
    instance.status = "Stopping"
    instance.releasing = True
    cloud.store.put(instance)

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
    instance = cloud.store.get(Instance, key)
    if instance is None:
        return
    for disk in cloud.store.all(Disk):
        if disk.instance_id == key:
            cloud.store.delete(Disk, disk.disk_id)
    for eip in cloud.store.all(Eip):
        if eip.instance_id == key:
            eip.lead_to("", eip.instance_region_id)
            cloud.arrive(eip, "Available")
    card = cloud.store.get(NetworkInterface, instance.network_interface)
    if card:  # it outlives its machine by a while, and holds groups and vSwitch until then
        card.groups = instance.security_groups
        cloud.begin(card, status="Deleting", then=GONE)
    cloud.store.delete(Instance, key)
    if instance.stopped_mode != ECONOMICAL:
        move_stock(cloud.store, instance.zone_id, instance.instance_type, 1)
    cloud.changed_vpcs.add(instance.vpc_id)


def problem(cloud: Cloud, key: str, text: str) -> None:
    """Remembers what went wrong behind the API, where callers of the API cannot see it."""
    print(f"{key}: {text}", file=sys.stderr)
    with cloud.lock:
        known = [each.key for each in cloud.store.all(Problem)]
        cloud.store.delete(Problem, known[: max(0, len(known) - PROBLEMS_KEPT)])
        cloud.store.put(Problem(id=f"{time.time():.6f}", at=stamp(), instance=key, text=text))


def resume(cloud: Cloud) -> None:
    """After a start of the server: finishes what it was doing, and switches on machines that should run."""
    for vswitch in cloud.store.all(VSwitch):
        if vswitch.next_status == GONE:
            continue
        cloud.backend.open_network(vswitch.vswitch_id, vswitch.vpc_id, vswitch.cidr_block)
    for system in cloud.store.all(FileSystem):
        publish(cloud, system.key)
    for instance in cloud.store.all(Instance):
        key = instance.instance_id
        match instance.status:
            case "Pending":
                boot(cloud, key)
            case "Stopping" if instance.releasing:
                instance.releasing = False
                release(cloud, key)
            case "Stopping":
                power(
                    cloud,
                    key,
                    "Stopping",
                    "Stopped",
                    partial(cloud.backend.stop, key, force=True),
                    mode=instance.next_stopped_mode,
                )
            case "Starting" | "Running" if not cloud.backend.running(key):
                switch_on(cloud, key)
            case "Starting":
                _arrive(cloud, key, "Running")
            case "Running":
                cloud.backend.set_public(key, instance.outside_address)
                cloud.backend.set_firewall(key, rules_of(cloud, instance))


class Watch:
    """Releases what is due, and notices machines that switched themselves off."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, cloud: Cloud) -> None:
        """Looks around once in a while; the caller holds the lock."""
        for vpc in list(cloud.changed_vpcs):
            apply_to(cloud, vpc)
        now = time.time()
        if now < self._next:
            return
        self._next = now + WATCH_SECONDS
        for instance in cloud.store.all(Instance):
            if instance.status in PASSING:
                continue
            due = instance.auto_release_time
            reclaimed = instance.reclaim_at
            if (due and _moment(due) <= now) or (reclaimed and reclaimed <= now):
                release(cloud, instance.instance_id)
            elif instance.status == "Running" and not cloud.backend.running(instance.instance_id):
                instance.status = "Stopped"
                cloud.store.put(instance)


def spec_of(cloud: Cloud, instance: Instance) -> MachineSpec:
    """What the machines' side needs to know."""
    pair = cloud.store.get(KeyPair, instance.key_pair_name) if instance.key_pair_name else None
    return MachineSpec(
        instance.instance_id,
        instance.host_name,
        instance.address,
        instance.vswitch_id,
        instance.cpu,
        instance.memory,
        (pair.public_key,) if pair else (),
        base64.b64decode(instance.user_data).decode(),
    )


def _occupy_place(cloud: Cloud, instance: Instance) -> None:
    zone, kind = instance.zone_id, instance.instance_type
    if stock(cloud.store, zone, kind) == 0:
        raise ApiError(403, "OperationDenied.NoStock", f"The requested resource is sold out in {zone}: {kind}.")
    move_stock(cloud.store, zone, kind, -1)
    instance.stopped_mode = "Not-applicable"
    if instance.internet_max_bandwidth_out and not instance.eip.ip_address:
        instance.public_address = free_public_address(cloud, instance.old_public_address)
    cloud.store.put(instance)


def _free_place(cloud: Cloud, instance: Instance) -> None:
    if instance.public_address:
        instance.old_public_address, instance.public_address = instance.public_address, ""
        cloud.backend.set_public(instance.instance_id, instance.outside_address)
    move_stock(cloud.store, instance.zone_id, instance.instance_type, 1)


def _arrive(cloud: Cloud, key: str, status: str) -> None:
    with cloud.lock:
        instance = cloud.store.get(Instance, key)
        if instance is None:
            return
        if status == "Running":
            instance.start_time = stamp(seconds=False)
        mode = instance.next_stopped_mode or "KeepCharging"
        instance.next_stopped_mode = ""
        instance.stopped_mode = mode if status == "Stopped" else "Not-applicable"
        if instance.stopped_mode == ECONOMICAL:
            _free_place(cloud, instance)
        cloud.arrive(instance, status)
        if status == "Running":
            try:
                cloud.backend.set_public(key, instance.outside_address)
                cloud.backend.set_firewall(key, rules_of(cloud, instance))
            except LocalCloudError as error:
                problem(cloud, key, str(error))


def _wait(cloud: Cloud, delay: str, began: float) -> None:
    """The cloud's own delay, less what the work took."""
    time.sleep(max(0.0, DELAYS[delay] / cloud.settings.speed - (time.time() - began)))


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC).timestamp()
