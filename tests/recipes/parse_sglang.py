"""SGLang's own parser on words given as JSON: prints a mistake for each, or null.

Reading the words needs no GPU, but importing what reads them imports kernels; those modules are stand-ins here.
"""

import argparse
import importlib.abc
import importlib.machinery
import json
import sys
import types


class Thing:
    def __call__(self, *given, **_):
        return given[0] if len(given) == 1 and callable(given[0]) else Thing()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing()

    def __getitem__(self, _):
        return Thing()

    def __or__(self, _):
        return Thing()

    __ror__ = __or__

    def __mro_entries__(self, _):
        return ()


class Absent(types.ModuleType):
    def __getattr__(self, name):
        if name == "__version__":
            return "3.6.0"
        if name.startswith("__"):
            raise AttributeError(name)
        return Thing()


class Kernels(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        absent = name.split(".")[0] in ("triton", "sgl_kernel", "flashinfer")
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if absent else None

    def create_module(self, spec):
        return Absent(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(Kernels())
sys.path.insert(0, "/mnt/sglang")

from sglang.srt.server_args import ServerArgs  # type: ignore[import-not-found]  # noqa: E402  # after the stand-ins


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


found: list[str | None] = []
for words in json.loads(sys.stdin.read()):
    parser = Parser()
    ServerArgs.add_cli_args(parser)
    try:
        args = parser.parse_args(words[3:])
        assert (args.tp_size * args.pp_size) % args.nnodes == 0
        found.append(None)
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
