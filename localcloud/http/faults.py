"""Faults that a test orders: which requests they hit, and how often."""

import fnmatch
from dataclasses import dataclass, field
from typing import ClassVar

from localcloud.errors import LocalCloudError


@dataclass
class Fault:
    """What is common to all faults; subclasses say what goes wrong.

    Attributes:
        kind: one of KINDS.
        after: so many requests, or things that they ask for, pass first.
        times: how often it strikes; 0 for always.
        struck: how often it has.
    """

    KINDS: ClassVar[tuple[str, ...]] = ()

    kind: str
    after: int = field(default=0, kw_only=True)
    times: int = field(default=1, kw_only=True)
    struck: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise LocalCloudError(f"There is no fault {self.kind!r}: use one of {', '.join(self.KINDS)}.")

    @property
    def pattern(self) -> str:
        """Names of the requests that it hits, as a pattern of the shell."""
        raise NotImplementedError

    @property
    def spent(self) -> bool:
        """Whether it has struck as often as it was to."""
        return 0 < self.times <= self.struck

    def due(self, name: str, weight: int = 1) -> bool:
        """Whether it is to strike a request of that name now; counts `weight` of those that pass first."""
        if self.spent or not fnmatch.fnmatchcase(name, self.pattern):
            return False
        if self.after > 0 and weight <= self.after:
            self.after -= weight
            return False
        return True
