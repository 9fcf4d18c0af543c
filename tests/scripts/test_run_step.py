"""run.sh and lib.sh: how a step runs, reports and fails. In a folder of the test's own, without systemd."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from components.machine.payload import FILES, parse_result, render_environment


class Step:
    """A step as it lies on a machine: HOME/steps/NAME/HASH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.dir = home / "steps" / "try" / "0123"

    def prepare(self, script: str, **environment: str) -> None:
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "step.sh").write_text('. "$TANDEM_DIR/lib.sh"\n' + script)
        (self.dir / "env").write_text(render_environment(environment))
        for name in ("run.sh", "lib.sh"):
            (self.dir / name).write_bytes((FILES / name).read_bytes())

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.prepare(script, **environment)
        return subprocess.run(
            ["bash", str(self.dir / "run.sh"), "sync"], capture_output=True, text=True, check=False, timeout=30
        )


@pytest.fixture
def step(tmp_path):
    return Step(tmp_path / "stack")


def test_a_result_is_the_only_output(step):
    done = step.run("echo chatter; result a=1 b=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a=1 b=2\n", "")
    assert "chatter" in (step.dir / "log").read_text()


def test_a_failure_is_one_sentence_and_the_end_of_the_log(step):
    done = step.run("for i in $(seq 50); do echo line $i; done; fail 'the disk is full; free some'")
    assert done.returncode == 1
    assert done.stderr.startswith("the disk is full; free some\n")
    assert "line 50" in done.stderr
    assert "line 20\n" not in done.stderr


def test_a_command_that_fails_is_named(step):
    done = step.run("false")
    assert "'false' failed" in done.stderr


def test_a_step_that_takes_too_long_is_ended_and_says_so(step):
    done = step.run("status 'waiting for node-1'; sleep 30", TANDEM_TIMEOUT="1")
    assert "did not finish within its time limit; last: waiting for node-1\n" in done.stderr


def test_values_reach_the_script_unharmed(step):
    done = step.run('result got="$VALUE"', VALUE="a b'c\"d $HOME `x`")
    assert done.stdout == "got=a b'c\"d $HOME `x`\n"


def test_secrets_leave_the_disk_when_the_step_has_succeeded(step):
    step.run("true", KEY="secret-1")
    assert not any("secret-1" in p.read_text() for p in step.dir.iterdir())


def test_what_a_step_writes_is_for_root_only(step):
    step.run("result a=1; echo x > made")
    assert all(not stat.S_IMODE((step.dir / n).stat().st_mode) & 0o077 for n in ("log", "result", "exit"))


def test_undo_and_kept_are_written_once(step):
    step.run("undo rm -f /a; undo rm -f /a; kept 'the packages x'")
    step.run("undo rm -f /a; undo rm -f /b")
    assert (step.home / "undo").read_text() == "rm -f /a\nrm -f /b\n"
    assert (step.home / "kept").read_text() == "the packages x\n"


def test_what_is_undone_is_a_command_of_words_whatever_they_hold(step):
    """cleanup.sh has a shell read each line: a folder's name must not become a command there."""
    odd = "/mnt/x;touch $HOME/made $(id) 'a' \n*"
    step.run('undo printf "<%s>" "$PLACE"', PLACE=odd)
    lines = (step.home / "undo").read_text().splitlines()
    assert len(lines) == 1
    done = subprocess.run(["bash", "-c", lines[0]], capture_output=True, text=True, check=True)
    assert done.stdout == f"<{odd}>"


def test_a_line_that_is_no_program_is_refused(step):
    assert "undo takes a program and its words" in step.run("undo 'rm -f /a'").stderr


ETC = """# comment
PATH="/usr/bin:/opt/vendor/bin"
export https_proxy='http://etc:3128'
no_proxy=.example
HTTP_PROXY=http://etc:3129
HF_HOME="/data/hf"
UID=7
"""


