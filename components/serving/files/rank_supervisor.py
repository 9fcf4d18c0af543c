"""Runs an engine as one rank of a group: together up, together down, together up again.

The engine starts when the group is whole and is ended when the group breaks; when the engine ends, the
group breaks for everybody. Needs nothing but Python; `--group=ray` needs Ray.

    rank_supervisor.py --group=peers --rank=N --ranks=M --leader=ADDRESS --port=P --token=FILE -- ENGINE...
    rank_supervisor.py --group=ray --accelerators=N --resource=GPU [--node=ADDRESS=MACHINE ...] -- ENGINE...

--after=HOST:PORT, as often as needed, is what must listen before the engine starts.
--find=FOLDER/*.gguf: the engine's first word that says this is a file that is looked for here; one of several parts is
named by its first. Without it, what follows the first --model is. All other words reach the engine as they stand.

--state=FOLDER: group.json in it says how the ranks are, for programs: attempt, exits, error, exit (the last), stalled
(ranks that give no sign, looked for while somebody touches the file `status-requested`, the engine starts, or
--liveness counts no token), stalls (the last, once it served), ended (our own process by its guard).

--liveness=FILE: liveness.py's arguments, JSON, by which the first rank sees that the engine makes tokens. One that
makes none, while some rank gives no sign, is ended and started again; after STALLS times in an hour it stays down.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import liveness
import stall_detector
import stall_report
from group import LONGEST_PAUSE, Alone, Group, Leader, Member, say, watch_requests
from group_state import STALLS, State, key
from guard import guarded
from ray_group import RayCluster

KEPT_LINES = 400
LAST_WORDS = 10.0
"""Seconds our engine has to tell by itself why another rank's ended: often it is the same mistake."""
GRACE, BROKEN = 15.0, 2.0
"""Seconds an engine has to end by itself when all of it is stopped, and when its group is no more: nothing is saved."""
LONG = 120.0
"""Seconds after which an end is no quick failure."""
PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")
"""How llama.cpp numbers the files of a split model."""


def end(engine: subprocess.Popen[bytes], *, broken: bool = False) -> None:
    """Ends the engine with all its processes: kindly, then not. One that is stopped can end only when it goes on.

    Args:
        engine: the first of them.
        broken: nothing of it is of use any more. The first one, which has the API, is killed, so that requests are
            answered by the gateway and not with the engine's own errors; the others take away what they share.
    """
    if broken:
        engine.kill()
    grace = BROKEN if broken else GRACE
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(engine.pid, number)
            os.killpg(engine.pid, signal.SIGCONT)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            engine.poll()
            try:
                os.killpg(engine.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)


class StartError(Exception):
    """Why the engine can't be started, as one sentence."""


def find_file(word: str) -> str:
    """The one file that a pattern names; a projector beside a model (mmproj) is no second one.

    Raises:
        StartError: none, or several that aren't the parts of one.
    """
    folder, pattern = os.path.split(word)
    every = sorted(str(path) for path in Path(folder).glob(pattern))
    found = [path for path in every if "mmproj" not in Path(path).name.lower()] or every
    parts = [name for name in found if PART.search(name)]
    if found and (len(found) == 1 or (len(parts) == len(found) and len({PART.sub("", n) for n in found}) == 1)):
        return found[0]
    why = f"{len(found)} files and not the parts of one" if found else "none"
    raise StartError(f"of {pattern} there are {why} in {folder}: choose one by model.files, or name it by --model")


def with_model_file(words: list[str], pattern: str) -> list[str]:
    """The engine's words with the file that ours names; a --model of the user's, who comes last, wins over ours.

    Raises:
        StartError: the file can't be named.
    """
    at = next((n for n, word in enumerate(words) if word == pattern), None) if pattern else None
    if not pattern:
        at = next((n + 1 for n, word in enumerate(words[:-1]) if word == "--model" and "*" in words[n + 1]), None)
    if at is None:
        return words
    if words[at - 1] == "--model" and any(w in ("--model", "-m") or w.startswith("--model=") for w in words[at + 1 :]):
        return words[: at - 1] + words[at + 1 :]
    return [*words[:at], find_file(words[at]), *words[at + 1 :]]


