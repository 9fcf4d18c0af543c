"""What documents have in common: how they are stored, and how the wire names their fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from localcloud.cloud.wire import Json, wire_name


def inner(**options: Any) -> Any:  # noqa: ANN401 - as dataclasses.field, whose place it takes
    """A field that callers of the API do not see as such."""
    return field(metadata={"inner": True}, **options)


@dataclass(kw_only=True, eq=False)
class Document:
    """A thing that outlives the server. Subclasses name their kind, and the field that is unique within it."""

    KNOWN: ClassVar[dict[str, type["Document"]]] = {}
    KIND: ClassVar[str] = ""
    ID: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.KIND:
            Document.KNOWN[cls.KIND] = cls

    @property
    def key(self) -> str:
        """Its id in the store."""
        return str(getattr(self, self.ID))

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """A document from what the store has."""
        return cls(**stored)


@dataclass(kw_only=True, eq=False)
class Resource(Document):
    """A thing that the API describes."""

    TAG_NAMES: ClassVar[tuple[str, str]] = ("Key", "Value")
    """How the product names a tag's key and value."""

    _wire_fields: ClassVar[dict[str, str]]

    tags: dict[str, str] = inner(default_factory=dict)

    @classmethod
    def wire_fields(cls) -> dict[str, str]:
        """Names of the fields that callers see, by their names on the wire."""
        if "_wire_fields" not in vars(cls):
            shown = (each.name for each in fields(cls) if not each.metadata.get("inner"))
            cls._wire_fields = {wire_name(name): name for name in shown}
        return cls._wire_fields

    def wire(self) -> Json:
        """Its fields as callers see them."""
        return {wire: getattr(self, name) for wire, name in self.wire_fields().items()}

    def wire_tags(self) -> Json:
        """Its tags as callers see them."""
        key, value = self.TAG_NAMES
        return {"Tag": [{key: name, value: text} for name, text in self.tags.items()]}

    def wire_value(self, wire: str) -> Any:  # noqa: ANN401 - a field of any type
        """One field by its name on the wire; empty when there is none."""
        name = self.wire_fields().get(wire)
        return getattr(self, name) if name else self.wire().get(wire, "")

    def set_wire(self, wire: str, value: str) -> None:
        """Sets one field by its name on the wire."""
        setattr(self, self.wire_fields()[wire], value)


@dataclass(kw_only=True, eq=False)
class Changing(Resource):
    """A resource with a status, which may be a passing one that another follows.

    Attributes:
        status: in the product's own words.
        next_status: what follows by itself; None when nothing does.
        next_at: when, seconds since 1970.
    """

    status: str = ""
    next_status: str | None = inner(default=None)
    next_at: float = inner(default=0.0)
