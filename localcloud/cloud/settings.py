"""What the local cloud is started with, and what it tells its users."""

import json
import secrets
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Self

from localcloud.cloud.catalog import ZONES
from localcloud.errors import LocalCloudError
from localcloud.system.paths import state_dir

BACKENDS = ("machines", "memory")


def default_cloud() -> Path:
    """Folder of the cloud's state."""
    return state_dir() / "alicloud"


@dataclass(frozen=True)
class Settings:
    """Kept in the state folder, so that a later start has the same account, keys and port.

    Args:
        region: the one region there is, of those in the catalogue.
        port: on 127.0.0.1; 0 takes a free one, which is then kept.
        account: its number.
        key: access key's id.
        secret: access key's secret, made here and of no use elsewhere.
        backend: `machines` boots real ones; `memory` boots nothing.
        speed: delays of the cloud are divided by this; 1 is the cloud's own pace.
        public_network: /24 or wider from which public addresses come; its first address is this host.
        bind: `HOST:INSIDE` of a folder that every machine has, read-only, as if its image held it.
    """

    region: str = "cn-hangzhou"
    port: int = 0
    account: str = "1770000000000001"
    key: str = ""
    secret: str = ""
    backend: str = "machines"
    speed: float = 50.0
    public_network: str = "100.64.77.0/24"
    bind: str = ""

    def check(self) -> Self:
        """Returns itself.

        Raises:
            LocalCloudError: a value cannot be.
        """
        if self.backend not in BACKENDS:
            raise LocalCloudError(f"The backend {self.backend!r} does not exist: choose one of {', '.join(BACKENDS)}.")
        if self.region not in ZONES:
            raise LocalCloudError(
                f"The region {self.region!r} is not in the catalogue: choose one of {', '.join(ZONES)}."
            )
        if not self.speed > 0:
            raise LocalCloudError(f"The speed {self.speed:g} is not positive: 1 is the cloud's own pace, 50 is quick.")
        return self

    @classmethod
    def load(cls, folder: Path, changes: dict[str, object]) -> Self:
        """Reads what an earlier start kept and applies changes; what differs from the file is kept."""
        file = folder / "settings.json"
        known = {field.name for field in fields(cls)}
        kept = json.loads(file.read_text()) if file.exists() else {}
        settings = cls(**{key: value for key, value in {**kept, **changes}.items() if key in known}).check()
        if not settings.key:
            settings = replace(settings, key=f"LTAI5t{secrets.token_hex(9)}", secret=secrets.token_hex(15))
        if asdict(settings) != kept:
            settings.save(folder)
        return settings

    def save(self, folder: Path) -> None:
        """Writes the file, for its owner alone."""
        folder.mkdir(parents=True, exist_ok=True)
        # Server and clients may write at once: each has a draft of its own, and NamedTemporaryFile's mode is 0600.
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix="settings.", delete=False) as draft:
            json.dump(asdict(self), draft, indent=1)
        Path(draft.name).rename(folder / "settings.json")
