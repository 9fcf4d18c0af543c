"""`python -m localcloud` as others script it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT


def localcloud(*words: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "localcloud", "cloud", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code in (0, 3) else done.stderr


def test_start_status_fault_stop(tmp_path: Path) -> None:
    """A second start keeps the first, another speed is refused, keys and port outlive a stop, wipe leaves nothing."""
    state = ("--state", str(tmp_path / "cloud"))
    assert json.loads(localcloud("status", "--json", *state, code=3)) == {"running": False, "state": state[1]}
    first: dict[str, Any] = json.loads(localcloud("start", *state, "--backend", "memory"))
    try:
        assert first["running"] and first["endpoint"].startswith("127.0.0.1:") and Path(first["authority"]).exists()
        assert json.loads(localcloud("start", *state)) == first == json.loads(localcloud("status", "--json", *state))
        assert "speed" in localcloud("start", *state, "--speed", "1", code=1)
        assert json.loads(localcloud("fault", *state, '{"kind": "throttle"}'))["kind"] == "throttle"
        assert len(json.loads(localcloud("fault", *state))) == 1
        assert "no-stock" in localcloud("fault", *state, '{"kind": "rain"}', code=1)
        localcloud("fault", *state, "--clear")
        assert json.loads(localcloud("fault", *state)) == []
    finally:
        localcloud("stop", *state)
    again = json.loads(localcloud("start", *state))
    localcloud("stop", "--wipe", *state)
    same = ("endpoint", "accessKey", "secretKey", "backend")
    assert {name: again[name] for name in same} == {name: first[name] for name in same}
    assert not Path(state[1]).exists()
