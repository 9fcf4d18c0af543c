"""vLLM's own parser and Ray's own command on words given as JSON: prints a mistake for each, or null."""

import json
import sys

from ray.scripts.scripts import start
from vllm.entrypoints.launchers.cli_args import (  # type: ignore[import-not-found]  # only the engine's root has it
    make_arg_parser,
    validate_parsed_serve_args,
)
from vllm.utils.argparse_utils import FlexibleArgumentParser  # type: ignore[import-not-found]


class Parser(FlexibleArgumentParser):  # type: ignore[misc]
    def error(self, message):
        raise ValueError(message)


def vllm(words):
    args = make_arg_parser(Parser()).parse_args(words[2:])
    validate_parsed_serve_args(args)


def ray(words):
    start.make_context("start", words[2:])


found: list[str | None] = []
for words in json.loads(sys.stdin.read()):
    try:
        (ray if words[0] == "ray" else vllm)(words)
        found.append(None)
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
