"""What is secret in a line of POP3: the arguments of PASS and AUTH, and APOP's digest."""

from __future__ import annotations

import re
from typing import Final

from smtpfix.login.exchange import is_mechanism

from .language import VERBS

_VERB: Final = re.compile(rb"[\x00-\x20]*([!-~]+)[\x00-\x20]+")
_WORD: Final = re.compile(rb"[^\x00-\x20]+")
WITHOUT_CREDENTIAL: Final = VERBS - {"PASS", "APOP", "AUTH"}
"""The verbs that carry none."""
_BEGINNINGS: Final = ("PAS", "APOP", "LOG", "AUTH")
"""How a verb begins that is meant for a login, and mistyped or another protocol's."""


def carries_credential(octets: bytes) -> bool:
    """Return whether a line, or one of several, carries a credential."""
    return any(credential_at(line) > 0 for line in octets.split(b"\n"))


def credential_at(line: bytes) -> int:
    """Return where the credential begins in a line that carries one; 0 in any other."""
    verb = verb_of(line)
    match = _VERB.match(line)
    if match is None or match.end() >= len(line) or verb in WITHOUT_CREDENTIAL:
        return 0
    if verb == "PASS":  # whose password may begin with a space
        return match.end(1) + 1
    if verb == "APOP":
        user = _WORD.match(line, match.end())
        digest = _WORD.search(line, user.end()) if user else None
        return digest.start() if digest else match.end()
    if verb == "AUTH":
        mechanism = _WORD.match(line, match.end())
        if mechanism is None or not is_mechanism(mechanism[0].decode("ascii", "replace")):
            return match.end()
        response = _WORD.search(line, mechanism.end())
        return response.start() if response else 0
    return match.end() if verb.startswith(_BEGINNINGS) else 0


def verb_of(line: bytes) -> str:
    """Return the first word of a line in upper case."""
    return b"".join(line.split(maxsplit=1)[:1]).upper().decode("ascii", "replace")
