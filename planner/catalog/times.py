"""How long the steps of a deployment take (`data/times.yaml`)."""

from typing import Literal, NamedTuple

from planner.catalog.table import entries

Place = Literal["rented", "local"]
"""Whose durations: Alibaba Cloud's, or the local cloud's and machines' on one computer."""


class Duration(NamedTuple):
    """A step of fixed length.

    Attributes:
        seconds: that it takes.
        source: of that figure.
    """

    seconds: float
    source: str


class Rate(NamedTuple):
    """A transfer.

    Attributes:
        mb_per_second: 10^6 bytes a second.
        source: of that figure.
    """

    mb_per_second: float
    source: str


class Image(NamedTuple):
    """An engine's image.

    Attributes:
        gib: compressed size, GiB.
        mb_per_second: 10^6 bytes a second of its registry.
        source: of both.
    """

    gib: float
    mb_per_second: float
    source: str

    @property
    def seconds(self) -> float:
        """To pull it."""
        return self.gib * 2**30 / (self.mb_per_second * 1e6)


class Times(NamedTuple):
    """Durations of one place.

    Attributes:
        network: VPC, vSwitch and security groups.
        storage: file system and mount target.
        machine: an instance, until it can be logged in to.
        client: NFS client and the hub's client.
        driver: the GPU driver's installation.
        reboot: an instance's restart.
        host: Docker and the container toolkit.
        look: what is looked at on a host where nothing is installed.
        image: the engine's image.
        cluster: Ray's head and workers.
        engine: the engine's start without its weights.
        graphs: compilation and CUDA graphs.
        completion: gateway and one completion.
        download: of weights from their hub.
    """

    network: Duration
    storage: Duration
    machine: Duration
    client: Duration
    driver: Duration
    reboot: Duration
    host: Duration
    look: Duration
    image: Image
    cluster: Duration
    engine: Duration
    graphs: Duration
    completion: Duration
    download: Rate


def times(place: Place) -> Times:
    """The durations of a place."""
    return entries("times", Times)[place]
