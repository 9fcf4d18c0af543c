"""SSH key pairs."""

import base64
import fnmatch
import hashlib
import re

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from localcloud.cloud.actions import action
from localcloud.cloud.checks import ecs_name, malformed, new_tags
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import Instance, KeyPair
from localcloud.cloud.paging import filtered, page, tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError

RSA_BITS = 2048  # what CreateKeyPair makes
# The types that Alibaba's help lists for an import; whether the real cloud takes others is not known.
KEY_TYPE = re.compile(r"(ssh-)?rsa|dsa|ssh-dss|ecdsa\S*")
KEY_BLOB = re.compile(r"AAAA[A-Za-z0-9+/]{16,}={0,2}")  # a wire-format key begins with the length of its type's name


@action("Ecs", "ImportKeyPair")
def import_key_pair(cloud: Cloud, params: Params) -> Json:
    """Keeps a public key of a type that the cloud's help names: ed25519 is none."""
    body = params.need("PublicKeyBody")
    words = body.split()
    if len(words) < 2 or not KEY_TYPE.fullmatch(words[0]) or not KEY_BLOB.fullmatch(words[1]):
        raise malformed("PublicKeyBody")
    text = words[1].rstrip("=")
    # Bodies that the provider's own tests import are cut anywhere.
    blob = base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + "==")
    named = re.match(rb"\0\0\0.([a-z0-9-]+)", blob)
    if named and b"ed25519" in named[1]:
        raise malformed("PublicKeyBody")
    return _save(cloud, params, body, hashlib.md5(blob, usedforsecurity=False).hexdigest())


@action("Ecs", "CreateKeyPair")
def create_key_pair(cloud: Cloud, params: Params) -> Json:
    """Makes a pair and gives the private key away, once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    body = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    blob = base64.b64decode(body.split()[1])
    answer = _save(cloud, params, body, hashlib.md5(blob, usedforsecurity=False).hexdigest())
    return {**answer, "KeyPairId": cloud.new_id("ssh"), "PrivateKeyBody": secret.decode()}


@action("Ecs", "DescribeKeyPairs")
def describe_key_pairs(cloud: Cloud, params: Params) -> Json:
    """Pairs by name, which may hold `*`, fingerprint and tags."""
    name, mark, fits = params.text("KeyPairName", "*"), params.text("KeyPairFingerPrint"), tagged(params)
    named = filtered(params, {"ResourceGroupId": "ResourceGroupId"})
    hidden = () if params.flag("IncludePublicKey") else ("PublicKey",)
    found = (
        {k: v for k, v in pair.wire().items() if k not in hidden}
        for pair in cloud.store.all(KeyPair)
        if fnmatch.fnmatchcase(pair.key_pair_name, name)
        and (not mark or pair.key_pair_finger_print == mark)
        and named(pair)
        and fits(pair)
    )
    return page(found, params, "KeyPairs", "KeyPair", most=50)


@action("Ecs", "DeleteKeyPairs")
def delete_key_pairs(cloud: Cloud, params: Params) -> Json:
    """Forgets pairs; names that do not exist are no error."""
    params.need("KeyPairNames")
    names = params.json_items("KeyPairNames")
    for instance in cloud.store.all(Instance):
        if instance.key_pair_name in names:
            raise ApiError(
                403,
                "InvalidParameter.KeypairAlreadyAttachedInstance",
                f"The key pair {instance.key_pair_name} is attached to instance {instance.instance_id}.",
            )
    cloud.store.delete(KeyPair, names)
    return {}


def _save(cloud: Cloud, params: Params, body: str, mark: str) -> Json:
    params.need("KeyPairName")
    name, tags = ecs_name(params, "KeyPairName"), new_tags(params)
    if cloud.store.get(KeyPair, name):
        raise ApiError(400, "KeyPair.AlreadyExist", f"The key pair {name} already exists.")
    pair = KeyPair(
        key_pair_name=name,
        key_pair_finger_print=mark,
        creation_time=stamp(seconds=False),
        public_key=body,
        resource_group_id=params.text("ResourceGroupId"),
        tags=tags,
    )
    cloud.store.put(pair)
    return {"KeyPairName": name, "KeyPairFingerPrint": mark}
