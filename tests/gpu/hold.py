"""Holds a GPU as an engine would: memory where torch is there, a process in any case."""

import os
import time

said = "no torch"
try:
    import torch  # type: ignore[import-not-found,unused-ignore]  # the machine has it

    values = torch.ones(1 << 28, device="cuda")
    said = f"{values.sum().item():.0f} on {torch.cuda.get_device_name()}"
except ImportError:
    pass
print(f"holding {said} pid {os.getpid()}", flush=True)
while True:
    time.sleep(60)
