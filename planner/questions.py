"""What `python -m planner plan MODEL` needs beside the model, from the person at the terminal."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable

from planner.catalog.device import device
from planner.catalog.machines import instance_type
from planner.refusal import Refusal


def alone(options: Namespace) -> bool:
    """Whether nothing but a model was given, and somebody can be asked."""
    given = (options.instance_type, options.gpu, options.machines, options.context, options.concurrency, options.set)
    return not any(given) and not options.json and sys.stdin.isatty() and sys.stdout.isatty()


def complete(options: Namespace) -> None:
    """Sets the options that are answered, and prints the command that says the same."""
    machine = _answer("GPU (L20, H20-96GB, ...) or instance type (ecs...); nothing: the cheapest to rent", _machine)
    words = ["--model", options.model]
    if machine.startswith("ecs."):
        options.instance_type = [machine]
        words += ["--instance-type", machine]
    elif machine:
        options.gpu, options.gpus_per_machine = machine, int(_answer("GPUs in each machine; nothing: 1", _number) or 1)
        words += ["--gpu", machine, "--gpus-per-machine", str(options.gpus_per_machine)]
    if machine:
        options.machines = int(_answer("machines; nothing: 1", _number) or 1)
        words += ["--machines", str(options.machines)]
    if context := _answer("tokens of prompt and answer together; nothing: the model's longest", _number):
        options.context = context
        words += ["--context", context]
    if requests := _answer("requests at once; nothing: one must fit, and sixteen are compared", _number):
        options.concurrency = float(requests)
        words += ["--concurrency", requests]
    print(f"python -m planner plan {shlex.join(words)}\n")


def _answer(question: str, check: Callable[[str], None]) -> str:
    """An answer that holds; empty where nothing was typed. An end of input ends the command as an empty answer."""
    while True:
        try:
            text = input(f"{question}: ").strip()
        except EOFError:
            print()
            return ""
        if not text:
            return ""
        try:
            check(text)
        except Refusal as refusal:
            print(f"  {refusal.reason}; {refusal.remedy}")
        else:
            return text


def _machine(text: str) -> None:
    if text.startswith("ecs."):
        instance_type(text)
    else:
        device(text)


def _number(text: str) -> None:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) < 10**8):
        raise Refusal("bad_argument", "answer", f"{text[:40]!r} is no number above 0", "type one, or nothing")