class Output:
    """What an engine says: passed on as it comes, the last of it kept for whoever asks why it ended."""

    def __init__(self, engine: subprocess.Popen[bytes]) -> None:
        self.said, self.lines, self.engine = 0, [b""], engine
        self.thread = threading.Thread(target=self._copy, daemon=True)
        self.thread.start()

    def _copy(self) -> None:
        source = self.engine.stdout
        assert source  # noqa: S101  # it was asked for
        with contextlib.suppress(OSError, ValueError):
            while True:
                part = os.read(source.fileno(), 65536)
                if not part:
                    break
                self.said += len(part)
                first, *more = part.split(b"\n")
                self.lines[-1] += first
                self.lines += more
                del self.lines[:-KEPT_LINES]
                sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()

    def words(self) -> list[str]:
        """Its last lines, once all of them are here or a child that lives on holds the line."""
        self.thread.join(2)
        return [line[:500].decode(errors="replace") for line in self.lines if line.strip()]


def listens(place: str) -> bool:
    """Whether something listens at host:port."""
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=2):
        return True
    return False


def wait_for(places: list[str], group: Group) -> bool:
    """Until all places listen; False when the group broke meanwhile."""
    for place in places:
        shown = False
        while not listens(place):
            if not group.intact():
                return False
            if not shown:
                say(f"waiting for {place}")
                shown = True
            time.sleep(0.5)
    return True


def run(
    group: Group, command: list[str], state: State, current: list[subprocess.Popen[bytes]], args: argparse.Namespace
) -> bool:
    """One life of the engine, until it ends, the group breaks or it makes no tokens any more.

    Returns:
        Whether it was seen to serve, which the first rank alone sees.
    """
    try:
        engine = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        say(f"error: {command[0]} can't be started ({error})")
        entry = {"rank": state.rank, "machine": state.machine, "code": 127, "words": [f"error: {command[0]}: {error}"]}
        group.report({"exit": entry})
        state.exited(entry)
        group.leave(exited=True)
        return False
    current[:] = [engine]
    output, stalled = Output(engine), None
    watches: dict[int, stall_detector.StallDetector] = {}
    tokens = liveness.Liveness(**json.loads(args.liveness.read_text())) if args.liveness else None
    while engine.poll() is None and group.intact() and not stalled:
        collect_reports(group, state)
        if tokens:
            group.looks, group.silent = not tokens.serves(), tokens.silent() > liveness.SAMPLE
            ranks = list(state.known["stalled"].values())
            if group.looks:
                stalled = stall_report.find_held(ranks)
            elif group.silent:
                stalled = stall_report.find(tokens, ranks)
        if group.status_requested():
            look(group, state, watches, engine, 0 if group.silent else output.said)
        elif watches or state.known["stalled"]:  # another rank's report may come later than the answer
            watches.clear()
            state.write(stalled={})
        time.sleep(0.5)
    if tokens:
        tokens.end()
    if stalled:
        say(stalled["why"])
        state.add_stall(stalled)
    deadline = time.monotonic() + LAST_WORDS
    while group.exited_elsewhere and engine.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    code = engine.poll()
    words = output.words() if code is not None else []
    if not stalled:
        say(f"engine exited with code {code}" if code is not None else "the group broke, ending the engine")
    collect_reports(group, state)
    if code is not None:
        entry = {"rank": state.rank, "machine": state.machine, "code": code, "words": words[-60:]}
        group.report({"exit": entry})
        state.exited(entry)
    group.leave(exited=code is not None)
    end(engine, broken=True)
    state.write(stalled={})
    return tokens is not None and tokens.serves()


def backoff(before: float, seconds: float, *, served: bool) -> float:
    """Seconds until the group is formed again: quick failures wait longer and longer.

    Args:
        before: what it was the last time.
        seconds: that the engine ran.
        served: and whether it served.
    """
    return 1.0 if served or seconds > LONG else min(before * 2, LONGEST_PAUSE)


def collect_reports(group: Group, state: State) -> None:
    """What other ranks have reported, into the file."""
    for entry in group.reports():
        if "exit" in entry:
            state.exited(entry["exit"])
        elif "rank" in entry:
            state.set_stalled(entry)


