"""The capabilities of a server before and after the login (RFC 9051 section 6.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .policy import ImapPolicy

BEFORE_LOGIN: Final = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE")
AFTER_LOGIN: Final = (
    *BEFORE_LOGIN,
    *("NAMESPACE", "UNSELECT", "UIDPLUS", "MOVE", "ESEARCH", "SEARCHRES", "LIST-EXTENDED", "LIST-STATUS", "CHILDREN"),
    *("SPECIAL-USE", "CREATE-SPECIAL-USE", "STATUS=SIZE", "BINARY", "CONDSTORE", "MULTIAPPEND", "SORT", "SORT=DISPLAY"),
    *("WITHIN", "SAVEDATE", "UTF8=ACCEPT"),
)
HIDABLE: Final = frozenset((*(name.upper() for name in AFTER_LOGIN), "STARTTLS", "APPENDLIMIT", "QUOTA"))
"""What `ImapPolicy.hide` may name, in upper case."""
NEEDS: Final = {
    "STARTTLS": "STARTTLS",
    "ENABLE": "ENABLE",
    "ID": "ID",
    "IDLE": "IDLE",
    "NAMESPACE": "NAMESPACE",
    "UNSELECT": "UNSELECT",
    "MOVE": "MOVE",
    "UID MOVE": "MOVE",
    "UID EXPUNGE": "UIDPLUS",
    "SORT": "SORT",
    "UID SORT": "SORT",
    "GETQUOTA": "QUOTA",
    "GETQUOTAROOT": "QUOTA",
}
"""The commands that a server does not know that hides this: they are BAD then."""


def before_login(policy: ImapPolicy, *, in_tls: bool, has_certificate: bool) -> list[str]:
    """Return what is offered to a client that has not logged in."""
    offered = [name for name in BEFORE_LOGIN if name.upper() not in policy.hide]
    if policy.has_starttls and not in_tls:
        offered.append("STARTTLS")
    if policy.offers_auth(in_tls=in_tls):
        mechanisms = policy.mechanisms_for(in_tls=in_tls, has_certificate=has_certificate)
        offered += [f"AUTH={name}" for name in mechanisms]
    if not policy.allows_auth(in_tls=in_tls):
        offered.append("LOGINDISABLED")
    return offered


def after_login(policy: ImapPolicy) -> list[str]:
    """Return what is offered to a client that has logged in."""
    offered = [name for name in AFTER_LOGIN if name.upper() not in policy.hide]
    if "APPENDLIMIT" not in policy.hide:
        offered.append(f"APPENDLIMIT={policy.append_limit}")
    if policy.quota is not None and "QUOTA" not in policy.hide:
        offered += ["QUOTA", "QUOTA=RES-STORAGE"]
    return offered
