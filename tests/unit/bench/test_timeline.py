"""The timeline's arithmetic, on a graph small enough to do by hand."""

from __future__ import annotations

from tests.bench.timeline import critical_path, steps, table, waited_for

PREFIX = "urn:pulumi:s::p::t::"


def event(at, kind, name):
    return at, {kind: {"metadata": {"urn": PREFIX + name}}}


def resource(name, *needs, custom=True, **more):
    return {"urn": PREFIX + name, "custom": custom, "dependencies": [PREFIX + n for n in needs], **more}


EVENTS = [
    event(1.0, "resourcePreEvent", "a"),
    event(1.0, "resourcePreEvent", "b"),
    event(3.0, "resOutputsEvent", "a"),
    event(6.0, "resOutputsEvent", "b"),
    event(6.5, "resourcePreEvent", "c"),
    event(7.5, "resOutputsEvent", "c"),
    event(7.5, "resourcePreEvent", "unfinished"),
]
RESOURCES = [
    resource("box", custom=False),
    resource("a"),
    resource("b", parent=PREFIX + "box"),
    resource("c", "a", "box"),
    resource("unfinished", "c"),
]


def test_a_component_stands_for_what_is_in_it():
    c = steps(EVENTS, RESOURCES)[-1]
    assert c.needs == {PREFIX + "a", PREFIX + "b"}


def test_a_step_that_did_not_end_is_no_step():
    assert [s.name for s in steps(EVENTS, RESOURCES)] == ["a", "b", "c"]


def test_the_critical_path_adds_own_times_not_waiting():
    path = critical_path(steps(EVENTS, RESOURCES))
    assert [s.name for s in path] == ["b", "c"]
    assert sum(s.seconds for s in path) == 6.0


def test_the_last_to_end_is_whom_a_step_waited_for():
    found = steps(EVENTS, RESOURCES)
    last = waited_for(found[-1], found)
    assert last is not None
    assert last.name == "b"
    assert waited_for(found[0], found) is None


def test_a_provider_and_a_property_are_dependencies():
    made = [
        resource("a"),
        resource("b", provider=PREFIX + "a::id"),
        resource("c", propertyDependencies={"x": [PREFIX + "b"]}),
    ]
    assert [s.needs for s in steps(EVENTS, made)] == [frozenset(), {PREFIX + "a"}, {PREFIX + "b"}]


def test_the_table_marks_the_critical_path():
    lines = table(steps(EVENTS, RESOURCES)).splitlines()
    assert [line[:3] for line in lines[1:]] == ["  a", "* b", "* c"]


def test_nothing_has_no_path():
    assert critical_path([]) == []
