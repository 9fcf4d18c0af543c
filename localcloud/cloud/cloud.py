"""The cloud that actions act on: state, clock, machines and work in the background."""

import secrets
import string
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from localcloud.cloud.backend import MachineBackend
from localcloud.cloud.model import Eip, FileSystem, Instance, MountTarget, NetworkInterface, Vpc, VSwitch
from localcloud.cloud.model.document import Changing
from localcloud.cloud.settings import Settings
from localcloud.cloud.store import Kind, Store
from localcloud.errors import ApiError

# Seconds that the cloud takes by day, as seen by users of its console; divided by Settings.speed.
DELAYS = {"vpc": 2, "vswitch": 3, "eip": 1, "file_system": 8, "mount_target": 20, "instance": 15, "stop": 10, "gone": 5}
GONE = ""  # the status after which a resource is no more
TICK_SECONDS = 0.1
LETTERS = string.ascii_lowercase + string.digits
# What ids of a region begin with, as seen in Alibaba's documentation; others get Hangzhou's.
REGION_MARKS = {"cn-hangzhou": "bp1", "cn-beijing": "2ze", "cn-shanghai": "uf6", "cn-shenzhen": "wz9"}


class Cloud:
    """Everything that an action may touch. Actions run one at a time, under `lock`; slow work goes to `later`."""

    def __init__(self, settings: Settings, store: Store, backend: MachineBackend) -> None:
        self.settings = settings
        self.store = store
        self.backend = backend
        self.endpoint = ""  # host:port, once it listens
        self.lock = threading.RLock()
        self.changed_vpcs: set[str] = set()  # in which a machine appeared or went, and firewalls are to follow
        self.ticks: list[Callable[[Cloud], None]] = []
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="cloud")
        self._moving: set[tuple[type[Changing], str]] = {
            (kind, each.key)
            for kind in (Vpc, VSwitch, Eip, FileSystem, MountTarget, Instance, NetworkInterface)
            for each in store.all(kind)
            if each.next_status is not None
        }
        self._stopped = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="cloud-clock", daemon=True)

    def start(self) -> None:
        """Lets the clock run."""
        self._ticker.start()

    def close(self) -> None:
        """Ends the clock and waits for work in the background."""
        self._stopped.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.backend.close()
        self.store.close()

    def new_id(self, prefix: str) -> str:
        """An id as the cloud makes them: prefix, the region's mark, random letters."""
        mark = REGION_MARKS.get(self.settings.region, "bp1")
        return f"{prefix}-{mark}{''.join(secrets.choice(LETTERS) for _ in range(17))}"

    def need(self, kind: type[Kind], key: str, code: str, thing: str) -> Kind:
        """The document.

        Raises:
            ApiError: there is none; 404 with this code.
        """
        document = self.store.get(kind, key)
        if document is None:
            raise ApiError(404, code, f"The specified {thing} does not exist: {key}.")
        return document

    def settle(self) -> None:
        """Gives every document whose time has come its next status; the caller holds the lock."""
        now = time.time()
        for kind, key in list(self._moving):
            resource = self.store.get(kind, key)
            if resource is None or resource.next_status is None:
                self._moving.discard((kind, key))
            elif resource.next_at <= now:
                self.arrive(resource, resource.next_status)

    def begin(self, resource: Changing, *, status: str, then: str) -> None:
        """Keeps a resource in a passing status; `then` (or GONE) follows after the cloud's delay for its kind."""
        resource.status, resource.next_status = status, then
        resource.next_at = time.time() + DELAYS["gone" if then == GONE else resource.KIND] / self.settings.speed
        self.store.put(resource)
        self._moving.add((type(resource), resource.key))

    def arrive(self, resource: Changing, status: str) -> None:
        """Gives a resource a lasting status, or takes it away when that is GONE."""
        resource.next_status = None
        self._moving.discard((type(resource), resource.key))
        if status == GONE:
            self.store.delete(type(resource), resource.key)
        else:
            resource.status = status
            self.store.put(resource)

    def later(self, work: Callable[[], None]) -> None:
        """Runs work in the background, without the lock; what it raises is printed to standard error."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                traceback.print_exc(file=sys.stderr)

        if not self._stopped.is_set():
            self._pool.submit(guarded)

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            with self.lock:
                self.settle()
                for tick in self.ticks:
                    try:
                        tick(self)
                    except Exception:
                        traceback.print_exc(file=sys.stderr)


def stamp(*, seconds: bool = True, at: float | None = None) -> str:
    """A time as the cloud writes it, UTC; ECS leaves the seconds out."""
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ" if seconds else "%Y-%m-%dT%H:%MZ")
