"""The pure parts: user data, firewall text, names, parameters, certificates, both signatures."""

import socket
import ssl
from pathlib import Path

import pytest

from localcloud.cloud.backend import Rule
from localcloud.cloud.certificates import ensure_certificates
from localcloud.cloud.model import Stock
from localcloud.cloud.names import answer
from localcloud.cloud.packet_filter import host_rules, machine_rules
from localcloud.cloud.params import Params
from localcloud.cloud.signature import check
from localcloud.cloud.store import Store
from localcloud.cloud.user_data import BootFile, FirstBoot, parse
from localcloud.errors import ApiError, LocalCloudError
from localcloud.http.messages import Request


def test_a_script_is_taken_as_it_is() -> None:
    assert parse("#!/bin/sh\ntrue\n") == FirstBoot(script="#!/bin/sh\ntrue\n")


def test_cloud_config_becomes_keys_files_and_one_script() -> None:
    text = """#cloud-config
ssh_authorized_keys: [ssh-ed25519 A]
ssh_keys: {ed25519_private: P, ed25519_public: Q}
write_files:
- {path: /a, content: eA==, encoding: b64, permissions: "0600"}
runcmd:
- [touch, /a b]
- echo $HOME
"""
    assert parse(text) == FirstBoot(
        ("ssh-ed25519 A",), ("P", "Q"), (BootFile("/a", b"x", 0o600),), "#!/bin/sh\ntouch '/a b'\necho $HOME\n"
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [("hello", "cloud-init"), ("#cloud-config\npackages: [a]", "packages"), ("#cloud-config\n[", "YAML")],
)
def test_user_data_that_would_be_ignored_is_refused(text: str, word: str) -> None:
    with pytest.raises(LocalCloudError, match=word):
        parse(text)


def test_a_machine_drops_what_no_rule_accepts() -> None:
    rules = [
        Rule(True, True, "tcp", (22, 22), ("10.0.0.0/8", "1.1.1.1/32")),
        Rule(True, False, "all", None, ("0.0.0.0/0",)),
        Rule(False, False, "udp", None, ("0.0.0.0/0",)),
    ]
    lines = [line.strip() for line in machine_rules(rules).splitlines()]
    inbound = lines[lines.index("chain inbound {") : lines.index("chain outbound {")]
    assert inbound[4:7] == ["ip saddr { 10.0.0.0/8, 1.1.1.1/32 } tcp dport 22-22 accept", "drop", "drop"]
    assert lines[-3] == "udp dport 0-65535 drop"


def test_the_host_routes_within_a_vpc_and_nowhere_else() -> None:
    text = host_rules("t", {"100.64.0.2": "10.0.0.3"}, {"one": ["b", "a"], "two": ["c"]})
    assert text.count("dnat ip to ip daddr map { 100.64.0.2 : 10.0.0.3 }") == 2
    lines = [line.strip() for line in text.splitlines()]
    guard = lines[lines.index("ct status dnat accept") + 1 : -2]
    assert guard == [
        "iifname { a, b } oifname { a, b } accept",
        "iifname { c } oifname { c } accept",
        "iifname { a, b, c } drop",
        "oifname { a, b, c } drop",
    ]


def _query(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00" + kind.to_bytes(2) + b"\x00\x01"


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [("fs.nas", 1, 0, 1), ("FS.nas", 1, 0, 1), ("fs.nas", 28, 0, 0), ("x.y", 1, 3, 0)],
)
def test_known_names_have_an_address(name: str, kind: int, code: int, answers: int) -> None:
    """An A record for a known name, nothing for its IPv6, NXDOMAIN for another."""
    said = answer(_query(name, kind), {"fs.nas": "10.0.0.9"})
    assert (said[:2], said[3] & 15, int.from_bytes(said[6:8])) == (b"\x12\x34", code, answers)
    assert (socket.inet_aton("10.0.0.9") == said[-4:]) == bool(answers)


def test_a_query_without_a_question_is_refused() -> None:
    with pytest.raises(ValueError, match="question"):
        answer(b"\x00" * 12, {})


def test_parameters_are_read_in_every_form_clients_send() -> None:
    params = Params({"Id.2": "b", "Id.1": "a", "Ids": '["c"]', "Tag.1.Key": "k", "Tag.1.Value": "v", "Empty": ""})
    assert params.items("Id", "Ids") == ["a", "b", "c"]
    assert params.tags() == {"k": "v"}
    assert "Empty" not in params and params.given("Empty")
    with pytest.raises(ApiError, match=r"MissingParameter.Name"):
        params.need("Name")


# The example of Alibaba's documentation "Signature method" of RPC calls: its key, secret and parameters.
EXAMPLE = {
    "TimeStamp": "2016-02-23T12:46:24Z",
    "Format": "XML",
    "AccessKeyId": "testid",
    "Action": "DescribeRegions",
    "SignatureMethod": "HMAC-SHA1",
    "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
    "Version": "2014-05-26",
    "SignatureVersion": "1.0",
}


def test_the_signature_is_that_of_alibabas_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**EXAMPLE, "Timestamp": EXAMPLE["TimeStamp"], "Signature": "OLeaidS1JvxuMvnyHOwuJ+uX5qY="}
    del values["TimeStamp"]
    monkeypatch.setattr("localcloud.cloud.signature.time.time", lambda: 1456231584.0)
    request = Request("GET", "/", values)
    assert check(request, {"testid": "testsecret"}) == "testid"
    with pytest.raises(ApiError, match="SignatureDoesNotMatch"):
        check(request, {"testid": "another"})


def test_a_transaction_that_fails_leaves_documents_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    held = Stock(zone="z", type="old", left=1)
    store.put(held)

    def fail() -> None:
        with store.transaction():
            document = store.get(Stock, "z/old")
            assert document is held
            document.left = 2
            store.put(Stock(zone="z", type="new", left=3))
            raise ApiError(400, "No", "no")

    with pytest.raises(ApiError):
        fail()
    assert held.left == 1 and store.all(Stock) == [held]
    store.close()


def test_the_certificate_is_for_loopback_and_made_once(tmp_path: Path) -> None:
    authority = ensure_certificates(tmp_path)
    first = authority.read_bytes()
    assert ensure_certificates(tmp_path).read_bytes() == first
    context = ssl.create_default_context(cafile=str(authority))
    assert [entry["subject"] for entry in context.get_ca_certs()] == [((("commonName", "Tandem local cloud"),),)]
    assert (tmp_path / "server.pem").stat().st_mode & 0o777 == 0o600