def look(
    group: Group,
    state: State,
    watches: dict[int, stall_detector.StallDetector],
    engine: subprocess.Popen[bytes],
    said: int,
) -> None:
    """Tells of an engine that stands still, and when it moves again.

    Args:
        group: hears of it.
        state: keeps it.
        watches: of each data parallel rank here; of the engine as -1 where there is none.
        engine: whose processes are looked at.
        said: bytes that it has said; of one that serves, lines tell of requests as well, and don't count.
    """
    pids = stall_detector.tree([engine.pid, *(stall_detector.of_ray() if isinstance(group, RayCluster) else [])])
    ranks = stall_detector.data_ranks(pids)
    for part, (data, own) in enumerate(ranks.items()):
        watch = watches.setdefault(data, stall_detector.StallDetector(state.accelerator))
        watch.limit = min(stall_detector.LIMIT, liveness.LIMIT) if group.silent else stall_detector.LIMIT
        watch.look(own, said, (part, len(ranks)))
        entry = stall_report.report((state.rank, state.machine, data), watch, own, silent=group.silent)
        before = state.known["stalled"].get(key(entry))
        if not entry["seconds"] and before is None:
            continue
        if entry["seconds"] and before is None:
            say(f"for {entry['seconds']} s {stall_report.sentence(entry)}")
        group.report(entry)
        state.set_stalled(entry)


def supervise(group: Group, words: list[str], args: argparse.Namespace, state: State) -> NoReturn:
    """Forever: form, run, end together."""
    current: list[subprocess.Popen[bytes]] = []

    def stop(*_: object) -> NoReturn:
        group.leave()
        for engine in current:
            end(engine)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    attempt, pause = 0, 1.0
    while True:
        group.form()
        if not wait_for(args.after, group):
            say("the group broke before the engine started")
            group.leave()
            continue
        attempt += 1
        began, served = time.monotonic(), False
        state.write(attempt=attempt, error="", stalled={})
        try:
            command = with_model_file(words, args.find)
        except StartError as error:
            say(f"error: {error}")
            state.write(error=str(error))
            group.leave(exited=True)
        else:
            say(f"the group is whole, starting the engine (attempt {attempt})")
            served = run(group, command, state, current, args)
        if state.gives_up():
            say(f"error: the engine stood still {STALLS} times in an hour and stays down until it is started anew")
            state.write(error=f"stood still {STALLS} times in an hour: {state.known['stalls'][-1]['why']}")
            signal.pause()
        # No group is formed without the first rank: the others ask it again at once.
        pause = 1.0 if isinstance(group, Member) else backoff(pause, time.monotonic() - began, served=served)
        time.sleep(pause)


def main() -> NoReturn:
    """Reads the arguments and never returns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--group", choices=("peers", "ray"), required=True)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--leader", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", type=Path)
    parser.add_argument("--accelerators", type=int, default=0)
    parser.add_argument("--resource", default="GPU")
    parser.add_argument("--node", action="append", default=[], type=lambda word: word.split("=", 1))
    parser.add_argument("--after", action="append", default=[])
    parser.add_argument("--find", default="")
    parser.add_argument("--state", type=Path)
    parser.add_argument("--machine", default=os.uname().nodename)
    parser.add_argument("--accelerator", choices=("cpu", "nvidia", "ascend"), default="cpu")
    parser.add_argument("--liveness", type=Path)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    group: Group
    watch_requests(args.state)
    restart_reason = guarded(args.rank)
    if args.group == "ray":
        group = RayCluster(args.accelerators, args.resource, dict(args.node), args.accelerator)
    elif args.ranks == 1:
        group = Alone()
    else:
        token = args.token.read_bytes().strip()
        group = (
            Member((args.leader, args.port), args.rank, token)
            if args.rank
            else Leader(args.leader, args.port, args.ranks, token)
        )
    state = State(args.rank, args.machine, args.state, args.accelerator)
    if restart_reason:
        state.ended(restart_reason)
    supervise(group, args.command, args, state)


if __name__ == "__main__":
    main()
