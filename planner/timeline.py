"""From nothing to the first completion: what happens when, the critical path, and the GPU minutes that are paid."""

from typing import Literal, NamedTuple

from planner.catalog.storage import storage_bandwidth
from planner.catalog.times import Duration, Place, Times, times
from planner.cluster import Cluster

MB = 1e6


class Step(NamedTuple):
    """One step.

    Attributes:
        name: of the step, as `data/times.yaml` has it, or what it makes.
        start: seconds from the start of `pulumi up`.
        seconds: that it takes.
        paid: GPU machines are paid for meanwhile.
    """

    name: str
    start: float
    seconds: float
    paid: bool

    @property
    def end(self) -> float:
        """Seconds from the start to its end."""
        return self.start + self.seconds


class Timeline(NamedTuple):
    """From nothing to the first completion.

    Attributes:
        steps: in the order they start.
    """

    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """To the first completion."""
        return max(step.end for step in self.steps)

    @property
    def gpu_minutes(self) -> float:
        """Minutes each GPU machine is paid for before the first completion."""
        paid = [step for step in self.steps if step.paid]
        return (max(s.end for s in paid) - min(s.start for s in paid)) / 60 if paid else 0.0

    @property
    def critical_path(self) -> tuple[str, ...]:
        """The steps that nothing else hides: each ends when the next one begins, from the last one back."""
        path = [max(self.steps, key=lambda s: s.end)]
        while path[0].start > 0:
            before = [s for s in self.steps if abs(s.end - path[0].start) < 1e-6 and s.seconds > 0]
            if not before:
                break
            path.insert(0, before[0])
        return tuple(step.name for step in path)


Installs = Literal["containers", "packages", "nothing"]
"""What a machine lacks of the engine: Docker and an image, pip packages, or nothing."""


class Start(NamedTuple):
    """What there is when `pulumi up` begins, and how fast things go.

    Attributes:
        place: whose durations.
        storage_class: NAS class, see data/nas.yaml.
        download_bytes_per_second: of the source; the place's own when not given.
        weights_ready: the weights are on the storage already.
        machines_ready: machines that exist, with their driver.
        installs: what the machines get of the engine.
        early: seconds before the end of the download at which GPU machines are rented.
    """

    place: Place = "rented"
    storage_class: str = "performance"
    download_bytes_per_second: float | None = None
    weights_ready: bool = False
    machines_ready: bool = False
    installs: Installs = "containers"
    early: float = 0.0


def timeline(cluster: Cluster, weights_bytes: float, start: Start, *, eager: bool = False) -> Timeline:
    """What takes how long.

    Rented machines are created when the weights are verified: nothing paid by the hour waits for a download, unless
    `early` says so.

    Args:
        cluster: the machines that serve.
        weights_bytes: of the download.
        start: what there is.
        eager: the engine captures no graphs.

    Raises:
        Refusal: `unknown_storage_class`.
    """
    durations = times(start.place)
    plan = _Builder(durations)
    bandwidth = storage_bandwidth(start.storage_class, weights_bytes)
    source = start.download_bytes_per_second or durations.download.mb_per_second * MB
    fetching = weights_bytes / min(source, bandwidth)
    weights = 0.0
    if start.machines_ready:
        contained = start.installs == "containers"
        hosts = plan.add("host", 0.0, None if contained else durations.look.seconds, paid=True)
        if not start.weights_ready:
            weights = plan.add("download", plan.add("client", hosts, paid=True), fetching, paid=True)
    else:
        network = plan.add("network", 0.0)
        weights = plan.add("storage", network)
        if not start.weights_ready:
            weights = plan.add("client", max(weights, plan.add("fetcher machine", network, durations.machine.seconds)))
            weights = plan.add("download", weights, fetching)
        hosts = plan.add("machines", max(network, weights - start.early), durations.machine.seconds, paid=True)
        if cluster.device.kind != "cpu":
            hosts = plan.add("driver", hosts, durations.driver.seconds + durations.reboot.seconds, paid=True)
        hosts = plan.add("host", hosts, paid=True)
    ready = hosts
    if start.installs != "nothing":
        name = "image" if start.installs == "containers" else "packages"
        ready = plan.add(name, ready, durations.image.seconds, paid=True)
    ready = max(weights, plan.add("cluster", ready, paid=True))
    ready = plan.add("engine", ready, paid=True)
    # Every machine reads the whole model: the storage is shared, each machine's network is its own.
    ready = plan.add("load", ready, weights_bytes / min(bandwidth / cluster.machines, cluster.network), paid=True)
    if not eager:
        ready = plan.add("graphs", ready, paid=True)
    plan.add("completion", ready, paid=True)
    return Timeline(tuple(sorted(plan.steps, key=lambda step: step.start)))


class _Builder:
    def __init__(self, durations: Times) -> None:
        self.durations = durations
        self.steps: list[Step] = []

    def add(self, name: str, start: float, seconds: float | None = None, *, paid: bool = False) -> float:
        """Adds a step, of the table's duration where none is given, and returns its end."""
        if seconds is None:
            own: Duration = getattr(self.durations, name)
            seconds = own.seconds
        self.steps.append(Step(name, start, seconds, paid))
        return start + seconds
