"""The optional extensions of SMTP (`Policy.offer`): their lines in the EHLO reply, and their parameters.

Knows syntax and the policy's limits only, and is imported where something is offered. CHUNKING's command is `chunks`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from smtpfix.rules.reply import Reply

from .keywords import OPTIONAL_EXTENSIONS
from .policy import Policy
from .replies import CANNOT_HOLD, MALFORMED_VALUE, TLS_FOR_REQUIRETLS, UNKNOWN_PARAMETER, detailed

_XTEXT: Final = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})"
"""A character of ``xtext``, RFC 3461 section 4."""


class Value(NamedTuple):
    """What a parameter's value has to look like."""

    pattern: re.Pattern[str]
    expected: str
    """The same for people."""


VALUES: Final[Mapping[str, Value]] = {
    "RET": Value(re.compile(r"(?i:FULL|HDRS)\Z"), "FULL or HDRS (RFC 3461 section 4.3)"),
    "ENVID": Value(
        re.compile(rf"(?=.{{1,100}}\Z){_XTEXT}+\Z"), "xtext of 100 characters at most (RFC 3461 section 4.4)"
    ),
    "NOTIFY": Value(
        re.compile(r"(?i:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)\Z"),
        "NEVER alone, or SUCCESS, FAILURE and DELAY separated by commas (RFC 3461 section 4.1)",
    ),
    "ORCPT": Value(
        # With its "ORCPT=" it has 500 characters at the most. RFC 6533 adds the type utf-8.
        re.compile(rf"(?=.{{1,494}}\Z)(?:(?i:utf-8);[^\s=]+|(?!(?i:utf-8;))[A-Za-z0-9-]+;{_XTEXT}+)\Z"),
        "an address type, a semicolon and xtext, such as rfc822;ann@example.org (RFC 3461 section 4.2)",
    ),
    "REQUIRETLS": Value(re.compile(r"\Z"), "no value (RFC 8689 section 2)"),
    "MT-PRIORITY": Value(re.compile(r"(?:0|-?[1-9])\Z"), "a whole number from -9 to 9 (RFC 6710 section 7)"),
    "HOLDFOR": Value(re.compile(r"[1-9][0-9]{0,8}\Z"), "seconds from 1 to 999999999 (RFC 4865 section 3)"),
    "HOLDUNTIL": Value(
        re.compile(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:\.[0-9]+)?Z\Z"),
        "a time in UTC such as 2030-01-31T12:00:00Z (RFC 4865 section 3)",
    ),
    "BY": Value(
        re.compile(r"(?:[+-]?[0-9]{1,9};[Nn]|\+?0*[1-9][0-9]{0,8};[Rr])[Tt]?\Z"),
        "seconds, a semicolon and N or R, with R more than 0 seconds, such as 3600;R (RFC 2852 section 4)",
    ),
}
"""By parameter, what the optional extensions want of its value."""


def offered(policy: Policy, *, in_tls: bool) -> Iterator[tuple[str, str]]:
    """Yield each keyword that the policy offers with its line of the EHLO reply.

    Until when messages may be held is as from now.
    """
    for keyword in OPTIONAL_EXTENSIONS:
        if keyword not in policy.offer or (keyword == "REQUIRETLS" and not in_tls):
            continue
        if keyword == "LIMITS":
            yield keyword, " ".join([keyword, *_limits(policy)])
        elif keyword == "FUTURERELEASE":
            yield keyword, f"{keyword} {policy.max_hold} {_latest(policy):%Y-%m-%dT%H:%M:%SZ}"
        else:
            yield keyword, keyword


def _limits(policy: Policy) -> Iterator[str]:
    if policy.limits is not None and policy.limits.messages_per_connection is not None:
        yield f"MAILMAX={policy.limits.messages_per_connection}"
    yield f"RCPTMAX={policy.max_recipients}"
    if policy.max_recipient_domains is not None:
        yield f"RCPTDOMAINMAX={policy.max_recipient_domains}"


def _latest(policy: Policy) -> datetime:
    """Return until when a message that comes now may be held back."""
    most = datetime.max.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    return now + timedelta(seconds=min(policy.max_hold, int((most - now).total_seconds())))


def refuse_mail(parameters: Iterable[str], policy: Policy, *, in_tls: bool) -> Reply | None:
    """Return the reply to parameters of MAIL that are each well-formed, but cannot be granted; None if they can."""
    values = dict(_split(parameters))
    if "REQUIRETLS" in values and not in_tls:
        if not policy.uses_tls:
            text = "Parameter REQUIRETLS not recognized or not implemented: there is no TLS here"
            return detailed(UNKNOWN_PARAMETER, text)
        return TLS_FOR_REQUIRETLS
    if "HOLDFOR" in values and "HOLDUNTIL" in values:
        return detailed(MALFORMED_VALUE, "HOLDFOR and HOLDUNTIL exclude each other")
    if int(values.get("HOLDFOR", 0)) > policy.max_hold:
        return detailed(CANNOT_HOLD, f"HOLDFOR is more than {policy.max_hold} seconds, the most there is")
    if "HOLDUNTIL" in values:
        try:
            until = datetime.fromisoformat(values["HOLDUNTIL"])
        except ValueError:
            return detailed(MALFORMED_VALUE, f"HOLDUNTIL is no date, expected {VALUES['HOLDUNTIL'].expected}")
        if until > _latest(policy):
            return detailed(CANNOT_HOLD, f"HOLDUNTIL is more than {policy.max_hold} seconds away, the most there is")
    return None


def _split(parameters: Iterable[str]) -> Iterator[tuple[str, str]]:
    for parameter in parameters:
        keyword, _, value = parameter.partition("=")
        yield keyword.upper(), value
