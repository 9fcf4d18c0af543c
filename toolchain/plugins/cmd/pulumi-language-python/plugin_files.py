"""Prints, as JSON, where the distributions named on the command line have a pulumi-plugin.json, if they do."""

import contextlib
import importlib.metadata
import importlib.util
import json
import pathlib
import sys

found: dict[str, str] = {}
for name in sys.argv[1:]:
    with contextlib.suppress(Exception):  # one package that can't be looked at is one without a plugin
        module = importlib.metadata.distribution(name).metadata["Name"].replace("-", "_")
        spec = importlib.util.find_spec(module)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            file = pathlib.Path(folder) / "pulumi-plugin.json"
            if file.is_file():
                found.setdefault(name, str(file))
print(json.dumps(found))
