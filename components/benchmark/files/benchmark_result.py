"""What benchmark.sh finds, put together. Needs nothing but Python 3.8.

benchmark_result.py facts ENGINE MODE                  the first fields of the result, as JSON
benchmark_result.py engine FOLDER folder|model|port|task   a field of the engine's own liveness.json
benchmark_result.py requests FOLDER STREAMS INPUT OUTPUT MOST SECONDS   how many requests, how long they are, and more
                                                 words for the client
benchmark_result.py progress LOG                       what the client's progress bar says, as it follows a stage's name
benchmark_result.py reason LOG                         why the client failed, in its own words
benchmark_result.py result FOLDER [WHY]                `measured=JSON`, quoted for a shell
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

PROBE_TOKENS = 16
LEAST = 16
"""Tokens of a prompt and of an answer, however slow the engine is."""
PASSED_ON = ("--trust-remote-code", "--tokenizer", "--tokenizer-mode")
"""Arguments of `vllm serve` that its client needs too: how prompts are cut into tokens."""
SPECIAL = 16
"""Tokens that a prompt may be longer than it was made."""
SECRET = ("--api-key", "--hf-token")
PROGRESS = re.compile(r"\r?[^\n\r]*\d+%\|[^|]*\|[^\[\n\r]*\[[^\]]*\]")
BAR = re.compile(r"(\d+)%\|[^|]*\| *(\d+)/(\d+) \[[\d:]+<([\d:?]+)")


def engine(folder: Path, field: str) -> str:
    """A field of what the supervisor knows of its engine; `port` of its API, `folder` of the model."""
    known = json.loads((folder / "liveness.json").read_text())
    return str(urllib.parse.urlsplit(known["base"]).port if field == "port" else known.get(field, ""))


def serving(port: str, proc: Path = Path("/proc")) -> list[str]:
    """The arguments of the engine whose API has that port, without keys; none where it isn't seen."""
    for file in sorted(proc.glob("[0-9]*/cmdline")):
        try:
            words = file.read_text(errors="replace").split("\0")[:-1]
        except OSError:  # it has ended
            continue
        if f"--port={port}" in words and "serve" in words[:4]:
            own = words[words.index("serve") + 1 :]
            hidden = [n for n, word in enumerate(own) for name in SECRET if word.split("=")[0] == name]
            return [word for n, word in enumerate(own) if n not in hidden and n - 1 not in hidden]
    return []


def passed_on(words: list[str]) -> list[str]:
    """Those of the engine's arguments that the client gets."""
    found = []
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        name, _, value = word.partition("=")
        if name not in PASSED_ON:
            continue
        value = value or ("" if following.startswith("--") or name == PASSED_ON[0] else following)
        found.append(f"{name}={value}" if value else name)
    return found


def limit(words: list[str]) -> int:
    """Tokens of prompt and answer together that the engine takes; 0 where it isn't known."""
    for word in words:
        name, _, value = word.partition("=")
        if name == "--max-model-len" and value.isdigit():
            return int(value)
    return 0


def ask(folder: Path) -> float:
    """Tokens a second of one request; the second of two, as the first one compiles."""
    rate = 0.0
    for _ in range(2):
        body = {"model": engine(folder, "model"), "prompt": "Hello", "max_tokens": PROBE_TOKENS, "ignore_eos": True}
        url = f"http://127.0.0.1:{engine(folder, 'port')}/v1/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        began = time.monotonic()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=300) as answer:
            made = json.load(answer)["usage"]["completion_tokens"]
        rate = made / max(time.monotonic() - began, 1e-3)
    return rate


