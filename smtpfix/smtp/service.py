"""What all conversations of an SMTP server share: its greeting, the EHLO reply, its texts and limits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from smtpfix.conversation.service import Service
from smtpfix.policy.mode import Mode
from smtpfix.rules.reply import Reply

from .keywords import EXTENSIONS, OPTIONAL_EXTENSIONS
from .policy import DEFAULT_GREETING, Policy
from .replies import TOO_MANY_CONNECTIONS

if TYPE_CHECKING:
    from smtpfix.record.recorder import Recorder

    from .custom_replies import CustomReplies, Placeholders
    from .metering import MailLedger


class SMTPService(Service):
    """One server's."""

    policy: Policy

    @cached_property
    def greeting(self) -> Reply:
        """The first reply; it has no enhanced status code (RFC 2034 section 4)."""
        text = self.policy.greeting
        if text == DEFAULT_GREETING and self.policy.protocol == "lmtp":
            text = text.replace("ESMTP", "LMTP")
        return Reply(220, None, text.replace("{hostname}", self.policy.hostname))

    @cached_property
    def has_enhanced_codes(self) -> bool:
        """Whether replies have enhanced status codes (RFC 2034)."""
        return self.policy.has("ENHANCEDSTATUSCODES")

    @cached_property
    def holds_back(self) -> bool:
        """Whether some commands need TLS or a login first."""
        return self.policy.require_auth or self.policy.mode is Mode.TLS_REQUIRED

    @cached_property
    def is_usual(self) -> bool:
        """Whether it speaks SMTP as most servers do: no LMTP, chunks, strict grammar, words of its own or limits."""
        policy = self.policy
        return (
            policy.protocol == "smtp"
            and policy.syntax != "strict"
            and "CHUNKING" not in policy.offer
            and not policy.refuse
            and self.custom_replies is None
            and self.ledger is None
        )

    @cached_property
    def custom_replies(self) -> CustomReplies | None:
        """What is said in other words than this package's; None where nothing is."""
        policy = self.policy
        if policy.replies is None and policy.greeting == DEFAULT_GREETING and not policy.ehlo_greet:
            return None
        from .custom_replies import CustomReplies  # noqa: PLC0415 - few servers have other words

        return CustomReplies(policy, self.placeholders)

    @cached_property
    def placeholders(self) -> Placeholders:
        """What fills in placeholders."""
        from .custom_replies import Placeholders  # noqa: PLC0415 - few servers have any

        return Placeholders(self.policy.hostname)

    @cached_property
    def ledger(self) -> MailLedger | None:
        """What clients have used up; None where nothing is limited, and so nothing is counted."""
        if self.policy.limits is None and self.policy.greylist is None:
            return None
        from .metering import MailLedger  # noqa: PLC0415 - few servers have limits

        return MailLedger(self.policy)

    def turning_away(self, recorder: Recorder) -> bytes:
        """Return a 421 (RFC 5321 section 3.8), where the server would have greeted in clear."""
        if self.tls_on_connect:
            return b""
        custom = self.custom_replies
        reply = TOO_MANY_CONNECTIONS if custom is None else custom.say(TOO_MANY_CONNECTIONS, recorder)
        return reply.encode(enhanced=self.has_enhanced_codes)

    @cached_property
    def capabilities(self) -> dict[tuple[bool, bool], Reply]:
        """The reply to EHLO: in TLS or not, and to a client that has shown a certificate or not."""
        states = ((False, False), (True, False), (True, True))
        return {state: Reply(250, None, "\n".join(self._capabilities(*state))) for state in states}

    def _capabilities(self, in_tls: bool, has_certificate: bool) -> list[str]:  # noqa: FBT001 - the keys of a table
        policy = self.policy
        offer: dict[str, str] = {}
        if policy.offer:
            from .extensions import offered  # noqa: PLC0415 - few servers offer them

            offer.update(offered(policy, in_tls=in_tls))
        lines = [f"{policy.hostname} {policy.ehlo_greet}".rstrip()]
        for extension in EXTENSIONS if policy.capabilities is None else policy.capabilities:
            if extension in OPTIONAL_EXTENSIONS:
                if line := offer.pop(extension, None):
                    lines.append(line)
            elif extension not in EXTENSIONS:
                lines.append(extension)
            elif not policy.has(extension) or (extension == "STARTTLS" and in_tls):
                continue
            elif extension == "AUTH":
                mechanisms = policy.mechanisms_for(in_tls=in_tls, has_certificate=has_certificate)
                if mechanisms and policy.offers_auth(in_tls=in_tls):
                    lines.append("AUTH " + " ".join(mechanisms))
            elif extension == "SIZE":
                lines.append(f"SIZE {policy.size_limit or 0}")  # RFC 1870 section 3: 0 is no fixed maximum
            else:
                lines.append(extension)
        lines += offer.values()
        if policy.xclient:
            from .xclient import OFFER  # noqa: PLC0415 - few servers stand behind a proxy

            lines.append(OFFER)
        return lines
