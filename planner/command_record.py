"""`python -m planner record`: asks an installed vLLM what its own class of a model holds, for models without rules."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from planner.model.config import load_config
from planner.model.recorded import NAME
from planner.recorded.engine import record


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("--config", required=True, type=Path, help="the model's config.json, or its folder")
    parser.add_argument("--engine-python", required=True, help="a Python that can import vLLM; no GPU is needed")
    parser.add_argument(
        "--tensor-parallel-size",
        nargs="+",
        default=["1", "2", "4", "8"],
        metavar="N",
        help="sizes to ask for; 8e: with --enable-expert-parallel",
    )
    parser.add_argument("--output", type=Path, help=f"the record's file; {NAME} beside config.json when left out")
    parser.add_argument("--json", action="store_true", help="print a refusal as JSON")


def run(options: Namespace) -> str:
    """Asks, writes the record and says where it is.

    Raises:
        Refusal: the engine can't be started, or refuses every size.
    """
    config = load_config(options.config)
    folder = options.config if options.config.is_dir() else options.config.parent
    output = options.output or folder / NAME
    answer = record(options.engine_python, config, options.tensor_parallel_size)
    output.write_text(json.dumps(answer) + "\n", encoding="utf-8")
    sizes = ", ".join(f"TP{key}" for key in answer["ranks"])
    return f"{output}: vLLM {answer['engine']}'s own answer for {sizes}; plan and memory use it beside config.json"
