"""The gateway's configuration: what nginx is told."""

import pytest

from components.gateway.gateway import Front, render


def test_key_ports_and_ranges_are_filled_in():
    text = render("k" * 32, 8000, 8100, ["10.0.0.0/8", "192.0.2.1/32"])
    assert "listen 8000;" in text
    assert "server 127.0.0.1:8100;" in text
    assert text.index("allow 10.0.0.0/8;") < text.index("allow 192.0.2.1/32;") < text.index("deny all;")
    assert f'"~^Bearer {"k" * 32}$"' in text


def test_a_key_is_no_regular_expression():
    """A dot in a key matches a dot only."""
    assert r'"~^Bearer a\.b$"' in render("a.b", 1, 2, [])


@pytest.mark.parametrize("key", ['a"b', "a b", "a\nb", "a;b", "a$b", ""])
def test_a_key_that_could_break_out_is_refused(key):
    with pytest.raises(ValueError, match="openssl rand"):
        render(key, 1, 2, [])


def test_a_front_has_its_own_ranges():
    text = render("k" * 32, 8000, 8100, ["10.0.0.0/8"], [Front(3000, 8180, ("192.0.2.0/24",))])
    front = text[text.index("listen 3000;") :]
    assert "proxy_pass http://127.0.0.1:8180;" in front
    assert front.index("allow 192.0.2.0/24;") < front.index("deny all;")
    assert "10.0.0.0/8" not in front
    assert text.count("{") == text.count("}")
