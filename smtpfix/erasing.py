"""`Eraser`: it strikes a secret out of what is shown, in every usual encoding.

It knows no protocol. It finds Base64 at each of its alignments, even inside the blob of AUTH PLAIN (RFC 4616).
"""

from __future__ import annotations

import base64
import json
import re
from typing import Final
from urllib.parse import quote, quote_plus

from .safe_text import printable, shorten

SHORTEST: Final = 4
"""Characters that a secret needs: shorter ones stand anywhere by chance."""

_BASE64: Final = re.compile("[A-Za-z0-9+/_-]{4,}={0,2}")
_ESCAPED: Final = re.compile("%[0-9A-F]{2}")
"""An octet in RFC 3986 section 2.1."""


class Eraser:
    """Strikes one password or token out of texts."""

    def __init__(self, password: str) -> None:
        octets = password.encode("utf-8", "surrogatepass")
        quoted = [quote(password, safe=safe, errors="replace") for safe in ("/", "", "/~")]
        quoted.append(quote_plus(password, errors="replace"))
        forms = {password, printable(password), repr(password)[1:-1], json.dumps(password)[1:-1], *quoted}
        every = "".join(f"%{octet:02X}" if not chr(octet).isalnum() else chr(octet) for octet in octets)
        quoted += [every, "".join(f"%{octet:02X}" for octet in octets)]
        forms |= {*quoted} | {_ESCAPED.sub(lambda match: match[0].lower(), form) for form in quoted}
        forms |= {octets.hex(), octets.hex().upper(), base64.b64encode(octets).decode("ascii")}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._forms = re.compile("|".join(map(re.escape, longest_first)))
        cores = base64_cores(octets) if len(octets) >= SHORTEST else ()
        self._cores = [core.decode("ascii") for core in cores]
        self._instead = shorten(password)

    def erase(self, text: str) -> str:
        """Return a text without it: in plain, encoded, and with all that is base64 around it."""
        return self._forms.sub(self._instead, _BASE64.sub(self._without_core, text))

    def _without_core(self, match: re.Match[str]) -> str:
        run = match[0].replace("-", "+").replace("_", "/")
        return self._instead if any(core in run for core in self._cores) else match[0]


def base64_cores(text: bytes) -> tuple[bytes, ...]:
    """Return what a text looks like inside base64, whatever stands before and after it: one for each alignment."""
    cores = []
    for before in range(3):
        first = -(-8 * before // 6)
        last = 8 * (before + len(text)) // 6
        cores.append(base64.b64encode(bytes(before) + text)[first:last])
    return tuple(cores)
