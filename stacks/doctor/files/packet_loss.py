"""How many packets between two machines are lost: ICMP echoes (RFC 792), counted here, for few machines have ping.

Runs on the machine beside machine_state.py (Python 3.8 and newer, nothing else). A raw socket is root's; anybody else
needs the kernel's leave (net.ipv4.ping_group_range).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time

ECHOES, PAUSE, LAST = 100, 0.02, 2.0
"""Echoes, seconds between two, and seconds that the last one may take."""
REQUEST, REPLY = 8, 0
SIZE = 1400
"""Bytes: what is lost on a bad link are long packets first."""


def percent(address: str) -> float | None:
    """Percent of echoes that don't come back; None where none does (they may be filtered), or none can be sent."""
    own, raw = os.getpid() & 0xFFFF, True
    seen: set[int] = set()
    try:
        link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        raw = False
        try:
            link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
        except OSError:
            return None
    token = os.urandom(8)
    with link:
        link.connect((address, 0))
        end = 0.0
        for number in range(ECHOES):
            with contextlib.suppress(OSError):  # what can't be sent counts as lost
                link.send(_echo(own, number, token))
            end = time.monotonic() + (PAUSE if number < ECHOES - 1 else LAST)
            while len(seen) <= number and (left := end - time.monotonic()) > 0:
                seen |= _replies(link, left, token, 20 if raw else 0)
            if (left := end - time.monotonic()) > 0 and number < ECHOES - 1:
                time.sleep(left)
    return None if not seen else 100.0 * (ECHOES - len(seen)) / ECHOES


def _echo(own: int, number: int, token: bytes) -> bytes:
    body = token + bytes(SIZE - len(token))
    head = struct.pack("!BBHHH", REQUEST, 0, 0, own, number)
    return struct.pack("!BBHHH", REQUEST, 0, _checksum(head + body), own, number) + body


def _replies(link: socket.socket, seconds: float, token: bytes, header: int) -> set[int]:
    """Numbers of echoes that came back; `header` is the length of IP's own, which raw sockets show."""
    if not select.select([link], [], [], seconds)[0]:
        return set()
    packet = link.recv(65535)[header:]
    if len(packet) < 16 or packet[0] != REPLY or packet[8:16] != token:
        return set()
    return {int(struct.unpack("!H", packet[6:8])[0])}


def _checksum(data: bytes) -> int:
    total = int(sum(struct.unpack(f"!{len(data) // 2}H", data)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
