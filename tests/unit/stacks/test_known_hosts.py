"""Host keys as OpenSSH's own program finds them."""

import subprocess

import pytest

from stacks.platforms.known_hosts import KnownHosts

ED, RSA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlain", "ssh-rsa AAAAB3NzaC1yc2EAAAA="
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY="


@pytest.mark.parametrize(
    ("line", "address", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 22),
        ("gpu-1,10.0.0.1", "GPU-1", 22),
        ("[10.0.0.1]:2222", "10.0.0.1", 2222),
        ("10.0.*,!10.0.0.9", "10.0.0.1", 22),
    ],
)
def test_names_lists_ports_and_patterns(line, address, port):
    known = KnownHosts(f"# comment\n\n{line} {RSA}\n{line} {ED} somebody@somewhere\n")
    assert known.key(address, port) == ED
    assert known.key("10.0.0.9", 22) is None
    assert known.key(address, port + 1) is None


def test_hashed_names_are_found(tmp_path):
    """Hashed by ssh-keygen itself."""
    file = tmp_path / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    file.write_text(f"10.0.0.1 {public}\n[gpu]:2222 {public}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "10.0.0.1" not in file.read_text()
    known = KnownHosts(file.read_text())
    assert known.key("10.0.0.1", 22) == known.key("gpu", 2222) == public
    assert known.key("10.0.0.2", 22) is None


def test_a_revoked_key_is_none():
    assert KnownHosts(f"10.0.0.1 {ED}\n@revoked * {ED}\n").key("10.0.0.1", 22) is None
    assert KnownHosts(f"@cert-authority 10.0.0.1 {ED}\n").key("10.0.0.1", 22) is None


def test_a_key_that_pulumi_asks_for_by_a_refused_name_is_none():
    known = KnownHosts(f"10.0.0.1 {RSA}\n10.0.0.2 {RSA}\n10.0.0.2 {ECDSA}\n")
    assert known.key("10.0.0.1", 22) is None
    assert known.types("10.0.0.1", 22) == ["ssh-rsa"]
    assert known.key("10.0.0.2", 22) == ECDSA
