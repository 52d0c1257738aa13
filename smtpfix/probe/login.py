"""One attempt to log in (RFC 4954), by the best of the mechanisms that the server offers: `log_in`.

One only: whoever tries the next mechanism with a wrong password is soon locked out, and gets another reply than the one
that says so.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
from collections.abc import Callable, Generator, Iterable
from typing import Final, TypeAlias

from .measurement import BY_PASSWORD, BY_TOKEN, INTERNAL_ERROR, Probe
from .saslprep import prepared
from .speaking import Reply, Speaker, Stopped

_ACCEPTED: Final = 235
_CHALLENGE: Final = 334
_LONGEST_COMMAND: Final = 510
"""Octets of a command without its end (RFC 5321 section 4.5.3.1.4): what is longer is no initial response (RFC 4954
section 4)."""

_Dialogue: TypeAlias = Generator[str | bytes | None, bytes, None]
"""Yields answers and receives challenges; the first answer is the initial response, None where the server begins."""


def log_in(speaker: Speaker, settings: Probe, offered: Iterable[str], *, in_clear: bool) -> str:
    """Log in and return the mechanism. Raises `Stopped`, with the code of the server's reply where it refuses."""
    mechanism = _chosen(settings, [one.upper() for one in offered], in_clear=in_clear)
    dialogue = _DIALOGUES[mechanism](settings)
    reply = _begin(speaker, mechanism, next(dialogue))
    challenge = b""
    while reply.code == _CHALLENGE:
        try:
            challenge = base64.b64decode(reply.text, validate=True)
            answer = dialogue.send(challenge)
        except binascii.Error:
            raise _cancelled(speaker, reply, "a challenge is to be base64") from None
        except StopIteration:
            raise _cancelled(speaker, reply, f"{mechanism} has nothing more to say") from None
        reply = speaker.say(_encoded(speaker, answer or b""))
    if reply.code != _ACCEPTED:
        detail = challenge if mechanism in BY_TOKEN else b""  # says why a token is refused (RFC 7628 section 3.2.2)
        raise speaker.refused(reply, speaker.secrets.text(detail))
    return mechanism


def _chosen(settings: Probe, offered: list[str], *, in_clear: bool) -> str:
    """Return the mechanism to log in by, the one that was asked for or the first that goes."""
    if settings.mechanism is not None:
        known: tuple[str, ...] = (settings.mechanism,)
    elif settings.token is not None:
        known = BY_TOKEN
    else:
        known = ("CRAM-MD5", "PLAIN", "LOGIN") if in_clear else BY_PASSWORD
    if not offered:
        raise Stopped(INTERNAL_ERROR, "the server does not offer AUTH")
    for one in known:
        if one in offered:
            return one
    raise Stopped(INTERNAL_ERROR, f"the server offers AUTH {' '.join(offered)}, and none of {', '.join(known)}")


def _begin(speaker: Speaker, mechanism: str, initial: str | bytes | None) -> Reply:
    command = f"AUTH {mechanism}"
    if initial is None:
        return speaker.say(command)
    encoded = _encoded(speaker, initial)
    if len(command) + 1 + len(encoded) <= _LONGEST_COMMAND:
        return speaker.say(f"{command} {encoded}")
    reply = speaker.say(command)
    return speaker.say(encoded) if reply.code == _CHALLENGE else reply


def _encoded(speaker: Speaker, answer: str | bytes) -> str:
    octets = answer.encode() if isinstance(answer, str) else answer
    encoded = base64.b64encode(octets).decode("ascii")
    if encoded:
        speaker.secrets.learn(encoded)
    return encoded


def _cancelled(speaker: Speaker, reply: Reply, reason: str) -> Stopped:
    """Take AUTH back (RFC 4954 section 4) and return what ends the probe: the reply that cannot be answered."""
    lines = speaker.last_reply
    with contextlib.suppress(OSError, Stopped):
        speaker.say("*")
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
