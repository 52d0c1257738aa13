"""The phrases that findings about sending and reading clients share."""

from __future__ import annotations

from smtpfix.policy.scenario import Scenario

from .case import GOOD, Case


def went_on(case: Case, prize: str) -> str:
    """Return what it means that a client went on; `prize` is what a false server gets by a certificate, or without."""
    if case.expected not in ("refuse", "lax"):
        return ""
    if case.is_old_tls:
        return "An attacker can use weaknesses that newer versions of TLS do not have."
    if case.expected == "lax":
        return "It is less strict than it could be, and an attacker may use that."
    if case.scenario.group in ("certificates", "stripping"):
        return f"Anyone who can get such a certificate can play the server{prize}"
    if case.scenario.group == "tls":
        return "The encryption does not keep attackers out."
    return "It went on where it had to stop."


def refusing(scenario: Scenario) -> str:
    """Return the advice to refuse what a scenario shows."""
    return f"Refuse this: {lower(scenario.summary)} ({scenario.standard})."


def accepting(scenario: Scenario) -> str:
    """Return the advice to accept what a scenario shows; where that is nothing, the cause is in the client."""
    if scenario.id == GOOD:
        return "Find the cause in what the client said and in the transcript: the server asks for nothing unusual."
    return f"Accept this: {lower(scenario.summary)} ({scenario.standard})."


def lower(text: str) -> str:
    """Return a sentence as it follows a colon; an abbreviation at its beginning stays in capitals."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
