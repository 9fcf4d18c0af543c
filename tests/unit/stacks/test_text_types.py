"""Every text of a stack's settings is refused where it could be read as something else, or is in a table here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from stacks.load_settings import parse
from stacks.settings.errors import SettingsError
from stacks.settings.stack import Settings
from tests.support.stack_files import all_stack_files, configuration, read

LINES = ("a\nb", "a\n", "a\0b", "a\x1b[31m")
OPTIONS = ("-x", "--upload-pack=touch x")
SHELL = ("/mnt/x;touch y", "x$(touch y)", "x`touch y`", "/mnt/x y", "x'y", 'x"y', "/mnt/x%n", "x|y", "x&y", "x>y")

VERBATIM = {
    "serving.arguments": "an argument of the engine by execve or Docker's API; scripts/test_words_as_they_stand.py",
    "serving.environment": "a variable's value by execve or Docker's API; the same",
}
"""Only NUL is refused: no program can receive it."""
QUOTED = {
    "model.servedName": "quoted in JSON by ready.sh, in the printed curl by shlex; argument of the engine",
    "model.config": "a path on this computer, opened by Python",
    "model.trigger": "hashed",
    "native.trigger": "hashed",
    "model.files": "patterns for Python's fnmatch, in a quoted variable",
    "model.more.files": "the same",
    "ssh.user": "checked with SSH's own settings",
    "ssh.privateKeyFile": "a path on this computer",
    "ssh.knownHostsFile": "the same",
    "machines.address": "checked with SSH's own settings",
    "machines.privateAddress": "the same",
    "accelerator.gpu": "a name in the planner's catalogue",
    "machines.gpu": "a name in the planner's catalogue",
    "accelerator.driverRepository": "a line of apt's sources, which has blanks and brackets",
    "cloud.image": "a regular expression, used here",
    "cloud.owner": "a tag, by the cloud's API",
    "cloud.endpoint": "by the cloud's API",
    "cloud.vswitches": "ids, by the cloud's API",
    "cloud.vpcId": "the same",
    "cloud.fileSystemId": "the same",
    "native.packages": "a pip requirement has blanks, quotes and <>; one line of pip's each",
    "gateway.packages": "the same",
    "webui.packages": "the same",
}
"""Lines and options are refused; what a shell reads is not, for the reason given."""


def texts(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Path and shape (text, list or dict) of every setting that holds free text."""
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        for shape, inner in shapes(field.annotation):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from texts(inner, f"{path}.")
            elif inner is str:
                yield path, shape


def shapes(annotation: Any, shape: str = "text") -> Iterator[tuple[str, Any]]:
    """What an annotation holds, without Optional, Annotated, tuples and dictionaries."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return
    if origin is tuple:
        yield from shapes(inner[0], "list")
    elif origin is dict:
        yield from shapes(inner[1], "dict")
    elif inner:
        for each in inner[:1] if hasattr(annotation, "__metadata__") else inner:
            yield from shapes(each, shape)
    else:
        yield shape, annotation


FIELDS = sorted(set(texts(Settings)))


def given(path: str, shape: str, value: str) -> dict[str, str]:
    """A stack of ours with one setting changed."""
    stack = "local" if path.startswith("cloud.") else "hosts"
    config = read(stack)
    if path.startswith("model.more."):
        config["model"]["more"] = [{"source": "huggingface", "id": "some/adapter"}]
    if path.startswith("webui."):
        config["webui"] = {"enabled": True, "allowedCidrs": ["10.0.0.0/8"], "port": 3000}
    if path.startswith(("native.", "storage.path")):
        config |= {"runtime": "native", "storage": {"path": "/data"}}
        config.pop("images", None)
    if path.startswith(("mirrors.",)):
        config.setdefault("mirrors", {})
    at: Any = config
    *above, last = path.split(".")
    for part in above:
        at = at.setdefault(part, {})
        at = at[0] if isinstance(at, list) else at
    at[last] = {"text": value, "list": [value], "dict": {"NAME": value}}[shape]
    return {name: each if isinstance(each, str) else json.dumps(each) for name, each in config.items()}


def refusal(path: str, shape: str, value: str) -> str:
    """The refusal's line about this setting; nothing if it was taken."""
    try:
        parse(given(path, shape, value))
    except SettingsError as error:
        lines = str(error).splitlines()
        assert all(line.isprintable() for line in lines), lines
        about = path.split(".", maxsplit=1)[0]
        return next((line for line in lines[1:] if about in line), "")
    return ""


def test_all_are_walked():
    """A new setting is looked at without being listed here."""
    names = {path for path, _ in FIELDS}
    assert len(names) > 40
    assert {
        "storage.mountPoint",
        "model.more.id",
        "serving.environment",
        "machines.name",
        "cloud.candidates.zone",
    } <= names
    assert {*VERBATIM, *QUOTED} <= names, "the tables name settings that there are"


@pytest.mark.parametrize(("path", "shape"), FIELDS, ids=[path for path, _ in FIELDS])
def test_no_text_is_read_as_something_else(path: str, shape: str):
    if path in VERBATIM:
        assert refusal(path, shape, "a\0b")
        assert not refusal(path, shape, "--x='$(touch y)' %n \"\n *.gguf")
        return
    for value in (*LINES, *OPTIONS, *(() if path in QUOTED else SHELL)):
        assert refusal(path, shape, value), value


@pytest.mark.parametrize(
    ("path", "shape", "value"),
    [
        ("storage.mountPoint", "text", "/"),
        ("storage.mountPoint", "text", "/etc/"),
        ("storage.mountPoint", "text", "/a/../etc"),
        ("model.id", "text", "../../etc"),
        ("model.id", "text", "a/../../b"),
        ("model.revision", "text", "a..b"),
        ("model.revision", "text", "a:b"),
        ("model.revision", "text", "x.lock/"),
        ("model.endpoint", "text", "file:///etc"),
        ("serving.environment", "dict", "x\0"),
        ("images.mounts", "list", "/a:/b:rw"),
    ],
)
def test_places_that_are_not_ours(path, shape, value):
    assert refusal(path, shape, value)


@pytest.mark.parametrize("name", ["A B", "A=B", "1A", "", "A-B", "A\nB"])
def test_a_variable_needs_a_variables_name(name):
    config = given("serving.port", "text", "8100")
    serving = json.loads(config["serving"]) | {"environment": {name: "x"}, "port": 8100}
    with pytest.raises(SettingsError, match="serving"):
        parse(config | {"serving": json.dumps(serving)})


@pytest.mark.parametrize("stack", [path.stem.removeprefix("Pulumi.") for path in all_stack_files()])
def test_nothing_of_ours_is_refused(stack):
    """The recipes as they stand; what their heads have filled in is checked with them."""
    try:
        parse(configuration(stack))
    except SettingsError as error:
        assert "holds" not in str(error) and "begins with a dash" not in str(error), error
