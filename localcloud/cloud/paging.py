"""What answers share: pages, and filters by what callers give."""

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping

from localcloud.cloud.model.document import Resource
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

MAX_PAGE = 100


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


def tagged(params: Params) -> Callable[[Resource], bool]:
    """A filter by the caller's `Tag.N`: each key there, with the value when one is given."""
    wanted = params.tags()

    def fits(resource: Resource) -> bool:
        tags = resource.tags
        return all(key in tags and (not value or tags[key] == value) for key, value in wanted.items())

    return fits


def filtered(params: Params, fields: Mapping[str, str], starred: Collection[str] = ()) -> Callable[[Resource], bool]:
    """A filter by plain parameters: `fields` maps each to the wire's field; `starred` ones may hold `*`."""
    wanted = {name: params.text(name) for name in fields if name in params}

    def fits(resource: Resource) -> bool:
        for name, value in wanted.items():
            found = resource.wire_value(fields[name])
            text = str(found).lower() if isinstance(found, bool) else str(found)
            if name in starred:
                if not fnmatch.fnmatchcase(text, value.replace("[", "[[]").replace("?", "[?]")):
                    return False
            elif text != (value.lower() if isinstance(found, bool) else value):
                return False
        return True

    return fits


def locked(params: Params) -> Callable[[Collection[str]], bool]:
    """A filter by the caller's LockReason (financial, security, recycling and so on), for reasons of a resource."""
    wanted = params.text("LockReason").lower()
    return lambda reasons: not wanted or any(reason.lower() == wanted for reason in reasons)


def copy_given(resource: Resource, params: Params, *names: str) -> None:
    """Sets the fields of these names to the parameters that were given, even to empty ones."""
    for name in names:
        if params.given(name):
            resource.set_wire(name, params.text(name))
