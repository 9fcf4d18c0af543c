"""What people see: what is wrong in detail, what is right as a count, one line for one cause."""

from __future__ import annotations

from stacks.doctor.examined import Examined
from stacks.doctor.finding import Check, Finding, NotApplicableError, NotCheckedError, Severity, warning
from stacks.doctor.table import answered, lines, summary

FOUND = [
    Finding("a.one", Severity.OK),
    Finding("a.two", Severity.ERROR, "node-0", "its disk is full", "docker system prune"),
    Finding("a.two", Severity.ERROR, "node-1", "its disk is full", "docker system prune"),
    Finding("b.one", Severity.NOT_CHECKED, cause="no machine answers"),
]


def test_what_is_wrong_in_detail_and_what_is_right_as_a_count():
    assert list(lines(FOUND)) == [
        "a            1 ok, 2 error",
        "  error       a.two  node-0, node-1",
        "              its disk is full",
        "              mend: docker system prune",
        "b            1 not checked",
    ]
    assert summary(FOUND, [], 12.3) == "2 errors, 0 warnings, 1 not checked (--all says why); 12 s"


def test_machines_that_were_looked_at_are_counted_and_named():
    """A machine of which nothing is found is in no finding."""
    machines = [Examined("node-0", ("disks",)), Examined("node-1"), Examined("node-2", ("disks",))]
    assert summary([], machines, 1) == "0 errors, 0 warnings; 2 of 3 machines looked at; 1 s"
    assert answered(machines) == "looked at    node-0, node-2"
    assert answered([]) == "looked at    no machine"


def test_what_was_not_checked_is_reported_when_it_is_asked_for():
    assert list(lines(FOUND, every=True))[-2:] == ["  not checked b.one", "              no machine answers"]


def no_answer(evidence: object) -> list[object]:
    raise NotCheckedError("why")


def nothing_there(evidence: object) -> list[object]:
    raise NotApplicableError


def test_a_check_says_one_thing_at_least_unless_it_applies_to_nothing():
    def severities(problems):
        return [each.severity for each in Check("a.b", "", problems).findings(None)]

    assert severities(lambda _: []) == [Severity.OK]
    assert severities(lambda _: [warning("x", "y", "z")] * 2) == [Severity.WARNING] * 2
    assert severities(no_answer) == [Severity.NOT_CHECKED]
    assert severities(lambda _: 1 / 0) == [Severity.NOT_CHECKED]
    assert severities(nothing_there) == []
