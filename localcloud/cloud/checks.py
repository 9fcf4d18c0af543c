"""What the cloud lets things be called, and how they may be tagged: the rules of its API's documents."""

import re
from collections.abc import Mapping

from localcloud.cloud.params import Params
from localcloud.errors import ApiError, invalid

MOST_TAGS = 20  # Alibaba's documentation: tags a resource
LONGEST_TAG = 128  # the same: characters of a key or a value
_ECS_NAME = re.compile(r"[^\W\d_][\w.:-]{1,127}")  # 2 to 128 characters, a letter first
_NAS_DESCRIPTION = re.compile(r"[^\W\d_].{1,127}")
_HOST_NAME = re.compile(r"(?=.{2,64}$)[A-Za-z0-9]+([.-][A-Za-z0-9]+)*")
_ACCESS_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,63}")
_PASSWORD = re.compile(r"[A-Za-z0-9()`~!@#$%^&*_+=|{}\[\]:;'<>,.?/\\\"-]{8,30}")
_URL = ("http://", "https://")
REFUSALS = ("", "false", "0", "none")
"""Values that ask for nothing."""


def ecs_name(params: Params, field: str, code: str = "") -> str:
    """A name of an instance, group or key pair: 2 to 128 characters, a letter first; empty when none is given.

    Raises:
        ApiError: it is none; `code`, else Invalid<field>.Malformed.
    """
    text = params.text(field)
    if text and (not _ECS_NAME.fullmatch(text) or text.lower().startswith(_URL)):
        raise malformed(field, code)
    return text


def vpc_name(params: Params, field: str) -> str:
    """A name of VPC, vSwitch or EIP: 1 to 128 characters, no URL.

    Raises:
        ApiError: it is none; Invalid<field>.Malformed.
    """
    text = params.text(field)
    if len(text) > 128 or text.lower().startswith(_URL):
        raise malformed(field)
    return text


def description(params: Params, field: str = "Description") -> str:
    """A description: 2 to 256 characters, no URL; empty when none is given.

    Raises:
        ApiError: it is none.
    """
    text = params.text(field)
    if text and (not 2 <= len(text) <= 256 or text.lower().startswith(_URL)):
        raise malformed(field)
    return text


def nas_description(params: Params) -> str:
    """A description of NAS: 2 to 128 characters, a letter first, no URL; empty when none is given.

    Raises:
        ApiError: it is none; InvalidDescription.InvalidFormat.
    """
    text = params.text("Description")
    if text and (not _NAS_DESCRIPTION.fullmatch(text) or text.lower().startswith(_URL)):
        raise malformed("Description", "InvalidDescription.InvalidFormat")
    return text


def host_name(params: Params) -> str:
    """A Linux host name: 2 to 64 letters, digits, `-` and `.`, none of the two at an end or beside each other.

    Raises:
        ApiError: it is none.
    """
    text = params.text("HostName")
    if text and not _HOST_NAME.fullmatch(text):
        raise malformed("HostName")
    return text


def password(params: Params, field: str = "Password") -> None:
    """A login's password: 8 to 30 characters of three kinds among capitals, small letters, digits and others.

    Raises:
        ApiError: it is none.
    """
    text = params.text(field)
    kinds = sum(bool(re.search(kind, text)) for kind in ("[A-Z]", "[a-z]", "[0-9]", "[^A-Za-z0-9]"))
    if text and (not _PASSWORD.fullmatch(text) or kinds < 3 or text.startswith("/")):
        raise malformed(field)


def access_group_name(params: Params) -> str:
    """The name of a NAS access group: 3 to 64 letters, digits, `_` and `-`, a letter first.

    Raises:
        ApiError: it is none, or is not given.
    """
    text = params.need("AccessGroupName")
    if not _ACCESS_GROUP.fullmatch(text):
        raise ApiError(400, "InvalidAccessGroupName.InvalidFormat", f"The name {text} is not valid.")
    return text


def new_tags(params: Params, standing: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags that a call gives, beside those that stand already.

    Raises:
        ApiError: too many, too long, or of the cloud's own words.
    """
    tags = params.tags()
    for key, value in tags.items():
        if len(key) > LONGEST_TAG or key.lower().startswith(("aliyun", "acs:")) or any(u in key for u in _URL):
            raise ApiError(400, "InvalidTagKey.Malformed", f"The specified Tag.n.Key is not valid: {key}.")
        if len(value) > LONGEST_TAG or value.lower().startswith("acs:") or any(u in value for u in _URL):
            raise ApiError(400, "InvalidTagValue.Malformed", f"The specified Tag.n.Value is not valid: {value}.")
    if len({**(standing or {}), **tags}) > MOST_TAGS:
        raise ApiError(400, "NumberExceed.Tags", f"A resource has at most {MOST_TAGS} tags.")
    return tags


def one_of(params: Params, field: str, *values: str) -> str:
    """A parameter that takes these values only; the first when it is not given.

    Raises:
        ApiError: it has another.
    """
    found = params.text(field, values[0])
    if found not in values:
        raise invalid(field, f"{found} is not one of {', '.join(values)}")
    return found


def malformed(field: str, code: str = "") -> ApiError:
    """A parameter that is not written as the documents say."""
    return ApiError(400, code or f"Invalid{field}.Malformed", f"The specified parameter {field} is not valid.")


def unsupported(params: Params, *names: str) -> None:
    """Refuses parameters that the real cloud knows and that would be without effect here.

    Raises:
        ApiError: one of them is given, and is not just a refusal of it.
    """
    for name in names:
        if params.text(name).lower() not in REFUSALS or params.sub(name):
            raise ApiError(
                400, "UnsupportedParameter.LocalCloud", f"The local cloud does not implement {name}: leave it out."
            )


def dry_run(params: Params) -> None:
    """Ends a call that is only to be checked; for after the checks, and before anything happens.

    Raises:
        ApiError: DryRunOperation, when DryRun is set.
    """
    if params.flag("DryRun"):
        raise ApiError(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
