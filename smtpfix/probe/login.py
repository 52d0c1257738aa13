"""`log_in`: one attempt to log in, with the best mechanism that the server offers.

Speaks SASL (RFC 4422) through any protocol; where none of its mechanisms goes, the protocol's own command is next.

One only: whoever tries the next mechanism with a wrong password is soon locked out, and gets another reply than the one
that says so.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from .measurement import BY_PASSWORD, BY_TOKEN, INTERNAL_ERROR, Probe
from .saslprep import prepared
from .speaking import Reply, Speaker, Stopped

_Dialogue: TypeAlias = Generator[str | bytes | None, bytes, None]
"""Yields answers and receives challenges; the first answer is the initial response, None where the server begins."""


def log_in(speaker: Speaker, settings: Probe, *, in_clear: bool) -> str:
    """Log in and return the mechanism. Raises `Stopped`, with the code of the server's reply where it refuses."""
    offered = speaker.mechanisms()
    mechanism = next((one for one in _known(settings, in_clear=in_clear) if one in offered), None)
    if mechanism is None:
        by_command = settings.mechanism is None and settings.token is None
        if by_command and (command := speaker.log_in_without_sasl()):
            return command
        raise _nothing_goes(offered, _known(settings, in_clear=in_clear))
    dialogue = _DIALOGUES[mechanism](settings)
    initial = next(dialogue)
    reply = speaker.begin_login(mechanism, None if initial is None else _encoded(speaker, initial))
    challenge = b""
    while reply.wants_more:
        try:
            challenge = base64.b64decode(reply.text, validate=True)
            answer = dialogue.send(challenge)
        except binascii.Error:
            raise _cancelled(speaker, reply, "a challenge is to be base64") from None
        except StopIteration:
            raise _cancelled(speaker, reply, f"{mechanism} has nothing more to say") from None
        reply = speaker.answer(_encoded(speaker, answer or b""))
    if reply.status != speaker.logged_in:
        detail = challenge if mechanism in BY_TOKEN else b""  # says why a token is refused (RFC 7628 section 3.2.2)
        raise speaker.refused(reply, speaker.secrets.text(detail))
    return mechanism


def _known(settings: Probe, *, in_clear: bool) -> tuple[str, ...]:
    """Return the mechanisms to log in by: the one that was asked for, or several, the best first."""
    if settings.mechanism is not None:
        return (settings.mechanism,)
    if settings.token is not None:
        return BY_TOKEN
    return ("CRAM-MD5", "PLAIN", "LOGIN") if in_clear else BY_PASSWORD


def _nothing_goes(offered: list[str], known: tuple[str, ...]) -> Stopped:
    if not offered:
        return Stopped(INTERNAL_ERROR, "the server does not offer AUTH")
    return Stopped(INTERNAL_ERROR, f"the server offers AUTH {' '.join(offered)}, and none of {', '.join(known)}")


def _encoded(speaker: Speaker, answer: str | bytes) -> str:
    octets = answer.encode() if isinstance(answer, str) else answer
    encoded = base64.b64encode(octets).decode("ascii")
    if encoded:
        speaker.secrets.learn(encoded)
    return encoded


def _cancelled(speaker: Speaker, reply: Reply, reason: str) -> Stopped:
    """Take the login back with ``*`` and return what ends the probe: the reply that cannot be answered."""
    lines = speaker.last_reply
    with contextlib.suppress(OSError, Stopped):
        speaker.answer("*")
    speaker.last_reply = lines
    return speaker.refused(reply, reason)


def _plain(settings: Probe) -> _Dialogue:
    """PLAIN, RFC 4616: the server prepares what it compares, so it is sent as it was given."""
    yield f"\0{settings.user}\0{settings.password}"


def _login(settings: Probe) -> _Dialogue:
    """LOGIN, which no RFC describes: the user's name, then the password, whatever words the server asks in."""
    yield None
    yield settings.user
    yield settings.password


def _cram_md5(settings: Probe) -> _Dialogue:
    """CRAM-MD5, RFC 2195: nobody can prepare a password inside a digest, so it is prepared here."""
    challenge = yield None
    digest = hmac.new(_prepared(settings.password or "").encode(), challenge, "md5").hexdigest()
    yield f"{settings.user} {digest}"


def _prepared(password: str) -> str:
    try:
        return prepared(password)
    except ValueError as error:
        raise Stopped(INTERNAL_ERROR, f"the password cannot be used: {error}") from None


def _oauthbearer(settings: Probe) -> _Dialogue:
    """OAUTHBEARER, RFC 7628 section 3.1; a refusal is acknowledged with one octet (section 3.2.3)."""
    user = (settings.user or "").replace("=", "=3D").replace(",", "=2C")
    yield f"n,a={user},\1host={settings.host}\1port={settings.port}\1auth=Bearer {settings.token}\1\1"
    yield "\1"


def _xoauth2(settings: Probe) -> _Dialogue:
    """XOAUTH2, which Google describes; a refusal is acknowledged with an empty line."""
    yield f"user={settings.user}\1auth=Bearer {settings.token}\1\1"
    yield ""


_DIALOGUES: Final[dict[str, Callable[[Probe], _Dialogue]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "OAUTHBEARER": _oauthbearer,
    "XOAUTH2": _xoauth2,
}
