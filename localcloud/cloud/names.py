"""A name server on each vSwitch's gateway: mount targets by their domains, as the cloud's own resolver has them."""

import selectors
import socket
import threading
from collections.abc import Mapping

HEADER = 12  # RFC 1035, 4.1.1
TYPE_A, CLASS_IN = 1, 1
ANSWERED, NO_SUCH_NAME = 0x8180, 0x8183  # a recursive answer without error; NXDOMAIN
TTL_SECONDS = 5
PORT = 53


def answer(query: bytes, names: Mapping[str, str]) -> bytes:
    """The answer to one query: an A record for a known name, none for its other types, NXDOMAIN otherwise.

    Raises:
        ValueError: the query is malformed.
    """
    labels, at = [], HEADER
    while at < len(query) and query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    end = at + 5
    if len(query) < end or not labels:
        raise ValueError("a query without a question")
    address = names.get(".".join(labels))
    wanted = int.from_bytes(query[at + 1 : at + 3])
    record = b""
    if address and wanted == TYPE_A:
        # 0xC00C points to the name in the question.
        fields = (0xC00C, 2), (TYPE_A, 2), (CLASS_IN, 2), (TTL_SECONDS, 4), (4, 2)
        record = b"".join(value.to_bytes(size) for value, size in fields) + socket.inet_aton(address)
    counts = (1, 1 if record else 0, 0, 0)
    head = query[:2] + (ANSWERED if address else NO_SUCH_NAME).to_bytes(2)
    return head + b"".join(count.to_bytes(2) for count in counts) + query[HEADER:end] + record


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

    def leave(self, address: str) -> None:
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
            self.leave(address)

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
