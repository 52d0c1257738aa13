"""Every exception that this package raises. Each is also the builtin exception that a caller would expect."""

from __future__ import annotations


class SMTPFixError(Exception):
    """The base class of all errors of this package."""


class InvalidValueError(SMTPFixError, ValueError):
    """A field of a policy, a reply, a rule or a scenario's file, or an argument, has a value that makes no sense."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {value!r}")
        self.field = field
        """The full name of the field, such as ``Policy.mode``."""
        self.value = value
        """The value that was given."""
        self.expected = expected
        """The value that was expected, in words."""

    @classmethod
    def saying(cls, field: str, value: object, sentence: str) -> InvalidValueError:
        """Return an error with a sentence of its own, where "expected this, got that" would not say it well."""
        error = cls(field, value, sentence)
        error.args = (f"{field}: {sentence}",)
        error.is_sentence = True
        return error

    is_sentence = False
    """Whether `expected` is a whole sentence that also names the value."""

    def renamed(self, field: str, value: object = None) -> InvalidValueError:
        """Return the same error for another field, such as the option that fills it, and the value written there."""
        make = InvalidValueError.saying if self.is_sentence else InvalidValueError
        return make(field, self.value if value is None else value, self.expected)

    def within(self, where: str) -> InvalidValueError:
        """Return the same error, with the place of the value in front, such as a file or an option."""
        return self.renamed(f"{where}: {self.field}")


class UnknownScenario(SMTPFixError, LookupError):  # noqa: N818 - the name is part of the public contract
    """The catalogue has no scenario with this name. The text names the nearest ones and says how to list them all."""


class UnknownProvider(SMTPFixError, LookupError):  # noqa: N818 - the name is part of the public contract
    """No provider with this name has a profile. The text names the nearest one and lists them all."""


class NoMessage(SMTPFixError, AssertionError):  # noqa: N818 - an assertion that failed, named for what is missing
    """Too few messages matched, or none. The text shows the nearest messages and what the clients did instead."""


class MessageIndexError(NoMessage, IndexError):
    """The inbox has no message at this index: the `NoMessage` that ``inbox[0]`` raises."""


class UnexpectedMessage(SMTPFixError, AssertionError):  # noqa: N818 - the counterpart of NoMessage
    """A message matched where you expected none, or several matched where you expected one."""


class NoSession(SMTPFixError, AssertionError):  # noqa: N818 - the counterpart of NoMessage for sessions
    """Fewer sessions ended than you waited for."""


class SessionIndexError(NoSession, IndexError):
    """There is no session at this index: the `NoSession` that ``server.sessions[0]`` raises."""


class ScenarioFailed(SMTPFixError, AssertionError):  # noqa: N818 - an assertion that failed
    """A client did not do what the scenario requires. The text says what it did instead, with the transcripts."""


class BlockingWaitError(SMTPFixError, RuntimeError):
    """You called a blocking wait on a running event loop, which would stop the very thing that it waits for.

    It is also raised if you await a wait on an event loop that is neither asyncio's nor trio's.
    """


class ListenError(SMTPFixError, OSError):
    """The server cannot listen on the address, port or UNIX socket that it was given."""


class NotRunningError(SMTPFixError, RuntimeError):
    """You asked the server for something that only a running server has."""


class CloseTimeoutError(SMTPFixError, TimeoutError):
    """Closing the server took too long. The text names the sessions that are still open."""


class CallbackFailed(SMTPFixError, RuntimeError):  # noqa: N818 - named for what has happened
    """A function or an observer that you gave to a server raised an exception, which is the cause of this error."""


class ExtraMissing(SMTPFixError, ImportError):  # noqa: N818 - named for what is missing
    """Something that you asked for needs a package that is not installed. The text says what to install."""

    def __init__(self, text: str, extra: str = "") -> None:
        super().__init__(text)
        self.extra = extra
        """The extra of smtpfix that installs the package, such as ``stapling``; ``""`` if no extra does."""


class AuthorityError(SMTPFixError, ValueError):
    """A stored certificate authority cannot be used: files are broken or open to others, or have another key type."""


class RemoteError(SMTPFixError, ConnectionError):
    """The server whose URL you gave to `connect` does not answer, or is not smtpfix. The text says what to do."""


class StoreError(SMTPFixError, OSError):
    """A store cannot be opened, or cannot do what was asked. The text is one line that says why."""
