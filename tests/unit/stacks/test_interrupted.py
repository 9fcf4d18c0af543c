"""The program at an interrupt, which Pulumi's language host sends whenever an `up` fails or is cancelled."""

import os
import signal
import subprocess
import sys

from stacks.interrupted import SHOWN
from tests.support.paths import ROOT

WAITS = """
from stacks.interrupted import end_quietly
end_quietly()
import asyncio
print("ready", flush=True)
asyncio.run(asyncio.sleep(600))
"""


def test_an_interrupt_ends_the_program_without_a_word():
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout and program.stderr
        assert program.stdout.readline() == "ready\n"
        os.kill(program.pid, signal.SIGINT)
        assert program.stdout.read() == ""
        assert program.stderr.read() == ""
        assert program.wait(timeout=30) == SHOWN


def test_nothing_slow_is_imported_before_an_interrupt_is_expected():
    lines = (ROOT / "__main__.py").read_text().splitlines()
    code = [line for line in lines if line.startswith(("import ", "from ", "end_quietly"))]
    assert code[:2] == ["from stacks.interrupted import end_quietly", "end_quietly()"]
