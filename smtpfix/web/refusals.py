"""How requests are refused before anything looks them up: in Mailpit's words, or as the own API's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from .exchange import Answer, as_json, error, is_own, said

SEND_PATH: Final = "/api/v1/send"
"""The one path of Mailpit's whose errors are JSON."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, and what is said with it."""

    status: int
    said: str
    """To programs written for Mailpit."""
    expected: str
    """To those that ask the own API: what was expected and what came."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, path: str) -> Answer:
        """Return the answer at a path."""
        if is_own(path):
            answer = error(self.status, self.expected)
        elif path == SEND_PATH and self.status == 413:  # noqa: PLR2004 - too large
            answer = as_json({"Error": self.said}, status=self.status)
        else:
            answer = said(self.said, self.status)
        return replace(answer, headers=self.headers)


_HOSTS: Final = "an IP address, localhost, a name without a dot, or one that --web-host allows"
NOT_NAMED: Final = Refusal(
    421, f"Misdirected Request: expected a Host that is {_HOSTS}", f"expected a Host that is {_HOSTS}; another one came"
)
FOREIGN: Final = Refusal(
    403,
    "Blocked due to CORS violation",
    "expected no Origin, this server's own, or one that MP_API_CORS lists; another one came",
)
UNAUTHORIZED: Final = Refusal(
    401,
    "Unauthorized.\n",
    "expected the name and the password of a user, by HTTP Basic; none came, or others",
    {"WWW-Authenticate": 'Basic realm="Login"'},
)
TOO_MANY: Final = Refusal(
    503, "Service Unavailable", "expected fewer connections at once; close some, or try again later"
)
MALFORMED: Final = Refusal(400, "Invalid HTTP request received.", "expected an HTTP request; something else came")


def too_large(limit: int) -> Refusal:
    """Refuse a body of more octets."""
    expected = f"expected a body of {limit} octets at most; a larger one came"
    return Refusal(413, "http: request body too large", expected)


def too_slow(seconds: float) -> Refusal:
    """Refuse a body that has not come by now."""
    return Refusal(408, "Request Timeout", f"expected the whole body within {seconds:g} s; it has not come")


def too_long(limit: int) -> Refusal:
    """Refuse a request whose path, query and headers have more octets."""
    sentence = f"expected a path, a query and headers of {limit} octets at most; more came"
    return Refusal(431, sentence, sentence)