def surrounded(step, names, *, outside="", **login):
    """What a step sees of these variables where /etc/environment holds ETC; a unit of systemd has nothing else."""
    etc = step.home.parent / "environment"
    etc.write_text(ETC)
    step.home.mkdir(exist_ok=True)
    if outside:
        (step.home / "egress.env").write_text(outside)
    shown = " ".join(f'"{name}=${{{name}-unset}}"' for name in names)
    variables = {
        **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
        "ETC_ENVIRONMENT": str(etc),
    }
    variables |= login
    step.prepare(f"result {shown}")
    done = subprocess.run(
        ["bash", str(step.dir / "run.sh"), "sync"],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return parse_result(done.stdout)


def test_a_unit_has_the_machines_own_environment_as_a_login_does(step):
    seen = surrounded(step, ["https_proxy", "http_proxy", "HF_HOME", "PATH"])
    assert seen["https_proxy"] == "http://etc:3128"
    assert seen["http_proxy"] == "http://etc:3129", "curl and apt read the name in small letters only"
    assert seen["HF_HOME"] == "/data/hf"
    assert seen["PATH"].endswith(":/usr/bin:/opt/vendor/bin")
    assert surrounded(step, ["HF_HOME"], HF_HOME="/mine")["HF_HOME"] == "/mine"


def test_the_deployments_own_way_outside_comes_before_the_machines(step):
    seen = surrounded(step, ["https_proxy"], outside="https_proxy=http://ours:1")
    assert seen["https_proxy"] == "http://ours:1"


@pytest.mark.parametrize("outside", ["", "no_proxy=10.0.0.2,nas"])
def test_no_proxy_stands_before_this_machine_itself(step, outside):
    seen = surrounded(step, ["no_proxy", "NO_PROXY"], outside=outside)
    assert seen["no_proxy"] == seen["NO_PROXY"]
    excepted = seen["no_proxy"].split(",")
    assert {"localhost", "127.0.0.1", "::1"} <= set(excepted)
    assert set((outside.partition("=")[2] or ".example").split(",")) <= set(excepted)


def test_a_result_survives_a_later_failure_only_as_a_failure(step):
    """A step that fails the second time must not report the first time's result."""
    step.run("result a=1")
    done = step.run("fail no")
    assert done.returncode == 1
    assert "a=1" not in done.stdout


@pytest.fixture
def stages(step):
    """Runs scripts as the stages of a step, `name=(seconds, text)`."""

    def run(**scripts):
        (step.dir / "stages").mkdir(parents=True, exist_ok=True)
        for name, (_, text) in scripts.items():
            (step.dir / f"stages/{name}.sh").write_text('. "$TANDEM_DIR/lib.sh"\n' + text)
        order = " ".join(f"{name}:{seconds}" for name, (seconds, _) in scripts.items())
        return step.run((FILES / "stages.sh").read_text(), STAGES=order)

    return run


def test_stages_run_in_order_and_their_results_are_one(step, stages):
    log = 'echo "$TANDEM_STEP" >>"$TANDEM_HOME/order"'
    done = stages(
        facts=(9, f"{log}\nresult nic=eth0 a=1"), tuning=(9, log), storage=(9, f"{log}\nresult mount=/mnt/x a=2")
    )
    assert parse_result(done.stdout) == {"nic": "eth0", "mount": "/mnt/x", "a": "2"}, done.stderr
    assert (step.home / "order").read_text().split() == ["facts", "tuning", "storage"]


def test_the_first_stage_that_fails_ends_the_step_with_its_own_sentence(step, stages):
    done = stages(facts=(9, "result a=1"), driver=(9, "fail 'no driver; install one'"), proof=(9, "touch made"))
    assert done.stderr.startswith("no driver; install one\n")
    done = stages(facts=(9, "result a=1"), driver=(9, "false"), proof=(9, "touch made"))
    assert "driver: line 2: 'false' failed" in done.stderr
    assert not (step.dir / "made").exists()


def test_a_stage_that_takes_too_long_is_named(stages):
    assert stages(facts=(1, "sleep 30")).stderr.startswith(
        "facts did not finish within 1 s; look at what it waited for"
    )
