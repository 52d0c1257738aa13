"""The part of the own API that shows servers, and switches their scenarios and rules."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from smtpfix.errors import ExtraMissing, InvalidValueError, UnknownScenario
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.policy.scenario import PROTOCOLS, Scenario
from smtpfix.server import Server

from .desk import Desk
from .exchange import BASE, Answer, Call, Route, as_json, error, text, texts
from .switches import check_rule, sentence

READ_ONLY: Final = "this server was started with --web-read-only: rules, scenarios and audits cannot be changed here"


def changing(handler: Callable[[Desk, Call], Answer]) -> Callable[[Desk, Call], Answer]:
    """Return a handler that changes what servers do, and is refused where that is switched off."""

    @wraps(handler)
    def changed(desk: Desk, call: Call) -> Answer:
        return error(403, READ_ONLY) if desk.settings.read_only else handler(desk, call)

    return changed


def _of_server(handler: Callable[[Desk, Call, str, Server], Answer]) -> Callable[[Desk, Call], Answer]:
    """Return a handler that is given the server whose name is in the path, and says what is wrong with a request."""

    @wraps(handler)
    def handled(desk: Desk, call: Call) -> Answer:
        name = call.path["name"]
        if (server := desk.servers.get(name)) is None:
            known = ", ".join(desk.servers) or "no server in this process"
            return error(404, f"expected the name of a server: {known}; came {name[:100]!r}")
        try:
            return handler(desk, call, name, server)
        except (InvalidValueError, UnknownScenario, ExtraMissing) as what:
            return error(400, sentence(what))

    return handled


# Servers


def _shown(desk: Desk, name: str, server: Server) -> dict[str, Any]:
    policy, state = server.policy, desk.switches.state(name)
    is_own = policy.has_own_certificate
    ca_file = server.ca_file if policy.uses_tls and not is_own else None
    return {
        "name": name,
        "protocol": getattr(policy, "protocol", policy.spoken),
        "mode": str(server.mode),
        "host": server.place.host,
        "connect": server.host,
        "port": server.port,
        "addresses": [list(address) for address in server.addresses],
        "is_running": server.is_running,
        "certificate": "own" if is_own else str(policy.certificate),
        "scenario": None if policy.scenario is None else str(policy.scenario),
        "is_switched": (state.certificate or state.scenario) is not None,
        "problem": desk.switches.problem(name),
        "ca_file": None if ca_file is None else str(ca_file),
        "ca_pem": None if ca_file is None else ca_file.read_text(encoding="ascii"),
        "rules": desk.switches.rules(name),
    }


def servers(desk: Desk, _: Call) -> Answer:
    """List the servers: where they are, what to trust, what they serve, and their rules."""
    listed = [_shown(desk, name, server) for name, server in desk.servers.items()]
    return as_json({"seq": desk.store.last_change(), "read_only": desk.settings.read_only, "servers": listed})


@_of_server
def server(desk: Desk, _: Call, name: str, shown: Server) -> Answer:
    """Return one server."""
    return as_json(_shown(desk, name, shown))


@_of_server
def trusted(_desk: Desk, _: Call, name: str, shown: Server) -> Answer:
    """Return the certificate that a careful client trusts, PEM."""
    return _trusted(name, shown, "pem", str.encode)


@_of_server
def trusted_der(_desk: Desk, _: Call, name: str, shown: Server) -> Answer:
    """Return the same as DER."""
    return _trusted(name, shown, "der", ssl.PEM_cert_to_DER_cert)


@_of_server
def trusted_store(_desk: Desk, _: Call, name: str, shown: Server) -> Answer:
    """Return the same in a PKCS#12 file, for Java and devices; its password is `smtpfix`."""
    from smtpfix.pki.stores import public_store  # noqa: PLC0415 - cryptography, which a plain server does without

    return _trusted(name, shown, "p12", public_store)


_CA_TYPES: Final = {"pem": "application/x-pem-file", "der": "application/pkix-cert", "p12": "application/x-pkcs12"}


def _trusted(name: str, shown: Server, kind: str, written: Callable[[str], bytes]) -> Answer:
    if not shown.policy.uses_tls or shown.policy.has_own_certificate:
        return error(404, f"expected a server with TLS, by a certificate of smtpfix; {name!r} is none")
    try:
        octets = written(shown.ca_file.read_text(encoding="ascii"))
    except ValueError as reason:  # certificates that nothing reads are what some scenarios are about
        return error(404, f"expected a certificate that can be written as {kind.upper()}; {reason}")
    file = {"Content-Disposition": f'attachment; filename="smtpfix-ca.{kind}"'}
    return Answer(octets, _CA_TYPES[kind], headers=file)


