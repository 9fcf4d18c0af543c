"""From a signed request to an answer: table of actions, idempotency, faults, the cloud's shape of errors."""

import hashlib
import json
import sys
import time
import traceback
import uuid
from collections.abc import Callable

from localcloud.cloud import faults, signature
from localcloud.cloud.actions import ACTIONS, PRODUCTS
from localcloud.cloud.catalog import ZONES
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.model import Token
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError
from localcloud.http.journal import Journal
from localcloud.http.messages import Request, Response

# Parts of a call that two attempts at the same do not share.
UNSTABLE = ("Signature", "SignatureNonce", "Timestamp", "AccessKeyId", "SignatureMethod", "SignatureVersion", "Format")
TOKENS_KEPT = 2000
RECOMMEND = "https://api.aliyun.com/troubleshoot"
REGIONAL = ("Ecs", "Vpc", "NAS")
CONTENT_TYPE = "application/json;charset=utf-8"
NAMES = ("Action", "Version")  # which the journal has as `action` and `product`
HIDDEN = ("Password", "UserData", "Signature", "SignatureNonce", "SecurityToken")
"""Parameters whose values stay out of the journal."""


class Dispatcher:
    """Answers calls to one cloud."""

    def __init__(self, cloud: Cloud, journal: Journal) -> None:
        self._cloud = cloud
        self._journal = journal

    def answer(self, request: Request) -> Response:
        """The answer to one call; never raises. A lost answer is of an action that took place."""
        began = time.perf_counter()
        values = {**request.query, **request.form}
        values.setdefault("Action", request.headers.get("x-acs-action", ""))
        values.setdefault("Version", request.headers.get("x-acs-version", ""))
        name, product = values["Action"], PRODUCTS.get(values["Version"], "")
        request_id = str(uuid.uuid4()).upper()
        lost, code = False, ""
        try:
            lost, found = self._act(request, product, name, values)
            status, body = 200, {"RequestId": request_id, **found}
        except ApiError as error:
            status, code = error.status, error.code
            body = self._error(product, request_id, error)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status, code = 500, "InternalError"
            body = self._error(product, request_id, ApiError(500, code, "The request processing has failed."))
        spent = round((time.perf_counter() - began) * 1000, 2)
        self._journal.write(
            at=stamp(),
            product=product,
            action=name,
            status=status,
            code=code,
            ms=spent,
            request=request_id,
            lost=lost,
            params={key: "***" if key in HIDDEN else value for key, value in values.items() if key not in NAMES},
        )
        return Response(status, json.dumps(body).encode(), None, CONTENT_TYPE, lost=lost)

    def _act(self, request: Request, product: str, name: str, values: dict[str, str]) -> tuple[bool, Json]:
        if not name:
            raise ApiError(400, "MissingParameter", 'The input parameter "Action" that is mandatory is not supplied.')
        if not product:
            raise ApiError(400, "InvalidVersion", "Specified parameter Version is not valid.")
        handler = ACTIONS.get((product, name))
        if handler is None:
            raise ApiError(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
            )
        settings = self._cloud.settings
        signature.check(request, {settings.key: settings.secret})
        region = values.get("RegionId") or settings.region
        if product in REGIONAL and region != settings.region:
            if region in ZONES:
                raise ApiError(
                    400,
                    "UnsupportedParameter.LocalCloud",
                    f"This local cloud is region {settings.region} alone: start another one with --region {region}.",
                )
            raise ApiError(404, "InvalidRegionId.NotFound", f"The specified region {region} does not exist.")
        params = Params(values)
        with self._cloud.lock:
            outcome = faults.strike(
                self._cloud.store, name, self._weight(params), params.text("ZoneId"), params.text("InstanceType")
            )
        faults.wait(outcome)
        if outcome.error:
            raise outcome.error
        with self._cloud.lock:
            self._cloud.settle()
            token = params.text("ClientToken")
            with self._cloud.store.transaction():
                if not token:
                    return outcome.lost, handler(self._cloud, params)
                key = f"{product}:{name}:{token}"
                return outcome.lost, self._once(key, values, lambda: handler(self._cloud, params))

    @staticmethod
    def _weight(params: Params) -> int:
        amount = params.text("Amount", "1")
        return int(amount) if amount.isdigit() else 1

    def _once(self, token: str, values: dict[str, str], act: Callable[[], Json]) -> Json:
        stable = {key: value for key, value in values.items() if key not in UNSTABLE}
        digest = hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()
        store = self._cloud.store
        known = store.get(Token, token)
        if known:
            if known.digest != digest:
                raise ApiError(
                    400,
                    "IdempotentParameterMismatch",
                    "The request uses the same client token as a previous, but non-identical request.",
                )
            return dict(known.answer)
        answer = act()
        tokens = [each.key for each in store.all(Token)]
        store.delete(Token, tokens[: max(0, len(tokens) - TOKENS_KEPT)])
        store.put(Token(token=token, digest=digest, answer=answer))
        return answer

    def _error(self, product: str, request_id: str, error: ApiError) -> Json:
        return {
            "RequestId": request_id,
            "HostId": f"{product.lower() or 'api'}.{self._cloud.settings.region}.aliyuncs.com",
            "Code": error.code,
            "Message": error.message,
            "Recommend": f"{RECOMMEND}?q={error.code}&product={product}",
        }
