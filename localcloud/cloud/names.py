"""A name server on each vSwitch's gateway: mount targets by their domains, as the cloud's own resolver has them."""

import selectors
import socket
import threading
from collections.abc import Mapping

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

TTL_SECONDS = 5
PORT = 53


def answer(query: bytes, names: Mapping[str, str]) -> bytes:
    """The answer to one query: an A record for a known name, none for its other types, NXDOMAIN otherwise.

    Raises:
        ValueError: the query is malformed.
    """
    try:
        request = DNSRecord.parse(query)
    except DNSError as error:
        raise ValueError(f"a malformed query: {error}") from None
    if not request.questions:
        raise ValueError("a query without a question")
    address = names.get(str(request.q.qname).rstrip(".").lower())
    reply = request.reply(aa=0)
    if address is None:
        reply.header.rcode = RCODE.NXDOMAIN
    elif request.q.qtype == QTYPE.A:
        reply.add_answer(RR(request.q.qname, QTYPE.A, ttl=TTL_SECONDS, rdata=A(address)))
    return bytes(reply.pack())


class NameServer:
    """Answers on any number of addresses from one thread; `names` may change at any time."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="cloud-names", daemon=True)
        self._thread.start()

    def listen(self, address: str) -> None:
        """Answers there too; raises OSError when something else does."""
        with self._lock:
            if address in self._sockets:
                return
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                receiver.bind((address, PORT))
            except OSError:
                receiver.close()
                raise
            self._sockets[address] = receiver
            self._selector.register(receiver, selectors.EVENT_READ)

    def close_address(self, address: str) -> None:
        """Answers there no longer."""
        with self._lock:
            receiver = self._sockets.pop(address, None)
            if receiver:
                self._selector.unregister(receiver)
                receiver.close()

    def close(self) -> None:
        """Ends it."""
        self._ended.set()
        self._thread.join()
        for address in list(self._sockets):
            self.close_address(address)

    def _serve(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                receiver = key.fileobj
                assert isinstance(receiver, socket.socket)  # noqa: S101 - nothing else is registered
                try:
                    query, sender = receiver.recvfrom(512)
                    receiver.sendto(answer(query, self.names), sender)
                except (OSError, ValueError):
                    continue  # a closed socket or a malformed query; the sender asks again
