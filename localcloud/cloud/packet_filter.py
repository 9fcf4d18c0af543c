"""Firewall rules and public addresses as nftables text."""

from collections.abc import Iterable, Mapping, Sequence

from localcloud.cloud.backend import Rule

TABLE = "tandem_cloud"
# Before the machine's own address translation, so that ports which Docker publishes are guarded too.
BEFORE_TRANSLATION, AFTER_TRANSLATION = -150, 150


def machine_rules(rules: Sequence[Rule]) -> str:
    """The table of one machine's namespace: first match decides; else inbound drops, outbound passes."""
    inbound = [_line(rule, "saddr") for rule in rules if rule.inbound]
    outbound = [_line(rule, "daddr") for rule in rules if not rule.inbound]
    return _lines(
        f"table inet {TABLE}",
        f"delete table inet {TABLE}",
        f"table inet {TABLE} {{",
        " chain inbound {",
        f"  type filter hook prerouting priority {BEFORE_TRANSLATION}; policy accept;",
        '  iifname != "eth0" accept',
        "  ct state established,related accept",
        *inbound,
        "  drop",
        " }",
        " chain outbound {",
        f"  type filter hook postrouting priority {AFTER_TRANSLATION}; policy accept;",
        '  oifname != "eth0" accept',
        "  ct state established,related accept",
        *outbound,
        " }",
        "}",
    )


def host_rules(table: str, publics: Mapping[str, str], vpcs: Mapping[str, Iterable[str]]) -> str:
    """The host's table: `publics` maps public to private addresses, `vpcs` a VPC to the bridges of its vSwitches.

    What comes from a machine goes to its own VPC or to a public address; what comes from elsewhere only to the latter.
    """
    bridges = sorted({bridge for members in vpcs.values() for bridge in members})
    ours = f"{{ {', '.join(bridges)} }}"
    pairs = ", ".join(f"{public} : {private}" for public, private in sorted(publics.items()))
    translate = f"  dnat ip to ip daddr map {{ {pairs} }}" if pairs else ""
    within = [
        f"  iifname {{ {', '.join(sorted(members))} }} oifname {{ {', '.join(sorted(members))} }} accept"
        for members in vpcs.values()
    ]
    guard = [*within, f"  iifname {ours} drop", f"  oifname {ours} drop"] if bridges else []
    return _lines(
        f"table ip {table}",
        f"delete table ip {table}",
        f"table ip {table} {{",
        " chain arriving {",
        "  type nat hook prerouting priority dstnat; policy accept;",
        translate,
        " }",
        " chain own {",
        "  type nat hook output priority -100; policy accept;",
        translate,
        " }",
        " chain between {",
        "  type filter hook forward priority filter; policy accept;",
        "  ct state established,related accept",
        "  ct status dnat accept",
        *guard,
        " }",
        "}",
    )


def _line(rule: Rule, end: str) -> str:
    words = []
    peers = [peer for peer in rule.peers if peer != "0.0.0.0/0"]
    if len(peers) == len(rule.peers):
        words.append(f"ip {end} {{ {', '.join(peers)} }}")
    if rule.protocol in ("tcp", "udp"):
        first, last = rule.ports or (0, 65535)
        words.append(f"{rule.protocol} dport {first}-{last}")
    elif rule.protocol != "all":
        words.append(f"meta l4proto {'ipv6-icmp' if rule.protocol == 'icmpv6' else rule.protocol}")
    return f"  {' '.join(words)} {'accept' if rule.accept else 'drop'}"


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line) + "\n"
