"""`smtpfix certs list` and `show`: the catalogue, and the certificates of a scenario, decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Final, TextIO

from smtpfix.errors import InvalidValueError
from smtpfix.pki import decode
from smtpfix.pki.authority import Authority
from smtpfix.pki.certificates import Issued
from smtpfix.pki.chains import Chain
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.place import Place
from smtpfix.policy.protocol import DEFAULT_PROTOCOL
from smtpfix.policy.scenario import GROUPS, OUTCOMES, PROTOCOLS, Evidence, Scenario
from smtpfix.policy.tls_profile import FAULTS, TLSProfile
from smtpfix.safe_text import printable
from smtpfix.suggesting import did_you_mean, nearest, one_of

from .json_output import scenario_object
from .shown import find_scenario, is_scenario_file
from .terminal import Terminal

HERE: Final = Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("::1",))
"""What certificates name where nobody says otherwise: what `smtpfix serve` goes by."""

VERIFY_CODES: Final = {
    0: "ok",
    7: "certificate signature failure",
    9: "certificate is not yet valid",
    10: "certificate has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate",
    21: "unable to verify the first certificate",
    22: "certificate chain too long",
    23: "certificate revoked",
    25: "path length constraint exceeded",
    26: "unsuitable certificate purpose",
    34: "unhandled critical extension",
    47: "permitted subtree violation",
    48: "excluded subtree violation",
    62: "hostname mismatch",
    64: "IP address mismatch",
    66: "EE certificate key too weak",
    67: "CA certificate key too weak",
    68: "CA signature digest algorithm too weak",
    79: "invalid CA certificate",
    82: "key usage keyCertSign is invalid for a certificate that is no CA",
    87: "empty Subject Alternative Name extension",
}
"""Verify codes of the catalogue, as openssl-verification-options(1) explains them."""


# list


def list_scenarios(
    stream: TextIO,
    group: str | None = None,
    *,
    protocol: str = DEFAULT_PROTOCOL,
    as_json: bool = False,
    markdown: bool = False,
) -> int:
    """Print what servers of a protocol can show, or a group of it: a table, a JSON object a line, or Markdown."""
    if group is not None and group not in GROUPS:
        raise InvalidValueError("GROUP", group, one_of(group, GROUPS))
    if protocol not in PROTOCOLS:
        raise InvalidValueError("--protocol", protocol, one_of(protocol, PROTOCOLS))
    scenarios = [load_scenario(name) for name in scenario_ids(group, protocol)]
    if markdown:
        from smtpfix.policy.catalogue import markdown as page  # noqa: PLC0415 - nothing else needs it

        stream.write(page(scenarios))
    elif as_json:
        stream.writelines(json.dumps(_listed(scenario)) + "\n" for scenario in scenarios)
    else:
        rows = [(one.id, one.summary, one.expected, one.standard) for one in scenarios]
        Terminal(stream).table(("ID", "SUMMARY", "EXPECTED", "STANDARD"), rows)
    return 0


def list_or_show(
    stream: TextIO, name: str | None = None, *, protocol: str = DEFAULT_PROTOCOL, as_json: bool = False
) -> int:
    """Print scenarios, all or a group of them, or what one of them is."""
    if name is None or name in GROUPS:
        return list_scenarios(stream, name, protocol=protocol, as_json=as_json)
    if not is_scenario_file(name) and (near := did_you_mean(name, GROUPS)) and not nearest(name, scenario_ids()):
        raise InvalidValueError.saying(
            "GROUP", name, f"there is no group {name!r}{near}; there are {', '.join(GROUPS)}"
        )
    return show(stream, name)


def _listed(scenario: Scenario) -> dict[str, object]:
    evidence = scenario.openssl if scenario.tls.legacy is None else Evidence()  # which OpenSSL cannot meet
    return {
        **scenario_object(scenario),
        "verify_code": evidence.verify_code,
        "strict_verify_code": evidence.code(strict=True),
        "error": evidence.error,
    }


# show

_WITH_CERTIFICATES: Final = ("certificates", "tls")
"""Groups whose scenarios have something to show in their certificates."""


def show(stream: TextIO, name: str) -> int:
    """Print what a scenario is, and what makes it: its certificates, or its rules."""
    scenario = find_scenario("ID", name)
    if scenario.rules and scenario.group not in _WITH_CERTIFICATES:
        Terminal(stream).lines([scenario.id, *(f"    {label:14}{text}" for label, text in _ruled(scenario))])
        return 0
    with Authority() as authority:
        chain = authority.chain(scenario, HERE)
    certificates = _certificates(scenario, chain)
    lines = [scenario.id, *(f"    {label + ':':14}{text}" for label, text in _facts(scenario, chain, certificates))]
    for number, (role, issued) in enumerate(certificates, 1):
        title = f"Certificate {number}: {role}, {_use(number, issued, chain)}"
        lines += ["", title, *(f"    {line}" for line in decode.lines(issued.octets))]
    Terminal(stream).lines(lines)
    return 0


def _certificates(scenario: Scenario, chain: Chain) -> list[tuple[str, Issued]]:
    """Return the certificates with what they are: those that are sent, in order, and the others after them."""
    listed = list(chain.sent)
    listed += [issued for issued in (chain.trusted, *chain.path) if issued not in listed]
    unique = [
        issued for number, issued in enumerate(listed) if number < len(chain.sent) or issued not in listed[:number]
    ]
    return [(_role(scenario, chain, issued), issued) for issued in unique]


def _role(scenario: Scenario, chain: Chain, issued: Issued) -> str:
    if issued not in chain.path:
        if issued != chain.trusted:
            return "a stranger's"
        return "the authority's root" if scenario.trust == "authority" else "one with another key"
    place = chain.path.index(issued)
    if place == 0:
        return "the leaf"
    return "the root" if place == len(chain.path) - 1 else f"intermediate {len(chain.path) - 1 - place}"


def _use(number: int, issued: Issued, chain: Chain) -> str:
    sent = "sent" if number <= len(chain.sent) else "not sent"
    return f"{sent}, what a careful client trusts" if issued == chain.trusted else sent


def _ruled(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Yield what there is to say of a scenario whose server shows good certificates, and follows rules."""
    for label, text in _described(scenario):
        yield f"{label}:", text
    for number, rule in enumerate(scenario.rules):
        yield "" if number else "Rules:", printable(rule.written or str(rule))
    if tls := ", ".join(_tls(scenario.tls)):
        yield "TLS:", printable(tls)
    for number, (field, value) in enumerate(scenario.policy):
        shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else value
        yield "" if number else "Policy:", printable(f"{field} = {shown}")
    if scenario.notes:
        yield "Notes:", printable(" ".join(scenario.notes.split()))
    yield "Try it:", f"smtpfix serve --scenario {scenario.id}"


