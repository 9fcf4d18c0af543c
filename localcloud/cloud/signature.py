"""Who calls: HMAC-SHA1 of the RPC style, and ACS3-HMAC-SHA256, which newer clients send."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from localcloud.errors import ApiError
from localcloud.http.messages import Request

SKEW_SECONDS = 15 * 60  # Alibaba's documentation of RPC signatures: a request is valid for 15 minutes
ACS3 = "ACS3-HMAC-SHA256"


def check(request: Request, keys: Mapping[str, str]) -> str:
    """Returns the access key's id; `keys` maps ids to secrets.

    Raises:
        ApiError: no signature, an unknown key, a wrong secret or a clock that is off.
    """
    if request.headers.get("authorization", "").startswith(ACS3):
        return _check_acs3(request, keys)
    return _check_rpc(request, keys)


def _check_rpc(request: Request, keys: Mapping[str, str]) -> str:
    values = {**request.query, **request.form}
    signature = values.pop("Signature", "")
    if not signature:
        raise ApiError(400, "MissingParameter", 'The input parameter "Signature" that is mandatory is not supplied.')
    if values.get("SignatureMethod", "HMAC-SHA1") != "HMAC-SHA1":
        raise ApiError(400, "InvalidSignatureMethod", "Specified signature method is not valid.")
    secret = _secret(values.get("AccessKeyId", ""), keys)
    _check_clock(values.get("Timestamp", ""))
    canonical = "&".join(f"{_quote(key)}={_quote(values[key])}" for key in sorted(values))
    text = f"{request.method}&{_quote('/')}&{_quote(canonical)}"
    own = base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()
    if not hmac.compare_digest(own, signature):
        raise _mismatch(text)
    return values["AccessKeyId"]


def _check_acs3(request: Request, keys: Mapping[str, str]) -> str:
    parts = dict(re.findall(r"(Credential|SignedHeaders|Signature)=([^,]+)", request.headers["authorization"]))
    if len(parts) < 3:
        raise ApiError(400, "InvalidAuthorization", "The Authorization header is incomplete.")
    credential = str(parts["Credential"])
    secret = _secret(credential, keys)
    _check_clock(request.headers.get("x-acs-date", ""))
    hashed = hashlib.sha256(request.body).hexdigest()
    names = parts["SignedHeaders"].split(";")
    canonical = "\n".join(
        (
            request.method,
            request.raw_path,
            "&".join(f"{_quote(key)}={_quote(request.query[key])}" for key in sorted(request.query)),
            "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names),
            parts["SignedHeaders"],
            hashed,
        )
    )
    text = f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    own = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    claimed = request.headers.get("x-acs-content-sha256", hashed)
    if not hmac.compare_digest(own, parts["Signature"]) or claimed != hashed:
        raise _mismatch(text)
    return credential


def _secret(key: str, keys: Mapping[str, str]) -> str:
    if not key:
        raise ApiError(400, "MissingParameter", 'The input parameter "AccessKeyId" that is mandatory is not supplied.')
    if key not in keys:
        raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
    return keys[key]


def _check_clock(stamp: str) -> None:
    try:
        when = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise ApiError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
        ) from None
    if abs(time.time() - when) > SKEW_SECONDS:
        raise ApiError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")


def _mismatch(text: str) -> ApiError:
    return ApiError(
        400,
        "SignatureDoesNotMatch",
        f"Specified signature is not matched with our calculation. server string to sign is:{text}",
    )


def _quote(text: str) -> str:
    return quote(text, safe="~")
