"""A whole local cloud, put together from its parts."""

from pathlib import Path
from threading import Thread

from localcloud.cloud import resources  # noqa: F401 - importing it fills the table of actions
from localcloud.cloud.admin import PREFIX, Admin
from localcloud.cloud.backend import MachineBackend, MemoryBackend
from localcloud.cloud.certificates import ensure_certificates
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.dispatch import Dispatcher
from localcloud.cloud.machines import Watch, resume
from localcloud.cloud.settings import Settings
from localcloud.cloud.store import Store
from localcloud.http.journal import Journal
from localcloud.http.messages import Request, Response
from localcloud.http.server import Server


class Api(Server):
    """Calls of the API, and admin calls, on 127.0.0.1; plain or by TLS."""

    def __init__(self, port: int, dispatcher: Dispatcher, admin: Admin, certificate: Path) -> None:
        self._dispatcher, self._admin = dispatcher, admin
        super().__init__(("127.0.0.1", port), ("GET", "POST", "DELETE"), certificate)

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        return (self._admin if request.path.startswith(PREFIX) else self._dispatcher).answer(request)


class Service:
    """One cloud with its state folder, listening on 127.0.0.1.

    Args:
        folder: settings, state, certificates and the log of calls.
        settings: as loaded from the folder.
        backend: the machines; by the settings when None.
    """

    def __init__(self, folder: Path, settings: Settings, backend: MachineBackend | None = None) -> None:
        self.folder = folder
        self.authority = ensure_certificates(folder)
        self.backend = backend or _backend(folder, settings)
        self.cloud = Cloud(settings, Store(folder / "state.sqlite"), self.backend)
        dispatcher = Dispatcher(self.cloud, Journal(folder / "calls.jsonl"))
        self.server = Api(settings.port, dispatcher, Admin(self.cloud), folder / "server.pem")
        self.port = int(self.server.server_address[1])
        self.cloud.endpoint = f"127.0.0.1:{self.port}"
        self.cloud.ticks.append(Watch())

    def start(self) -> Thread:
        """Resumes what was going on, then answers in a thread of its own."""
        with self.cloud.lock:
            resume(self.cloud)
        self.cloud.start()
        thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, name="cloud-http", daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Answers no longer; machines stay as they are."""
        self.server.shutdown()
        self.server.server_close()
        self.cloud.close()


def _backend(folder: Path, settings: Settings) -> MachineBackend:
    if settings.backend == "memory":
        return MemoryBackend()
    from localcloud.cloud.real_backend import RealBackend

    return RealBackend(folder, settings.public_network, [settings.bind] if settings.bind else [])