@changing
@_of_server
def switch(desk: Desk, call: Call, name: str, switched: Server) -> Answer:
    """Have a server serve a scenario to whoever connects from now on; without one, what it was started with."""
    asked = call.json(keys=("scenario", "certificate"))
    certificate, scenario = text(asked, "certificate") or None, text(asked, "scenario") or None
    desk.switches.switch(name, certificate=certificate, scenario=scenario)
    return as_json(_shown(desk, name, switched))


# Rules


def _rules(desk: Desk, name: str, status: int = 200) -> Answer:
    return as_json({"server": name, "rules": desk.switches.rules(name)}, status=status)


@_of_server
def rules(desk: Desk, _: Call, name: str, _server: Server) -> Answer:
    """List a server's rules, the first to be asked first."""
    return _rules(desk, name)


@changing
@_of_server
def add_rule(desk: Desk, call: Call, name: str, _server: Server) -> Answer:
    """Give a server another rule, which is asked before its others."""
    desk.switches.add_rule(name, text(call.json(keys=("text",)), "text"))
    return _rules(desk, name, 201)


@changing
@_of_server
def use_rules(desk: Desk, call: Call, name: str, _server: Server) -> Answer:
    """Give a server these rules instead of those that it was given here before."""
    desk.switches.use_rules(name, texts(call.json(keys=("rules",)), "rules"))
    return _rules(desk, name)


@changing
@_of_server
def remove_rules(desk: Desk, _: Call, name: str, _server: Server) -> Answer:
    """Remove all rules that a server was given here."""
    desk.switches.use_rules(name, ())
    return _rules(desk, name)


@changing
@_of_server
def remove_rule(desk: Desk, call: Call, name: str, _server: Server) -> Answer:
    """Take away one rule that a server was given here."""
    if not desk.switches.remove_rule(name, call.path["rule"]):
        return error(404, f"expected the id of a rule that was given here; came {call.path['rule'][:100]!r}")
    return _rules(desk, name)


def check(desk: Desk, call: Call) -> Answer:
    """Say what a rule says, without using it; of a server, or of a protocol."""
    asked = call.json(keys=("text", "server", "protocol"))
    name, protocol = text(asked, "server"), text(asked, "protocol") or DEFAULT_PROTOCOL
    if name:
        if (meant := desk.servers.get(name)) is None:
            return error(404, f"expected the name of a server: {', '.join(desk.servers)}; came {name[:100]!r}")
        protocol = meant.policy.spoken
    if protocol not in PROTOCOLS:
        return error(400, f"protocol: expected one of {', '.join(PROTOCOLS)}; came {protocol[:100]!r}")
    rule = check_rule(text(asked, "text"), protocol)
    return as_json({"text": rule.written, "stage": rule.stage, "protocol": protocol, "shown": str(rule)})


# Scenarios


def scenarios(desk: Desk, call: Call) -> Answer:
    """List the catalogue: what every protocol can show, or one server, or one protocol."""
    name, protocol = call.query.get("server", ""), call.query.get("protocol", "")
    shown = desk.servers.get(name)
    if name and shown is None:
        return error(404, f"expected the name of a server: {', '.join(desk.servers)}; came {name[:100]!r}")
    if protocol and protocol not in PROTOCOLS:
        return error(400, f"protocol: expected one of {', '.join(PROTOCOLS)}; came {protocol[:100]!r}")
    if shown is not None:
        protocol = shown.policy.spoken
    spoken = (protocol,) if protocol else PROTOCOLS
    ids = sorted({one for each in spoken for one in scenario_ids(protocol=each)})
    found = [load_scenario(one) for one in ids]
    if shown is not None:
        found = [one for one in found if shown.mode in one.modes or one.id == "good"]
    return as_json({"scenarios": [_scenario(one) for one in found]})


def _scenario(one: Scenario) -> dict[str, Any]:
    return {
        "id": one.id,
        "group": one.group,
        "field": one.policy_field,
        "summary": one.summary,
        "standard": one.standard,
        "expected": one.expected,
        "protocol": one.protocol or None,
        "modes": list(one.modes),
        "notes": one.notes,
    }


ROUTES: Final = (
    Route(f"{BASE}/servers", {"GET": servers}),
    Route(f"{BASE}/servers/{{name}}", {"GET": server, "PUT": switch}),
    Route(f"{BASE}/servers/{{name}}/ca.pem", {"GET": trusted}),
    Route(f"{BASE}/servers/{{name}}/ca.der", {"GET": trusted_der}),
    Route(f"{BASE}/servers/{{name}}/ca.p12", {"GET": trusted_store}),
    Route(f"{BASE}/servers/{{name}}/rules", {"GET": rules, "POST": add_rule, "PUT": use_rules, "DELETE": remove_rules}),
    Route(f"{BASE}/servers/{{name}}/rules/{{rule}}", {"DELETE": remove_rule}),
    Route(f"{BASE}/rules/check", {"POST": check}),
    Route(f"{BASE}/scenarios", {"GET": scenarios}),
)
