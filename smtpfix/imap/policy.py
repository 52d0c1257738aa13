"""What an IMAP server demands and offers beside what every server does: `ImapPolicy`."""

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
    """Everything that is decided before an IMAP server starts; it does not change while the server runs.

    ``ImapPolicy("tls-required", users={"ann": "s3cret"})``; the fields that every server has are those of
    `ServerPolicy`. Where `auth_in_clear` is None, clients may log in outside TLS in the modes ``plain`` and
    ``starttls``: nothing works without a login here.

    Raises `InvalidValueError` naming the field, the value and what is allowed, and `UnknownScenario` for a certificate
    that is not in the catalogue.
    """

    clear_modes: ClassVar[frozenset[Mode]] = frozenset({Mode.PLAIN, Mode.STARTTLS})
    spoken: ClassVar[str] = "imap"
    reads_mail: ClassVar[bool] = True

    users: Users = field(default=ANY_USER, repr=False)
    """Who may log in: name to password, to `Token`, or to several of them; everybody by default; None nobody."""
    folders: Sequence[str] = ("Drafts", "Sent", "Trash")
    """The folders that an account has beside INBOX from the start, those in others with a ``/``; Archive, Drafts, Junk,
    Sent and Trash have the special use of their name (RFC 6154)."""
    delimiter: str | None = "/"
    """What stands between the names of a folder and of one in it, as clients have to write them: ``/``, ``.`` or a
    backslash; None: no folder is in another. Tests, and `folders`, write ``/``; where a name has the delimiter in it,
    clients see a ``/`` there."""
    under_inbox: bool = False
    """Whether all other folders are in INBOX, as Courier and some Dovecots have it: ``INBOX.Sent``. NAMESPACE says so
    (RFC 9051 section 6.3.10), and a name that does not begin like this is NO. It needs a delimiter."""
    hide: Collection[str] = frozenset()
    """Capabilities that this server does not have; a command that needs one of them is BAD."""
    append_limit: int = 33_554_432
    """Octets that the messages of one APPEND may have; more is answered ``NO [TOOBIG]`` (RFC 7889)."""
    quota: int | None = None
    """Octets that an account may hold; APPEND, COPY and MOVE beyond are ``NO [OVERQUOTA]`` (RFC 9208). None: no limit,
    and no QUOTA."""
    read_only: bool = False
    """Whether mailboxes can be looked at only: SELECT says ``[READ-ONLY]``, and what would change one is NO."""
    command_limit: int = 65_536
    """Longest command in octets without its literals; RFC 7162 section 4 asks for 8,192 at least."""
    timeout: float = 1800.0
    """Seconds a connected client may be silent; section 5.4 of RFC 9051 asks for 30 minutes at least."""
    greeting: str = "{hostname} IMAP smtpfix"
    """The text of the greeting, behind the capabilities; may hold ``{hostname}``."""

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
        """The folders that accounts have beside INBOX."""
        return self.folders

    def speaks(self) -> Protocol:
        """Return IMAP."""
        from .protocol import PROTOCOL  # noqa: PLC0415 - a policy is a value, and serving it is much more

        return PROTOCOL


def _is_folder(name: object) -> bool:
    return isinstance(name, str) and all(name.split("/")) and name.isprintable() and not {*name} & {*"*%"}
