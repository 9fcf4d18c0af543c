"""Why the local cloud says no.

Exception
└── LocalCloudError   it cannot do something: one sentence with cause and remedy, for who runs the command
    └── ApiError      it refuses a call of its API: HTTP status, code and message, in the real cloud's own words
"""


class LocalCloudError(Exception):
    """The message is one sentence with cause and remedy."""


class ApiError(LocalCloudError):
    """An answer with a status of 400 and more.

    `status` is HTTP's; `code` and `message` are what clients read. Codes are those that Terraform's provider
    1.285.0 waits for or ignores, and those of Alibaba's error centre.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


def missing(name: str) -> ApiError:
    """A mandatory parameter is not there."""
    return ApiError(400, f"MissingParameter.{name}", f'The input parameter "{name}" that is mandatory is not supplied.')


def invalid(name: str, why: str) -> ApiError:
    """A parameter has a value that cannot be."""
    return ApiError(400, f"InvalidParameter.{name}", f"The specified parameter {name} is not valid: {why}.")


def not_found(code: str, thing: str) -> ApiError:
    """What is named does not exist."""
    return ApiError(404, code, f"The specified {thing} does not exist.")


def dependency(what: str, code: str = "DependencyViolation") -> ApiError:
    """Something else still needs what is to be deleted."""
    return ApiError(400, code, f"The specified resource has dependent resources: {what}.")


def wrong_status(thing: str, status: str, code: str) -> ApiError:
    """The action is not for a thing in this status."""
    return ApiError(403, code, f"The current status of the {thing} does not support this operation: {status}.")
