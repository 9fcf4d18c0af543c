"""The rules by which only the deployment's machines reach its inner ports, as nftables text.

    firewall.py TABLE OWNER

Environment: CLOSED and OPEN, ports as FIRST or FIRST-LAST; MEMBERS, addresses and ranges that reach the closed ones.
To the closed ports come those that the kernel gives to whoever asks for any (ip_local_port_range), since ranks meet on
such; of these, what is reserved (ip_local_reserved_ports) stays as it is, and where something listens that isn't the
deployment's own. Python 3.8 and newer.
"""

import ipaddress
import os
import sys

import ports  # lies beside


def parse(text: str) -> "list[tuple[int, int]]":
    """`80 8000-8010` or `80,8000-8010` as pairs, both ends included."""
    pairs = (word.partition("-") for word in text.replace(",", " ").split())
    return [(int(first), int(last or first)) for first, _, last in pairs]


def without(spans: "list[tuple[int, int]]", taken: "list[tuple[int, int]]") -> "list[tuple[int, int]]":
    """The spans' ports but those of `taken`, in order and joined where they touch."""
    closed = {port for first, last in spans for port in range(first, last + 1)}
    closed -= {port for first, last in taken for port in range(first, last + 1)}
    found = []  # type: list[tuple[int, int]]
    for port in sorted(closed):
        if found and found[-1][1] == port - 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return found


def ruleset(table: str, owner: str, members: "list[str]", closed: "list[tuple[int, int]]") -> str:
    """A transaction that puts the table in place of its former self.

    Only the first packet of a TCP connection is judged, so what is connected stays connected, and nothing asks the
    kernel to track connections. Whatever is not dropped here goes on to everybody else's rules.
    """
    networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(each) for each in members)
    allowed = ", ".join(str(network) for network in networks)
    spans = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in closed)
    return f"""table inet {table}
delete table inet {table}
table inet {table} {{
 set members {{
  type ipv4_addr
  flags interval
  elements = {{ {allowed} }}
 }}
 set closed {{
  type inet_service
  flags interval
  elements = {{ {spans} }}
 }}
 chain inner {{
  type filter hook input priority -10; policy accept;
  meta l4proto != tcp accept
  tcp flags & (syn | ack) != syn accept
  iif "lo" accept
  tcp dport != @closed accept
  ip saddr @members accept
  counter drop comment "{owner}"
 }}
}}
"""


def foreign(stack: str) -> "list[tuple[int, int]]":
    """Where something listens that is not the stack's own."""
    listening = ports.listeners()
    held, known = ports.holders(set(listening.values())), ports.containers()
    return [
        (port, port)
        for port, inode in listening.items()
        if inode not in held or not ports.ours(held[inode], stack, known)
    ]


def main(table: str, owner: str) -> int:
    """Prints the rules for this machine."""
    ephemeral = parse("-".join(ports.read("sys/net/ipv4/ip_local_port_range").split()))
    reserved = parse(ports.read("sys/net/ipv4/ip_local_reserved_ports"))
    # The named ones were free when the machine was looked at (facts.sh); what listens on them is the deployment's.
    others = without(ephemeral, [*reserved, *foreign(os.environ["TANDEM_STACK"])])
    closed = without([*parse(os.environ["CLOSED"]), *others], parse(os.environ["OPEN"]))
    sys.stdout.write(ruleset(table, owner, os.environ["MEMBERS"].split(), closed))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
