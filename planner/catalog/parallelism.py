"""Which versions of vLLM have data parallelism (`data/parallelism.yaml`)."""

from typing import NamedTuple

from planner.catalog.table import entries
from planner.refusal import Change, Refusal


class Since(NamedTuple):
    """The first version that has it.

    Attributes:
        version: of vLLM.
        source: where it was read.
    """

    version: str
    source: str


def check_data_parallel(version: str, data: int, *, over_machines: bool) -> None:
    """The version has data parallel ranks on several machines.

    Args:
        version: of vLLM.
        data: data parallel ranks.
        over_machines: whether each of them lies on several machines.

    Raises:
        Refusal: `engine_too_old`, with the first version that has it.
    """
    since = entries("parallelism", Since)["data_over_machines" if over_machines else "data"]
    if data > 1 and _number(version) < _number(since.version):
        each = ", each on several machines" if over_machines else ""
        raise Refusal(
            "engine_too_old",
            "data_parallel_size",
            f"is {data}{each}, which vLLM has from {since.version} on, and this is {version}",
            changes=[Change("engine_version", since.version)],
        )


def _number(version: str) -> tuple[int, ...]:
    release = version.partition("+")[0].partition("rc")[0]
    return tuple(int(part) for part in release.split(".")[:3] if part.isdigit())
