"""What a check says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Generic, TypeVar

Evidence = TypeVar("Evidence")


class Severity(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    Attributes:
        severity: warning or error.
        where: a machine's name or a setting's path.
        cause: what is wrong, one sentence without its end.
        remedy: what mends it: a command, or a setting and its value.
    """

    severity: Severity
    where: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """What a check found, for people and programs.

    Attributes:
        id: of the check, AREA.NAME.
        severity: how bad it is.
        where: a machine's name or a setting's path.
        cause: what is wrong, or why nothing could be said.
        remedy: what mends it.
    """

    id: str
    severity: Severity
    where: str = ""
    cause: str = ""
    remedy: str = ""

    def as_data(self) -> dict[str, str]:
        """As JSON."""
        return {**asdict(self), "severity": self.severity.value}


def error(where: str, cause: str, remedy: str) -> Problem:
    """What keeps the deployment from serving, or from being brought up."""
    return Problem(Severity.ERROR, where, cause, remedy)


def warning(where: str, cause: str, remedy: str) -> Problem:
    """What will, or makes it slow, dear or open."""
    return Problem(Severity.WARNING, where, cause, remedy)


class NotCheckedError(Exception):
    """Nothing can be said; the text says why."""


class NotApplicableError(Exception):
    """There is nothing of this kind in the stack."""


@dataclass(frozen=True)
class Check(Generic[Evidence]):
    """One question.

    Attributes:
        id: AREA.NAME.
        what: what it asks, for the list in docs/doctor.md.
        problems: what is wrong by the facts collected; raises NotCheckedError or NotApplicableError.
    """

    id: str
    what: str
    problems: Callable[[Evidence], Iterable[Problem]]

    @property
    def area(self) -> str:
        """The first part of the id."""
        return self.id.partition(".")[0]

    def findings(self, evidence: Evidence) -> list[Finding]:
        """One for each problem; a single one that says ok or why nothing is said; none where nothing applies."""
        try:
            found = [Finding(self.id, p.severity, p.where, p.cause, p.remedy) for p in self.problems(evidence)]
        except NotApplicableError:
            return []
        except NotCheckedError as why:
            return [Finding(self.id, Severity.NOT_CHECKED, cause=str(why))]
        except Exception as failure:  # one check that fails is no reason to say nothing of the others
            cause = f"the check itself failed ({type(failure).__name__}: {failure})"
            return [
                Finding(
                    self.id, Severity.NOT_CHECKED, cause=cause, remedy="report it with the output of `make support`"
                )
            ]
        return found or [Finding(self.id, Severity.OK)]
