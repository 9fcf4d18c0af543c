"""SSH key pairs."""

from dataclasses import dataclass

from localcloud.cloud.model.document import Resource
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class KeyPair(Resource):
    """A public key under a name.

    Attributes:
        key_pair_finger_print: MD5 of the key's blob, in hexadecimal digits.
        public_key: a line as in authorized_keys.
    """

    KIND = "key_pair"
    ID = "key_pair_name"
    TAG_NAMES = ("TagKey", "TagValue")

    key_pair_name: str
    key_pair_finger_print: str
    creation_time: str
    public_key: str
    resource_group_id: str

    def wire(self) -> Json:
        """See Resource."""
        return {**super().wire(), "Tags": self.wire_tags()}
