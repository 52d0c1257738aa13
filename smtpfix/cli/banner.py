"""What `serve` says at its start and at its end: where servers listen, what to trust, what has come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from smtpfix.login.names import ANY_USER
from smtpfix.policy.mode import Mode
from smtpfix.policy.scenario import OUTCOMES, Scenario
from smtpfix.safe_text import printable
from smtpfix.smtp.policy import Policy

from .events import Listening, Reason, Started, Stopped
from .styles import ASIDE, BAD, CAREFUL, GOOD, STRONG, Line, bracketed, listed

HEADS: Final = ("MODE", "ADDRESS", "TLS BEGINS", "AUTH")

_TLS_BEGINS: Final = {
    Mode.PLAIN: "never",
    Mode.STARTTLS: "when the client asks for it (STARTTLS)",
    Mode.TLS_REQUIRED: "before anything else (STARTTLS)",
    Mode.IMPLICIT_TLS: "from the first octet",
}

_USUAL: Final = Policy()

_GOODBYE: Final = {
    Reason.ENOUGH: "the messages asked for have come",
    Reason.TIMEOUT: "the time is up",
    Reason.INTERRUPTED: "interrupted",
    Reason.TERMINATED: "terminated",
    Reason.OUTPUT_CLOSED: "nobody reads on",
    Reason.FAILED: "it cannot go on",
}


def banner(event: Started) -> Iterator[Line]:
    """Yield the lines below the table of servers."""
    yield from _tls(event.servers[0].policy)
    yield from _scenarios(event)
    yield from _ca_files(event)
    if event.save is not None:
        yield "Messages and transcripts are saved in ", (str(event.save), STRONG)
    if event.web is not None:  # in the words that scripts wait for
        yield "[http] accessible via ", (event.web, STRONG)
    if event.workers > 1:
        yield (f"Workers: {event.workers}; #2.5 is the fifth session of worker 2",)
    if event.loop is not None:
        yield (f"Event loop: {event.loop}",)
    yield (("Ctrl-C ends it.", ASIDE),)


def _tls(policy: Policy) -> Iterator[Line]:
    """Say what else differs from good TLS; all servers have it from the same options."""
    if (files := policy.certificate_files) is not None:
        yield "Certificate: ", (str(files[0]), STRONG)
    lowest, highest = policy.tls_min, policy.tls_max
    if (lowest, highest) != (_USUAL.tls_min, _USUAL.tls_max):
        yield (f"TLS versions: {f'{lowest} only' if lowest == highest else f'{lowest} to {highest}'}",)


def _scenarios(event: Started) -> Iterator[Line]:
    for scenario in event.scenarios:
        yield "Scenario ", (scenario.id, STRONG), f": {printable(scenario.summary)}"
        yield _expectation(scenario)
    if event.left_out:
        shown = " with ".join(scenario.id for scenario in event.scenarios)
        yield ((f"Left out, for they cannot show {shown}: {', '.join(event.left_out)}", CAREFUL),)
    for name, servers in _grouped((server.connect, server) for server in event.servers if server.connect):
        addresses = dict.fromkeys(server.addresses[0] for server in servers)
        elsewhere = "" if name in addresses else f", which has to lead them to {', '.join(addresses)}"
        yield "Clients have to connect to ", (name, STRONG), elsewhere


def _expectation(scenario: Scenario) -> Line:
    """Return what a careful client does, and where the standard says so."""
    style = {"accept": GOOD, "refuse": BAD}.get(scenario.expected, CAREFUL)
    return (
        "Expected: ",
        (scenario.expected, style),
        f", {OUTCOMES[scenario.expected]} ({printable(scenario.standard)})",
    )


def _ca_files(event: Started) -> Iterator[Line]:
    """Say what to trust: the authority's root, and what else a scenario asks for."""
    groups = _grouped((server.ca_file, server) for server in event.servers if server.ca_file is not None)
    if event.ca_file is not None and not groups:
        groups = [(event.ca_file, ())]
    for file, servers in groups:
        whose = f" of {', '.join(server.name for server in servers)}" if len(groups) > 1 else ""
        if file != event.ca_file:
            kept = "this scenario's own, new in each run"
        else:
            kept = "kept for later runs" if event.ca_is_kept else "new in each run; --authority DIR keeps it"
        yield f"CA file for clients{whose} to trust: ", (str(file), STRONG), (f" ({kept})", ASIDE)


_Key = TypeVar("_Key")


def _grouped(pairs: Iterable[tuple[_Key, Listening]]) -> list[tuple[_Key, tuple[Listening, ...]]]:
    """Put the servers together that have something in common."""
    groups: dict[_Key, list[Listening]] = {}
    for key, server in pairs:
        groups.setdefault(key, []).append(server)
    return [(key, tuple(servers)) for key, servers in groups.items()]


def server_row(server: Listening) -> tuple[str, str, str, str]:
    """Return a server's row of the table, for `HEADS`."""
    policy = server.policy
    address = server.host if policy.unix_socket is not None else f"{bracketed(policy.host)}:{server.port}"
    return server.name, address, _TLS_BEGINS[Mode(policy.mode)], _auth_policy(policy)


def _auth_policy(policy: Policy) -> str:
    if not policy.has_auth or policy.users is None:
        return "not offered"
    if callable(policy.users):
        who = "whom a function lets in"
    else:
        who = "any user" if policy.users is ANY_USER else listed([printable(name) for name in policy.users])
    where = "in clear" if policy.allows_auth(in_tls=False) else "in TLS only"
    is_required = policy.reads_mail or policy.require_auth
    return f"{who}, {where}{', required' if is_required else ''}"


def goodbye(event: Stopped) -> Iterator[Line]:
    """Yield the last lines: rules that were never used, why it stopped, and what has come."""
    for rule in event.unused_rules:
        yield "This rule never answered: ", (printable(rule), CAREFUL)
    messages = f"{event.messages} message{'' if event.messages == 1 else 's'}"
    sessions = f"{event.sessions} session{'' if event.sessions == 1 else 's'}"
    yield ((f"Stopped, {_GOODBYE[event.reason]}: {messages} in {sessions}.", STRONG),)
