"""Words of serving.arguments and values of serving.environment reach the engine's process as they stand.

From settings to what Docker's API and the process supervisor get, and from there through the rank supervisor to execve.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import sys
import tarfile
from pathlib import Path

from google.protobuf.json_format import MessageToDict

from components.serving.replica import FILES as SERVING
from tests.support.graph import graph
from tests.support.supervised import Supervised
from tests.support.waiting import until

WORDS = [
    "--plain=1",
    "",
    " ",
    "two words",
    "$HOME",
    "${HOME}",
    "$(touch /tmp/pwned)",
    "`id`",
    "%n %i %%",
    "a;b|c&d>e<f",
    "it's",
    'say "so"',
    "back\\slash",
    "\\n",
    "new\nline",
    "tab\there",
    "--",
    "-x",
    "!history",
    "~",
    "~root",
    '--speculative-config={"method": "ngram", "n": 3, "s": "a\'b $x"}',
    "{{ messages[0]['content'] }}",
    "{a,b}",
    "--chat-template={% if a %}\n  b\n{% endif %}",
    "\u4f60\u597d",
    "=",
    "a=b=c",
    "--port=8100",
    "#comment",
    "[ab]?",
]
VARIABLES = {f"V{number}": word for number, word in enumerate(WORDS)}
PRINTS = "import json,os,sys; print(json.dumps([sys.argv[1:], {k: os.environ.get(k) for k in sys.argv[1].split(',')}]))"


def test_dockers_api_gets_them_so(monkeypatch, tmp_path):
    for executor in ("ray", "mp"):
        seen = graph(monkeypatch, tmp_path, executor=executor, arguments=WORDS, environment=VARIABLES)
        inputs = MessageToDict(seen["n0-engine"].object)
        assert inputs["command"][-len(WORDS) :] == WORDS
        assert inputs["entrypoints"] == ["python3"], "no shell reads them"
        assert {f"{name}={value}" for name, value in VARIABLES.items()} <= set(inputs["envs"])


def test_the_process_supervisor_gets_them_so(monkeypatch, tmp_path):
    native = {"runtime": "native", "storage": {"path": "/data"}}
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime=native, arguments=WORDS, environment=VARIABLES)
    sent = MessageToDict(seen["n0-engine"].object)["stdin"]["value"]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(base64.b64decode(sent.splitlines()[-1])))) as archive:
        members = {member.name: member.mode for member in archive}
        file = archive.extractfile("spec.json")
        assert file is not None
        spec = json.load(file)
    assert spec["argv"][-len(WORDS) :] == WORDS
    assert VARIABLES.items() <= spec["environment"].items()
    assert set(members.values()) == {0o600}, "and nobody else reads them on the machine"


def test_the_engine_gets_them_so(tmp_path: Path):
    """Through process_supervisor.py and rank_supervisor.py, as processes."""
    process = Supervised(tmp_path / "process")
    (tmp_path / "engine.py").write_text(f"{PRINTS}\nimport time; time.sleep(600)\n")
    names = ",".join(VARIABLES)
    argv = [sys.executable, str(SERVING / "rank_supervisor.py"), "--group=peers", "--ranks=1", "--"]
    argv += [sys.executable, "-u", str(tmp_path / "engine.py"), names, *WORDS]
    try:
        process.start("", argv=argv, environment=VARIABLES)
        until(lambda: '[["V0' in process.log, 30)
        line = next(line for line in process.log.splitlines() if line.startswith('[["V0'))
        words, variables = json.loads(line)
        assert words[1:] == WORDS
        assert variables == VARIABLES
        assert (process.folder / "spec.json").exists()
    finally:
        process.run("stop")
