"""On SIGUSR2 this process's CUDA context is broken: an access out of bounds on the GPU, as a faulty kernel makes it.

up.sh has every Python of the engine import it (a .pth file). The access is asynchronous: nothing is raised here, and
whatever the engine asks of its GPU next fails, as it does after an XID 13 or 31.
"""

from __future__ import annotations

import signal
import sys
from typing import Any


def break_context(number: int, frame: Any) -> None:
    """Reads far outside a tensor; does nothing in a process that has no context."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    values = torch.zeros(1, device="cuda")
    values[torch.full((1,), 1 << 40, device="cuda")]
    print("an access out of bounds was sent to the GPU", file=sys.stderr, flush=True)


signal.signal(signal.SIGUSR2, break_context)
