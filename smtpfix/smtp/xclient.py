"""The attributes of the XCLIENT command: what an SMTP proxy says about the client behind it.

Knows syntax only, of Postfix's XCLIENT_README (https://www.postfix.org/XCLIENT_README.html); what a session makes of it
is `forwarding`'s business.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import fields, replace
from typing import Final

from smtpfix.errors import InvalidValueError
from smtpfix.record.xclient import UNAVAILABLE, XClient

TEMPUNAVAIL: Final = "[TEMPUNAVAIL]"
"""What stands for a name that the proxy could not look up this time."""

_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")
"""RFC 3461 section 4."""
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,255}}\Z){_LABEL}(?:\.{_LABEL})*\Z")
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}\Z")
_HIGHEST_PORT: Final = 65_535


_ATTRIBUTES: Final = tuple(item.name for item in fields(XClient))

OFFER: Final = "XCLIENT " + " ".join(name.upper() for name in _ATTRIBUTES)
"""What EHLO says."""


def parse_attributes(argument: str, known: XClient) -> XClient:
    """Return `known` with what an XCLIENT command changes; raise `InvalidValueError` for what is none."""
    changes: dict[str, str] = {}
    for word in argument.split():
        name, equals, text = word.partition("=")
        attribute = name.lower()
        if not equals:
            raise InvalidValueError("XCLIENT", word, "attribute=value")
        if attribute not in _ATTRIBUTES:
            raise InvalidValueError("XCLIENT", name, "one of " + ", ".join(_ATTRIBUTES).upper())
        changes[attribute] = _value(attribute, text)
    if not changes:
        raise InvalidValueError("XCLIENT", argument, "attribute=value")
    if "addr" in changes:
        changes.setdefault("port", UNAVAILABLE)  # that of another address is not this one's
    return replace(known, **changes)


def _value(attribute: str, text: str) -> str:
    """Return an attribute's value without its encoding."""
    what = f"XCLIENT {attribute.upper()}"
    if not _XTEXT.match(text):
        raise InvalidValueError(what, text, "xtext (RFC 3461 section 4)")
    octets = re.sub(rb"\+(..)", lambda match: bytes.fromhex(match[1].decode()), text.encode())
    value = octets.decode("utf-8", "surrogateescape")
    if value.upper() == UNAVAILABLE or (value.upper() == TEMPUNAVAIL and attribute == "name"):
        return value.upper()
    match attribute:
        case "addr" | "destaddr":
            return _address(what, value)
        case "port" | "destport":
            if not re.fullmatch(r"[0-9]{1,5}", value, re.ASCII) or int(value) > _HIGHEST_PORT:
                raise InvalidValueError(what, value, f"a decimal number up to {_HIGHEST_PORT}, or {UNAVAILABLE}")
            return str(int(value))
        case "proto":
            if value.upper() not in ("SMTP", "ESMTP"):
                raise InvalidValueError(what, value, "SMTP or ESMTP")
            return value.upper()
        case "name":
            if not _NAME.match(value):
                raise InvalidValueError(what, value, f"a host name, {UNAVAILABLE} or {TEMPUNAVAIL}")
        case _:
            if not _TEXT.match(value):
                raise InvalidValueError(what, value, "1 to 255 characters, none of them a control character")
    return value


def _address(what: str, value: str) -> str:
    is_ipv6 = value[:5].upper() == "IPV6:"
    try:
        if is_ipv6 and "%" not in value:
            return str(ipaddress.IPv6Address(value[5:]))
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise InvalidValueError(what, value, f"an IPv4 address, IPV6: and an IPv6 address, or {UNAVAILABLE}") from None
