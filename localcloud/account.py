"""`python -m localcloud account`: an account on the local cloud, and what its machines fetch.

For Pulumi.local.yaml: the API at a fixed port, machines whose image holds the engine's environment, and
the depot (images, weights, Python packages) at the address that is "outside" for them.
"""

from __future__ import annotations

import argparse
import ipaddress
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcloud.cloud import daemon as cloud
from localcloud.cloud.settings import default_cloud
from localcloud.depot import daemon as depot
from localcloud.fixtures import ensure_environment, ensure_images, ensure_instruct_model, ensure_model
from localcloud.fixtures.model import INSTRUCT_ID, MODEL_ID
from localcloud.fixtures.wheels import ensure_wheels
from localcloud.hosts import DEPOT_PORT, ENGINE

API_PORT = 8602
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def start(
    folder: Path,
    port: int = API_PORT,
    public_network: str = "100.64.77.0/24",
    models: Mapping[str, Path] | None = None,
) -> None:
    """Makes what is missing; what is there stays as it is.

    Args:
        folder: state of the cloud and of the depot.
        port: of the API, on loopback; 0 takes a free one.
        public_network: where public addresses come from; its first is this computer, and the depot's.
        models: folders of the models that the depot has, by the name that hubs give them; the tiny one when None.
    """
    environment = ensure_environment()
    ensure_images()
    ensure_wheels()
    found = cloud.start(folder, {"port": port, "public_network": public_network, "bind": f"{environment}:{ENGINE}"})
    key = folder / "id_ed25519"
    if not key.exists():
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "local-account", "-f", str(key)]
        subprocess.run(argv, check=True, capture_output=True)
    # The provider reads one file of authorities: the local one must not hide the others.
    bundle = SYSTEM_AUTHORITIES.read_text() if SYSTEM_AUTHORITIES.exists() else ""
    _bundle(folder).write_text(bundle + Path(str(found["authority"])).read_text())
    outside = next(ipaddress.IPv4Network(str(found["publicNetwork"])).hosts())
    depot.start(folder / "depot", f"{outside}:{DEPOT_PORT}", models=models or {MODEL_ID: ensure_model()})
    print(f"the local cloud answers at {found['endpoint']}, region {found['region']}; calls: {found['calls']}")


def stop(folder: Path) -> None:
    """Takes all of it away; what was built stays in the cache."""
    depot.stop(folder / "depot")
    cloud.stop(folder)
    cloud.wipe(folder)
    print("no machine, network or file system of the local cloud is left")


def environment(folder: Path) -> dict[str, str]:
    """Variables with which the provider and Alibaba's clients use the account; none when it does not run."""
    found = cloud.status(folder)
    if not found["running"]:
        return {}
    return {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": str(found["accessKey"]),
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": str(found["secretKey"]),
        "SSL_CERT_FILE": str(_bundle(folder)),
        # The provider compares with host:port, Python's clients with the host.
        "NO_PROXY": f"{found['endpoint']},127.0.0.1",
    }


def _bundle(folder: Path) -> Path:
    return folder / "authorities.pem"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("action", choices=("start", "stop", "env"), help="env prints lines for a shell")
    parser.add_argument("--state", type=Path, default=default_cloud(), help="its folder (%(default)s)")


def run(options: argparse.Namespace) -> int:
    """Does it."""
    folder: Path = options.state.absolute()
    match options.action:
        case "start":
            start(folder, models={INSTRUCT_ID: ensure_instruct_model()})
        case "stop":
            stop(folder)
        case "env":
            print("\n".join(f"export {k}={shlex.quote(v)}" for k, v in environment(folder).items()))
    return 0
