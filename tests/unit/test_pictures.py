"""The pictures in the documentation are of the code as it is."""

from tests.pictures import PAGE, needed, page


def test_the_page_is_what_the_command_makes(monkeypatch):
    assert PAGE.read_text() == page(monkeypatch), "make pictures"


def test_what_follows_from_others_is_left_out_and_circles_stay():
    assert needed({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert needed({"a": {"b", "c"}, "b": {"a", "c"}, "c": set()})["b"] == {"a", "c"}
