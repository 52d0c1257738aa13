"""The message that a probe sends: `written`, and its dot-stuffed content, `stuffed`."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from .measurement import Probe


def written(settings: Probe) -> bytes:
    """Return a message of 7 bits, but for addresses that are not ASCII."""
    is_ascii = f"{settings.sender}{settings.recipient}".isascii()
    mail = EmailMessage(policy=(policy.SMTP if is_ascii else policy.SMTPUTF8).clone(cte_type="7bit"))
    mail["From"], mail["To"], mail["Subject"] = settings.sender, settings.recipient, settings.subject
    mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="probe.invalid")
    mail.set_content(settings.text, subtype="html")
    return bytes(mail)


def stuffed(message: bytes) -> bytes:
    """Return a message with its dots doubled and the final dot after it (RFC 5321 section 4.5.2)."""
    end = b"" if message.endswith(b"\r\n") else b"\r\n"
    return message.replace(b"\r\n.", b"\r\n..") + end + b".\r\n"
