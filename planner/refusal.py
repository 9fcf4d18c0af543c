"""The one way in which the planner says no."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Change:
    """A setting and the value that mends a refusal, for programs that want to feed it back."""

    setting: str
    value: str | int | float | bool


class Refusal(Exception):  # the field's own word: an engine or a cloud refuses
    """What was asked can't work.

    Attributes:
        code: stable name of the rule, such as `heads_not_divisible`; programs may match it.
        setting: the setting or argument that the refusal is about.
        reason: why, with the numbers.
        remedy: the nearest value or command that works, as one clause.
        changes: the same remedy for programs; empty where no single value mends it.
    """

    def __init__(self, code: str, setting: str, reason: str, remedy: str, changes: tuple[Change, ...] = ()) -> None:
        self.code = code
        self.setting = setting
        self.reason = reason
        self.remedy = remedy
        self.changes = changes
        super().__init__(f"{setting}: {reason}; {remedy}")

    def as_dict(self) -> dict[str, object]:
        """The refusal as JSON can hold it."""
        return {
            "code": self.code,
            "setting": self.setting,
            "reason": self.reason,
            "remedy": self.remedy,
            "changes": [asdict(change) for change in self.changes],
        }


class Unplanned(Refusal):
    """What was asked can't be counted, and may well work: nobody is refused anything for it.

    `setting`: what is missing or isn't known; `remedy`: what to give so that it can be planned.
    """

    def __init__(self, setting: str, reason: str, remedy: str) -> None:
        super().__init__("not_planned", setting, reason, remedy)
