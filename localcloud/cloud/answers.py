"""Shapes that answers share: pages, tags, and documents without their inner names."""

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping

from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

MAX_PAGE = 100


def public(document: Json) -> Json:
    """A document as callers see it."""
    return {key: value for key, value in document.items() if not key.startswith("_")}


def page(documents: Iterable[Json], params: Params, outer: str, inner: str, most: int = MAX_PAGE) -> Json:
    """One page: by PageNumber and PageSize, or by NextToken and MaxResults where the caller uses those."""
    found = list(documents)
    if "MaxResults" in params or "NextToken" in params:
        size = params.number("MaxResults", 10, 1, most)
        start = params.number("NextToken", 0, 0)
        following = str(start + size) if start + size < len(found) else ""
        return {"TotalCount": len(found), "NextToken": following, outer: {inner: found[start : start + size]}}
    size = params.number("PageSize", 10, 1, most)
    number = params.number("PageNumber", 1, 1)
    shown = found[(number - 1) * size : number * size]
    return {"TotalCount": len(found), "PageNumber": number, "PageSize": size, outer: {inner: shown}}


def ecs_tags(tags: Mapping[str, str]) -> Json:
    """Tags as ECS writes them."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


def vpc_tags(tags: Mapping[str, str]) -> Json:
    """Tags as VPC and NAS write them."""
    return {"Tag": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tagged(params: Params) -> Callable[[Json], bool]:
    """A filter by the caller's `Tag.N`: each key there, with the value when one is given."""
    wanted = params.tags()

    def fits(document: Json) -> bool:
        tags = document.get("_tags", {})
        return all(key in tags and (not value or tags[key] == value) for key, value in wanted.items())

    return fits


def filtered(params: Params, fields: Mapping[str, str], starred: Collection[str] = ()) -> Callable[[Json], bool]:
    """A filter by plain parameters: `fields` maps each to the document's field; `starred` ones may hold `*`."""
    wanted = {name: params.text(name) for name in fields if name in params}

    def fits(document: Json) -> bool:
        for name, value in wanted.items():
            found = document.get(fields[name], "")
            text = str(found).lower() if isinstance(found, bool) else str(found)
            if name in starred:
                if not fnmatch.fnmatchcase(text, value.replace("[", "[[]").replace("?", "[?]")):
                    return False
            elif text != (value.lower() if isinstance(found, bool) else value):
                return False
        return True

    return fits


def locked(params: Params) -> Callable[[Json], bool]:
    """A filter by the caller's LockReason: financial, security, recycling and so on."""
    wanted = params.text("LockReason").lower()

    def fits(document: Json) -> bool:
        locks = document.get("OperationLocks", {}).get("LockReason", [])
        return not wanted or any(lock["LockReason"].lower() == wanted for lock in locks)

    return fits


def copy_given(document: Json, params: Params, names: Mapping[str, str]) -> None:
    """Sets fields to the parameters that were given, even to empty ones: `names` maps parameters to fields."""
    for parameter, field in names.items():
        if params.given(parameter):
            document[field] = params.text(parameter)
