"""Every exception this package raises; each is also the builtin that a caller would expect."""

from __future__ import annotations


class SMTPFixError(Exception):
    """Base of all errors of this package."""


class InvalidValueError(SMTPFixError, ValueError):
    """A field of a Policy, Reply, Rule or catalogue file has a value that makes no sense."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {value!r}")
        self.field = field
        """The field's full name, such as ``Policy.mode``."""
        self.value = value
        """What was given."""
        self.expected = expected
        """What would have been right, in words."""

    @classmethod
    def saying(cls, field: str, value: object, sentence: str) -> InvalidValueError:
        """Return an error in a sentence of its own, for what "expected this, got that" cannot say well."""
        error = cls(field, value, sentence)
        error.args = (f"{field}: {sentence}",)
        error.is_sentence = True
        return error

    is_sentence = False
    """Whether `expected` is a whole sentence, which says what came as well."""

    def renamed(self, field: str, value: object = None) -> InvalidValueError:
        """Return the same error of another field, such as the option that fills it, and of what was written there."""
        make = InvalidValueError.saying if self.is_sentence else InvalidValueError
        return make(field, self.value if value is None else value, self.expected)

    def within(self, where: str) -> InvalidValueError:
        """Return the same error with what the value is a part of in front, such as a file or an option."""
        return self.renamed(f"{where}: {self.field}")


class UnknownScenario(SMTPFixError, LookupError):  # noqa: N818 - the name is part of the public contract
    """No scenario of this name is in the catalogue; the text has the nearest ones, and how to list all."""


class UnknownProvider(SMTPFixError, LookupError):  # noqa: N818 - the name is part of the public contract
    """No provider of this name has a profile; the text lists the nearest name and all there are."""


class NoMessage(SMTPFixError, AssertionError):  # noqa: N818 - an assertion that failed, named for what is missing
    """No message, or fewer than asked for, matched; the text says what came near and what the clients did instead."""


class MessageIndexError(NoMessage, IndexError):
    """The inbox has no message at this place: `NoMessage`, for ``inbox[0]``."""


class UnexpectedMessage(SMTPFixError, AssertionError):  # noqa: N818 - the counterpart of NoMessage
    """A message matched where none, or only one, was expected."""


class NoSession(SMTPFixError, AssertionError):  # noqa: N818 - the counterpart of NoMessage for sessions
    """Fewer sessions ended than were waited for."""


class SessionIndexError(NoSession, IndexError):
    """There is no session at this place: `NoSession`, for ``server.sessions[0]``."""


class ScenarioFailed(SMTPFixError, AssertionError):  # noqa: N818 - an assertion that failed
    """A client did not do what the scenario calls for; the text says what it did instead, with the transcripts."""


class BlockingWaitError(SMTPFixError, RuntimeError):
    """A blocking wait was called on a running event loop, which would stop whatever it waits for.

    Also: a wait was awaited on an event loop that is neither asyncio's nor trio's.
    """


class ListenError(SMTPFixError, OSError):
    """The server cannot listen where it was told to."""


class NotRunningError(SMTPFixError, RuntimeError):
    """The server is asked for something only a running one has."""


class CloseTimeoutError(SMTPFixError, TimeoutError):
    """Closing took longer than its bound; the text names what hangs."""


class CallbackFailed(SMTPFixError, RuntimeError):  # noqa: N818 - named for what has happened
    """A function or an observer that a server was given has raised an exception, which is the cause of this one."""


class ExtraMissing(SMTPFixError, ImportError):  # noqa: N818 - named for what is missing
    """A scenario needs a package that is not installed; the text says what to install."""

    def __init__(self, text: str, extra: str = "") -> None:
        super().__init__(text)
        self.extra = extra
        """The extra of smtpfix that installs it, such as ``stapling``; empty where none does."""


class AuthorityError(SMTPFixError, ValueError):
    """A stored certificate authority cannot be read back."""


class RemoteError(SMTPFixError, ConnectionError):
    """The server that `connect` was given does not answer, or not as smtpfix does; the text says what to do."""


class StoreError(SMTPFixError, OSError):
    """A store cannot be opened, or cannot do what it was asked for; the text is one line and says why."""
