"""Every script that travels to a machine runs on the oldest Python that a machine is acquired with.

Three ways of looking: names and syntax by vermin, what vermin doesn't know by our own eyes on the syntax tree, and each
interpreter of this computer that has every script loaded.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.scripts.native_step import Step
from tests.support.paths import ROOT
from tests.support.scripts import lease_scripts

OLDEST = (3, 8)
TRAVELLING = sorted([*ROOT.glob("components/*/files/*.py"), *ROOT.glob("stacks/*/files/*.py")])
NEEDS = {"count.py": "ray"}
"""A module that only an engine's environment has."""
SUBSCRIPTED = {"dict", "list", "set", "tuple", "frozenset", "type"}
INTERPRETERS = [
    found
    for minor in range(8, 14)
    for found in (
        shutil.which(f"python3.{minor}"),
        *map(str, Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python3")),
    )
    if found and "/shims/" not in found
]


def name(script: Path) -> str:
    return str(script.relative_to(ROOT))


def evaluated(tree: ast.AST) -> list[ast.AST]:
    """Nodes that run: all but annotations, which `from __future__ import annotations` leaves as text."""
    left, found = [tree], []
    while left:
        node = left.pop()
        found.append(node)
        for field, value in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                left += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, ast.AST)]
    return found


def mistakes(text: str) -> list[str]:
    """What would fail on the oldest Python, or mean something else there."""
    found = []
    tree = ast.parse(text, feature_version=OLDEST)
    for node in evaluated(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in SUBSCRIPTED:
            found.append(f"line {node.lineno}: {node.value.id}[...] at run time")
    if re.search(r"\bTimeoutError\b", text) and "import socket" in text and "socket.timeout" not in text:
        found.append("TimeoutError: before 3.10 a socket's own is socket.timeout, an OSError beside it")
    if any(isinstance(n, ast.AnnAssign | ast.FunctionDef) for n in ast.walk(tree)) and "__future__" not in text:
        annotated = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.BitOr)]
        found += [f"line {n.lineno}: X | Y without annotations of the future" for n in annotated]
    return found


def test_no_name_or_syntax_is_newer():
    words = [str(Path(sys.executable).with_name("vermin")), "--no-tips", "--violations", "-t=3.8-"]
    done = subprocess.run([*words, *map(str, TRAVELLING)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", TRAVELLING, ids=name)
def test_nothing_means_something_else_there(script):
    assert not mistakes(script.read_text())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("from __future__ import annotations\nx: dict[int, str] = {}\ndef f(a: int | None) -> list[int]: ...\n", ""),
        ("x = dict[int, str]()\n", "dict[...] at run time"),
        ("import socket\ntry: ...\nexcept TimeoutError: ...\n", "socket.timeout"),
        ("def f(a: int | None): ...\n", "without annotations of the future"),
    ],
)
def test_the_eye_sees_what_it_is_for(text, says):
    assert says in "".join(mistakes(text))
    assert bool(says) == bool(mistakes(text))


@pytest.mark.parametrize("python", INTERPRETERS)
def test_every_script_loads(python):
    """With the modules that lie beside it on a machine."""
    load = (
        "import os, runpy, sys\nsys.dont_write_bytecode = True\n"
        "class Any(dict):\n    def __missing__(self, name): return '1'\n"
        "os.environ = Any(os.environ)\n"
        "sys.path += sorted({os.path.dirname(path) for path in sys.argv[1:]})\n"
        "for path in sys.argv[1:]:\n"
        "    os.environ['TANDEM_DIR'] = sys.path[0] = os.path.dirname(path)\n"
        "    runpy.run_path(path, run_name='loaded')\n"
    )
    scripts = [str(script) for script in TRAVELLING if script.name not in NEEDS]
    done = subprocess.run([python, "-c", load, *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def acquiring(tmp_path, runtime, *pythons):
    """The runtime's acquire.sh where these are the only Pythons, with the checks of root and systemd left out."""
    programs = tmp_path / "bin"
    programs.mkdir()
    needed = ("base64", "gzip", "tar", "timeout", "flock", "setsid", "curl", "bash", "id", "date", "mkdir", "rm", "ln")
    for program in (*needed, "touch", "grep", "head", "cut"):
        (programs / program).symlink_to(shutil.which(program))
    for label, version in pythons:
        old = int(tuple(map(int, version.split("."))) < OLDEST)
        (programs / label).write_text(
            f"#!/usr/bin/env bash\n"
            f'[[ $1 != --version ]] || {{ echo "Python {version}"; exit 0; }}\n'
            f'[[ $2 == *"sys.version_info < (3, 8)"* ]] && exit {old}\nexit 2\n'
        )
        (programs / label).chmod(0o755)
    (programs / "env").symlink_to("/usr/bin/env")
    text = lease_scripts(runtime)["acquire.sh"].replace("/run/systemd/system", "/")
    words = ["bash", "-c", text, "tandem", "stack", str(int(time.time())), str(tmp_path / "home")]
    return subprocess.run(
        words, env={"PATH": str(programs), "HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("runtime", ["docker", "native"])
@pytest.mark.parametrize(
    ("pythons", "says", "link"),
    [
        ([("python3", "3.12.1")], "", None),
        ([("python3", "3.8.18")], "", None),
        ([("python3", "3.6.8"), ("python3.11", "3.11.2")], "", "python3.11"),
        ([("python3", "3.6.8")], "has Python 3.6.8 and our steps need Python 3.8 or newer", None),
        ([], "has no python3 and our steps need Python 3.8 or newer", None),
    ],
)
def test_a_machine_is_acquired_with_a_python_that_will_do(tmp_path, runtime, pythons, says, link):
    done = acquiring(tmp_path, runtime, *pythons)
    assert says in done.stderr
    assert bool(says) == bool(done.returncode), done.stderr
    shortcut = tmp_path / "home/stack/bin/python3"
    assert (shortcut.readlink().name if shortcut.is_symlink() else None) == link


@pytest.mark.parametrize("version", ["3.6", "3.7"])
def test_a_step_on_an_older_python_says_so(tmp_path, version):
    """Exchanged after the machine was acquired, say."""
    found = [*Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python3")]
    if not found:
        pytest.skip(f"no Python {version} on this computer")
    step = Step(tmp_path)
    step.program("python3", f'exec {found[0]} "$@"')
    script = step.home / "try.sh"
    script.write_text('. "$TANDEM_DIR/lib.sh"\nexec python3 "$TANDEM_DIR/configure.py"\n')
    (step.dir / "configure.py").write_bytes((ROOT / "components/gateway/files/configure.py").read_bytes())
    error = step.run(script)[1]
    assert error.startswith(f"try needs Python 3.8 or newer, and this machine's python3 is {version}.")
