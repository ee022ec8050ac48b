"""The one exception that becomes an AWS error response."""

from __future__ import annotations


class ServiceError(Exception):
    """A refusal of an AWS API, as a client will see it.

    Args:
        code: The AWS error code, such as ``ValidationException``.
        message: The text after the code, in the style of the service.
        status: The HTTP status of the response.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ServiceError:
    """A ``ValidationException`` with this message."""
    return ServiceError("ValidationException", message)
