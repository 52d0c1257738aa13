"""`ImapPolicy`: what an IMAP server demands and offers, in addition to what servers of all protocols do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from smtpfix.login.mechanisms import Users
from smtpfix.login.names import ANY_USER
from smtpfix.policy.checks import MEANT, is_collection
from smtpfix.policy.mode import Mode
from smtpfix.policy.server_policy import ServerPolicy
from smtpfix.suggesting import suggests_fields

from .capabilities import HIDABLE

if TYPE_CHECKING:
    from smtpfix.policy.protocol import Protocol

_DELIMITERS: Final = ("/", ".", "\\")


@suggests_fields(MEANT)
@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class ImapPolicy(ServerPolicy):
    """The settings of an IMAP server. They do not change while the server runs.

    ``ImapPolicy("tls-required", users={"ann": "s3cret"})``. `ServerPolicy` defines the fields that servers of all
    protocols share. If `auth_in_clear` is None, clients may log in outside TLS in the modes ``plain`` and ``starttls``,
    because nothing in IMAP works without a login.

    Raises `InvalidValueError`, which names the field, its value and what is allowed, and `UnknownScenario` for a
    scenario that is not in the catalogue.
    """

    clear_modes: ClassVar[frozenset[Mode]] = frozenset({Mode.PLAIN, Mode.STARTTLS})
    spoken: ClassVar[str] = "imap"
    reads_mail: ClassVar[bool] = True

    users: Users = field(default=ANY_USER, repr=False)
    """Who may log in: a mapping of names to a password, a `Token`, or several of them. By default everybody; None:
    nobody."""
    folders: Sequence[str] = ("Drafts", "Sent", "Trash")
    """The folders that each account has from the start, in addition to INBOX. Write ``/`` between a folder and one
    inside it. Archive, Drafts, Junk, Sent and Trash have the special use of that name (RFC 6154)."""
    delimiter: str | None = "/"
    """The hierarchy delimiter that clients see (RFC 9051 section 5.1): ``/``, ``.`` or a backslash. None: no folder is
    inside another. Tests and `folders` always write ``/``; if the name of a folder contains the delimiter, clients see
    ``/`` instead."""
    under_inbox: bool = False
    """Whether all other folders are inside INBOX, as in Courier and in some Dovecots: ``INBOX.Sent``. NAMESPACE says so
    (RFC 9051 section 6.3.10), and any other name is answered NO. This needs a delimiter."""
    hide: Collection[str] = frozenset()
    """Capabilities that this server does not have. A command that needs one of them is answered BAD."""
    append_limit: int = 33_554_432
    """Octets that the messages of one APPEND may have. Any more are answered ``NO [TOOBIG]`` (RFC 7889)."""
    quota: int | None = None
    """Octets that an account may hold. An APPEND, COPY or MOVE beyond that is answered ``NO [OVERQUOTA]`` (RFC 9208).
    None: no limit, and no QUOTA capability."""
    read_only: bool = False
    """Whether clients cannot change mailboxes: SELECT is answered ``[READ-ONLY]``, and any change NO."""
    command_limit: int = 65_536
    """Longest command in octets, without its literals. RFC 7162 section 4 recommends at least 8,192."""
    timeout: float = 1800.0
    """Seconds that a client may be silent. RFC 9051 section 5.4 requires at least 30 minutes."""
    greeting: str = "{hostname} IMAP smtpfix"
    """The text of the greeting, after the capabilities. It may contain ``{hostname}``."""

    def _check(self) -> None:
        super(ImapPolicy, self)._check()
        self._set("_has_auth", self.users is not None)
        self._set("hide", frozenset(self._names("hide", HIDABLE)))
        if not is_collection(self.folders) or not all(map(_is_folder, self.folders)):
            raise self._fail("folders", "names of folders, with / between those in each other, and no wildcards")
        self._set("folders", tuple(self.folders))
        if self.delimiter is not None and self.delimiter not in _DELIMITERS:
            raise self._fail("delimiter", f"one of {' '.join(_DELIMITERS)}, or None where no folder is in another")
        if self.delimiter is None and any("/" in name for name in self.folders):
            raise self._fail("folders", "names without / where ImapPolicy.delimiter is None")
        self._check_type("under_inbox", bool, "True or False")
        if self.under_inbox and self.delimiter is None:
            raise self._fail("under_inbox", "False where ImapPolicy.delimiter is None")
        self._check_range("append_limit", 1, 4_294_967_295)
        if self.quota is not None:
            self._check_range("quota", 0)
        if not isinstance(self.greeting, str) or not self.greeting.isascii() or not self.greeting.isprintable():
            raise self._fail("greeting", "ASCII text of one line")
        self._check_type("read_only", bool, "True or False")

    @property
    def has_starttls(self) -> bool:
        """Whether this server has the STARTTLS command."""
        return Mode(self.mode).has_starttls and "STARTTLS" not in self.hide

    def allows_auth(self, *, in_tls: bool) -> bool:
        """Return whether clients may log in on a connection in this state; LOGIN needs no mechanism."""
        if self.users is None or in_tls:
            return self.users is not None
        return self.mode in self.clear_modes if self.auth_in_clear is None else self.auth_in_clear

    @property
    def account_folders(self) -> Sequence[str]:
        """The folders that each account has in addition to INBOX."""
        return self.folders

    def speaks(self) -> Protocol:
        """Return IMAP."""
        from .protocol import PROTOCOL  # noqa: PLC0415 - a policy is a value, and serving it is much more

        return PROTOCOL


def _is_folder(name: object) -> bool:
    return isinstance(name, str) and all(name.split("/")) and name.isprintable() and not {*name} & {*"*%"}
