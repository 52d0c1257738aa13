"""Scenarios about names: one fault a file; each wrong way to compare names is deceived by the file that is about it.

Told from the files' values: that the certificates have these names, tests/pki shows.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

import pytest

from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.certificate_profile import CertificateProfile
from smtpfix.policy.place import Place

PLACES = {
    "a name": Place("localhost", "mx.smtpfix.test", "127.0.0.1", ("::1",)),
    "the server's own name": Place("mx.smtpfix.test", "mx.smtpfix.test", "127.0.0.1", ("localhost",)),
    "an address": Place("127.0.0.1", "mx.smtpfix.test", "127.0.0.1", ("localhost",)),
}
PLACE = PLACES["the server's own name"]

CERTIFICATES = tuple(map(load_scenario, scenario_ids("certificates")))
ABOUT_NAMES = tuple(
    one
    for one in CERTIFICATES
    if one.leaf.names is not None or one.leaf.common_name is not None or one.leaf.empty_names
)

NOT_ABOUT_NAMES = {
    "leaf-is-ca": "says again what is the default of a server's leaf, since it stands in a CA's",
    "leaf-v1": "version 1 has no subjectAltName, so that the common name is all there is",
    "nc-excluded-violated": "the intermediate excludes a name, which has to be there",
    "nc-ok": "as nc-excluded-violated",
    "nc-permitted-violated": "as nc-excluded-violated",
    "self-signed-ca-leaf": "as leaf-is-ca",
}
"""Scenarios that name names for the sake of another fault, with the reason."""
HOST_IN_BOTH = {
    "cn-match-san-mismatch": "the fault is to prefer the common name to the subjectAltName",
    "cn-match-san-only-ip": "the fault is to use it beside a subjectAltName",
    "empty-san": "the fault is to use it beside a subjectAltName, though that holds nothing",
}
"""Those whose common name is the host beside a subjectAltName, with the reason."""


def connected(scenario, place=PLACE):
    return place.expand(scenario.connect)


def alternative(scenario, place=PLACE):
    """Return the kinds and values of the leaf's subjectAltName; nothing where it has none."""
    name = connected(scenario, place)
    found = []
    for one in scenario.leaf.names if scenario.leaf.names is not None else ():
        if one == "{names}":
            found += [("dns", each) for each in place.names(name)]
        else:
            kind, _, value = place.expand(one, name).partition(":")
            found.append((kind, value))
    return found


def common(scenario, place=PLACE):
    """Return the leaf's common name."""
    given = scenario.leaf.common_name
    return place.hostname if given is None else place.expand(given, connected(scenario, place))


# One fault a file


def test_a_scenario_about_names_has_nothing_else_that_is_unusual():
    for scenario in ABOUT_NAMES:
        if scenario.id in NOT_ABOUT_NAMES:
            continue
        leaf = replace(scenario.leaf, names=None, common_name=None, empty_names=False)
        assert leaf == CertificateProfile(leaf.where, ca=False), scenario.id
        assert (scenario.root, scenario.intermediates, scenario.trust, scenario.rules) == (None, 1, "root", ()), (
            scenario.id
        )


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_scenario_about_alternative_names_has_somebody_else_s_common_name(place):
    """Else whoever compares the common name would be blamed for, or spared by, what it never looks at."""
    for scenario in ABOUT_NAMES:
        if scenario.id in (*NOT_ABOUT_NAMES, *HOST_IN_BOTH) or not scenario.leaf.names:
            continue
        assert scenario.leaf.common_name == "other.example", scenario.id
        assert not any(deceived(common(scenario, place), connected(scenario, place)) for deceived in WAYS.values())


def test_a_scenario_about_the_common_name_has_no_alternative_names():
    for scenario in ABOUT_NAMES:
        if scenario.leaf.names == () and not scenario.leaf.empty_names:
            assert scenario.leaf.common_name is not None, scenario.id