def _described(scenario: Scenario) -> Iterator[tuple[str, str]]:
    yield "Summary", printable(scenario.summary)
    yield "Expected", f"{scenario.expected}, {OUTCOMES[scenario.expected]}"
    yield "Standard", printable(scenario.standard)
    yield "Modes", ", ".join(scenario.modes)


def _facts(scenario: Scenario, chain: Chain, certificates: Sequence[tuple[str, Issued]]) -> Iterator[tuple[str, str]]:
    yield "Summary", printable(scenario.summary)
    yield "Expected", f"{scenario.expected}, {OUTCOMES[scenario.expected]}"
    yield "Standard", printable(scenario.standard)
    if scenario.tls.legacy is None:  # which today's OpenSSL cannot meet
        yield "OpenSSL", printable(_verdict(scenario.openssl))
    yield "Modes", ", ".join(scenario.modes)
    yield "Connect to", printable(HERE.expand(scenario.connect))
    count = len(chain.sent)
    yield "Sent", "certificate 1" if count == 1 else f"certificates 1 to {count}, in this order"
    role, place = next((role, place) for place, (role, issued) in enumerate(certificates, 1) if issued == chain.trusted)
    yield "Trusted", f"certificate {place}, {role}"
    if tls := ", ".join(_tls(scenario.tls)):
        yield "TLS", printable(tls)
    if scenario.notes:
        yield "Notes", printable(" ".join(scenario.notes.split()))


def _verdict(evidence: Evidence) -> str:
    """Return what OpenSSL makes of a scenario, asked as Python's default context asks it."""
    if evidence.error is not None:
        return f"the handshake fails: {evidence.error}"
    usual, strict = evidence.code(strict=False), evidence.code(strict=True)
    text = _code(usual)
    return text if strict == usual else f"{text}; with X509_V_FLAG_X509_STRICT, as in Python 3.13, {_code(strict)}"


def _code(code: int | None) -> str:
    return f"verify code {code}{f' ({VERIFY_CODES[code]})' if code in VERIFY_CODES else ''}"


def _tls(profile: TLSProfile) -> Iterator[str]:
    """Yield what differs from good TLS."""
    usual = TLSProfile()
    for field in fields(profile):
        value = getattr(profile, field.name)
        if field.name == "where" or value == getattr(usual, field.name):
            continue
        label = field.name.replace("_", " ")
        if field.name == "fault":
            yield f"{label} {value}: {FAULTS[value]}"
        else:
            yield label if value is True else f"{label} {value}"
