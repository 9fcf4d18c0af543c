"""A run for test_caretaker.py: makes one of each kind of thing and waits: owning.py FOLDER BRIDGE NET PUBLIC."""

import signal
import sys
from pathlib import Path

from localcloud import caretaker
from localcloud.cloud import daemon
from localcloud.depot import daemon as depot
from localcloud.machines import Site

folder, bridge, net, public = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests in the background has it ignored
caretaker.begin()
site = Site(Path(folder) / "site", bridge, f"{net}.0/24")
site.create("one", f"{net}.11").wait_for_ssh()
daemon.start(Path(folder) / "cloud", {"public_network": f"{public}.0/24"})
depot.start(Path(folder) / "depot", f"{net}.1:8600")
print("made", flush=True)
sys.stdin.read()