def requests(folder: Path, load: list[int], seconds: int) -> tuple[int, int, int]:
    """How many requests a level gets, and how long they are, by the fastest level so far.

    As many as take `seconds`, a round at least; where a round takes twice as long, or the engine takes no such prompts,
    shorter ones by half and half. `load` is the level: streams, tokens of a prompt, tokens of an answer, most requests.

    Raises:
        ValueError: the engine takes not even the shortest.
    """
    streams, given, made, most = load
    most_tokens = limit(serving(engine(folder, "port")))
    longest = most_tokens - SPECIAL if most_tokens else given + made
    while given + made > longest and given > LEAST:
        given //= 2
    if given + made > longest:
        raise ValueError(f"{given} + {made} tokens are more than its maximum of {most_tokens}")
    known = levels(folder)
    # Before the first level answers alone are timed; from one stream to several every engine gains.
    whole = seconds * max([float(level["total_token_throughput"]) for level in known.values()] or [ask(folder)])
    gain = 2 if all(name.startswith("1x") for name in known) else 1
    while made > LEAST and streams * (given + made if known else made) > 2 * gain * whole:
        given, made = max(given // 2, LEAST), made // 2
    return max(min(most, int(whole / (given + made if known else made))), min(streams, most), 1), given, made


def levels(folder: Path) -> dict[str, dict[str, Any]]:
    """What the client saved, by the level's name."""
    found = {file.stem: json.loads(file.read_text()) for file in folder.glob("*x*+*.json")}
    return {name: found[name] for name in sorted(found, key=by_number)}


def by_number(name: str) -> list[int]:
    """Streams and lengths of a level's name."""
    return [int(number) for number in re.findall(r"\d+", name)]


def progress(log: Path) -> str:
    """`: 45 %, 0:12 left`; nothing before its bar moves."""
    found = BAR.findall(log.read_text(errors="replace")) if log.exists() else []
    if not found:
        return ""
    percent, done, whole, left = found[-1]
    return f": {percent} % ({done} of {whole} requests), {left} left"


def reason(log: Path) -> str:
    """The last line that names an error; the last line at all where none does."""
    text = PROGRESS.sub("\n", log.read_text(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b|vllm[\w ]*: error:", line)]
    return ([*lines, *errors] or ["it said nothing"])[-1][:300]


def level(name: str, said: dict[str, Any]) -> dict[str, Any]:
    """One level in our own words: times in milliseconds, medians and 99th percentiles."""
    streams, given, made = (int(n) for n in re.findall(r"\d+", name))
    return {
        "streams": streams,
        "input_tokens": given,
        "output_tokens": made,
        "requests": said["completed"],
        "failed": said.get("failed", 0),
        "seconds": round(said["duration"], 2),
        "tokens_per_second": round(said["output_throughput"], 2),
        "requests_per_second": round(said["request_throughput"], 3),
        "ttft_ms": round(said["median_ttft_ms"], 2),
        "ttft_p99_ms": round(said["p99_ttft_ms"], 2),
        "itl_ms": round(said["median_itl_ms"], 2),
        "itl_p99_ms": round(said["p99_itl_ms"], 2),
    }


def result(folder: Path, why: str) -> dict[str, Any]:
    """The whole; `error` says why nothing was measured, and `missing` why single levels were not."""
    measured = {**json.loads((folder / "facts.json").read_text()), "error": why, "levels": [], "missing": {}}
    for name in ("version", "image"):
        file = folder / name
        measured[name] = file.read_text().strip() if file.exists() else ""
    # Where the program knows them, some may be secret, and what comes back from here is not.
    if not os.environ.get("ARGUMENTS_KNOWN") and (folder / "liveness.json").exists():
        measured["arguments"] = serving(engine(folder, "port"))
    for name, said in levels(folder).items():
        if said.get("completed"):
            measured["levels"].append(level(name, said))
        else:
            (folder / f"{name}.why").write_text("no request was answered")
    for file in sorted(folder.glob("*.why"), key=lambda one: by_number(one.stem)):
        if file.read_text().strip():
            measured["missing"][file.stem] = file.read_text().strip()
    if not measured["levels"] and not why:
        measured["error"] = "; ".join(f"{name}: {said}" for name, said in measured["missing"].items())
    return measured


def main(words: list[str]) -> int:
    """Reads the arguments."""
    what, rest = words[0], words[1:]
    if what == "facts":
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(json.dumps({"date": now, "engine": rest[0], "mode": rest[1], "tool": "vllm bench serve"}))
    elif what == "engine":
        print(engine(Path(rest[0]), rest[1]))
    elif what == "requests":
        folder, numbers = Path(rest[0]), [int(number) for number in rest[1:6]]
        try:
            count, given, made = requests(folder, numbers[:4], numbers[4])
        except (ValueError, OSError, KeyError) as error:
            print(str(error)[:300], file=sys.stderr)
            return 1
        print(count, given, made, *passed_on(serving(engine(folder, "port"))))
    elif what == "progress":
        print(progress(Path(rest[0])))
    elif what == "reason":
        print(reason(Path(rest[0])))
    elif what == "result":
        print(f"measured={shlex.quote(json.dumps(result(Path(rest[0]), rest[1] if rest[1:] else '')))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
