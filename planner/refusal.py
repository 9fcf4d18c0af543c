"""The one way in which the planner says no, and how its remedy reads."""

from collections.abc import Callable, Sequence
from typing import NamedTuple


class Change(NamedTuple):
    """A setting and the value that resolves a refusal.

    Attributes:
        setting: the planner's name of it, such as `tensor_parallel_size`.
        value: what to set it to; False or an empty text: leave it out.
    """

    setting: str
    value: str | int | float | bool


class Refusal(Exception):  # the field's own word: an engine or a cloud refuses
    """What was asked can't work.

    Attributes:
        code: stable name of the rule, such as `heads_not_divisible`; programs may match it.
        setting: the setting or argument that the refusal is about.
        reason: why, with the numbers.
        otherwise: what else helps, or all that does where no value is known; one clause without settings' names.
        changes: the remedy: every one of them made together; empty where no value resolves it.
        works: what comes out of the changes where they were tried, such as `TP8 PP4, 4 machines`; empty otherwise.
    """

    def __init__(
        self,
        code: str,
        setting: str,
        reason: str,
        otherwise: str = "",
        changes: Sequence[Change] = (),
        *,
        works: str = "",
    ) -> None:
        self.code = code
        self.setting = setting
        self.reason = reason
        self.otherwise = otherwise
        self.changes = tuple(changes)
        self.works = works
        super().__init__(f"{setting}: {reason}; {self.remedy}")

    @property
    def remedy(self) -> str:
        """The nearest value or command that works, as one clause in the planner's names."""
        return self.remedy_in(lambda change: change)

    def remedy_in(self, names: Callable[[Change], Change]) -> str:
        """The remedy as one clause in the caller's names.

        Args:
            names: a change of the planner's, as the caller's settings name it and its value.
        """
        changes = [names(change) for change in self.changes]
        kept = [change for change in changes if change.value is not False and change.value != ""]
        dropped = [change.setting for change in changes if change not in kept]
        if self.works:
            settings = [f"{change.setting} {_written(change.value)}" for change in kept] + [
                f"no {name}" for name in dropped
            ]
            return f"nearest that works: {' and '.join(settings)} ({self.works})"
        clauses = (
            ["set " + " and ".join(f"{change.setting} to {_written(change.value)}" for change in kept)] if kept else []
        )
        clauses += [f"leave out {name}" for name in dropped]
        return ", or ".join(filter(None, (" and ".join(clauses), self.otherwise)))

    def as_dict(self) -> dict[str, object]:
        """The refusal as JSON can hold it."""
        return {
            "code": self.code,
            "setting": self.setting,
            "reason": self.reason,
            "remedy": self.remedy,
            "changes": [change._asdict() for change in self.changes],
        }


def _written(value: object) -> str:
    """A value as a settings file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Unplanned(Refusal):
    """What was asked can't be counted, and may well work: nobody is refused anything for it.

    `setting`: what is missing or isn't known; `otherwise`: what to give so that it can be planned.
    """

    def __init__(self, setting: str, reason: str, otherwise: str, changes: Sequence[Change] = ()) -> None:
        super().__init__("not_planned", setting, reason, otherwise, changes)
