"""The error body of the REST API, always of one shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_CODES = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "ENCRYPTION_KEY_MISSING",
}
_MESSAGES = {
    400: "The request is not valid.",
    401: "Log in first.",
    403: "You may not do this.",
    404: "There is nothing here.",
    405: "This address does not take that method.",
    500: "Something went wrong in the server.",
}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error answer holds.

    Parameters
    ----------
    status : int
        The HTTP status.
    request_id : str
        Under which the server's log has more.
    message : str, optional
        For people; a standard text by the status if left out.
    issues : list of dict, optional
        ``path``, ``message`` and ``code`` of each thing that is wrong.
    """

    status: int
    request_id: str
    message: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The body, JSON-ready."""
        # A status without a code of its own counts as its class: 405 as 400, 502 as 500.
        code = _CODES.get(self.status) or ("VALIDATION_ERROR" if self.status < 500 else "INTERNAL")
        return {
            "error": {
                "code": code,
                "message": self.message or _MESSAGES.get(self.status, _MESSAGES[500]),
                "issues": self.issues,
                "request_id": self.request_id,
            }
        }