def test_where_the_host_is_in_both_is_listed_with_the_reason():
    both = {
        scenario.id
        for scenario in ABOUT_NAMES
        if (scenario.leaf.names or scenario.leaf.empty_names) and common(scenario) == connected(scenario)
    }
    assert both == {*HOST_IN_BOTH, *NOT_ABOUT_NAMES} - {"leaf-v1"}


# Each flaw is found


def as_it_should_be(name, host):
    """Compare whole names, without case in ASCII; a wildcard is the whole leftmost label and stands for one."""
    name, host = (one.encode().lower() for one in (name, host))
    if name.startswith(b"*.") and name.count(b".") > 1:
        return host.partition(b".")[2] == name[2:]
    return name == host


WAYS = {
    "begins": lambda name, host: name.startswith(host),
    "ends": lambda name, host: name.endswith(host),
    "ends behind a dot": lambda name, host: name == host or name.endswith(f".{host}"),
    "is in it": lambda name, host: host in name,
    "is in it, behind a space or a slash": lambda name, host: host in re.split("[ /]", name),
    "the host ends with it": lambda name, host: host.endswith(name),
    "the last two labels": lambda name, host: name.split(".")[-2:] == host.split(".")[-2:],
    "the first label": lambda name, host: name.split(".")[0] == host.split(".")[0],
    "by the case of Unicode": lambda name, host: name.upper() == host.upper(),
    "without spaces around": lambda name, host: name.strip() == host,
    "up to a space": lambda name, host: name.split()[0] == host,
    "up to a NUL": lambda name, host: name.partition("\0")[0] == host,
}
"""Wrong ways to compare the name in a certificate with the host."""

FIND = {
    "begins": ("prefix", "prefix-cn"),
    "ends": ("suffix", "suffix-cn"),
    "ends behind a dot": ("subdomain",),
    "is in it": ("substring", "substring-cn"),
    "is in it, behind a space or a slash": ("uri-path", "space", "space-cn"),
    "the host ends with it": ("parent", "parent-cn"),
    "the last two labels": ("sibling",),
    "the first label": ("first-label",),
    "by the case of Unicode": ("case-fold",),
    "without spaces around": ("space-tail",),
    "up to a space": ("space", "space-cn"),
    "up to a NUL": ("nul", "nul-cn"),
}
"""The scenarios that are about each."""


def is_address(name):
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


@pytest.mark.parametrize("way", WAYS)
def test_each_wrong_way_to_compare_is_deceived_by_the_scenario_that_is_about_it(way):
    for name in FIND[way]:
        scenario = load_scenario(name if name.endswith("-cn") else f"{name}-san")
        shown = [common(scenario)] if name.endswith("-cn") else [value for _, value in alternative(scenario)]
        assert any(WAYS[way](one, connected(scenario)) for one in shown), scenario.id
        assert scenario.expected in ("refuse", "lax")


def test_no_two_scenarios_deceive_the_same_ways_only():
    """So that a row says which way it was; those about the common name are another row each."""
    shown = {}
    for way, ids in FIND.items():
        for one in ids:
            shown.setdefault(one, set()).add(way)
    assert len({(one.endswith("-cn"), frozenset(ways)) for one, ways in shown.items()}) == len(shown)


def test_whoever_compares_as_the_standard_has_it_is_right_about_every_host_name():
    """Names that differ by case alone are the same (RFC 4343 section 3)."""
    for scenario in ABOUT_NAMES:
        host = connected(scenario)
        if is_address(host) or scenario.id in NOT_ABOUT_NAMES:
            continue
        matches = any(as_it_should_be(name, host) for kind, name in alternative(scenario) if kind == "dns")
        allowed = {"accept", "lax", "either"} if matches else {"refuse", "lax", "either"}
        assert scenario.expected in allowed, scenario.id
    assert as_it_should_be(alternative(load_scenario("case-insensitive"))[0][1], "mx.smtpfix.test")
