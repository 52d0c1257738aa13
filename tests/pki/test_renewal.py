"""Certificates of a server that runs for months: a clock that looks later stands for the months."""

import datetime as dt
import socket
import ssl

import pytest

from smtpfix import Policy, Server
from smtpfix.pki import authority as authority_module
from smtpfix.pki.authority import Authority
from smtpfix.pki.renewal import FOREVER, lifetime
from smtpfix.pki.revocation import _LIFE
from smtpfix.policy.catalogue_files import load_scenario
from smtpfix.policy.place import Place

PLACE = Place(host="localhost", hostname="mx.smtpfix.test", address="127.0.0.1", others=("::1",))
DAYS = 86_400
BOUND = 20


class Clock:
    """Tells the time that it is set to: so many days from now."""

    def __init__(self, days):
        self._start = dt.datetime.now(dt.UTC)
        self.days = days

    def __call__(self):
        return self._start + dt.timedelta(days=self.days)


def shown_to(context, server):
    """Return the serial number of the certificate that a client sees, or raise what it says of it."""
    with (
        socket.create_connection((server.place.host, server.port), timeout=BOUND) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as client,
    ):
        return client.getpeercert()["serialNumber"]


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("mode", ["implicit-tls", "starttls"])
def test_a_leaf_that_would_expire_is_issued_again_while_the_server_runs(tmp_path, is_kept, mode):
    clock = Clock(-100)  # the leaf's 90 days are over
    with (
        Authority(tmp_path if is_kept else None, now=clock) as authority,
        Server(Policy(mode), authority=authority) as server,
    ):
        root = authority.ca_pem
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            server.client(timeout=BOUND)
        clock.days = 0
        server.client(timeout=BOUND).close()
        assert authority.ca_pem == root


def test_a_leaf_stays_for_two_thirds_of_its_days_and_no_longer():
    clock = Clock(-61)
    with Authority(now=clock) as authority, Server(Policy("implicit-tls"), authority=authority) as server:
        context = server.ssl_context()
        first = shown_to(context, server)
        clock.days = -2
        assert shown_to(context, server) == first
        clock.days = 0
        second = shown_to(context, server)
        assert second not in (first, None)
        assert shown_to(context, server) == second


def test_servers_of_one_place_share_the_leaf_that_was_issued_again():
    clock = Clock(0)
    with Authority(now=clock) as authority:
        policy = Policy("implicit-tls")
        old = authority.server_context(policy, PLACE)
        assert authority.server_context(policy, PLACE) is old
        clock.days = 61
        new = authority.server_context(policy, PLACE)
        assert new is not old
        assert authority.server_context(policy, PLACE) is new


def test_a_client_s_certificate_is_issued_again_too():
    clock = Clock(0)
    with Authority(now=clock) as authority:
        first = authority.client_certificate("ann")
        clock.days = 59
        assert authority.client_certificate("ann") == first
        clock.days = 61
        assert authority.client_certificate("ann") != first


def test_what_clients_trust_stays_where_it_is_the_scenario_s_own():
    clock = Clock(0)
    with Authority(now=clock) as authority:
        policy = Policy("implicit-tls", certificate="self-signed-pinned")
        before = authority.trusted_pem(policy, PLACE), authority.chain(policy.chain_scenario, PLACE)
        clock.days = 400
        assert (authority.trusted_pem(policy, PLACE), authority.chain(policy.chain_scenario, PLACE)) == before


@pytest.mark.parametrize(
    ("scenario", "left", "days"),
    [
        ("good", 90, 60),
        ("good", 30, 20),
        ("good", 0.01, 1 / 24),
        ("expired", -2, FOREVER),
        ("not-yet-valid", 90, 2 / 3),
    ],
)
def test_what_counts_from_the_day_of_issuing_says_how_long_a_chain_is_good(scenario, left, days):
    assert lifetime(load_scenario(scenario), left * DAYS) == pytest.approx(days * DAYS)


def test_a_stapled_response_is_made_again_before_its_days_are_over(monkeypatch):
    made = []
    real = authority_module.revocation.staple
    monkeypatch.setattr(
        authority_module.revocation, "staple", lambda *given, **more: made.append(clock.days) or real(*given, **more)
    )
    clock = Clock(0)
    with Authority(now=clock) as authority:
        factory = authority.tls_factory(Policy("implicit-tls", scenario="good-ocsp-staple"), PLACE)
        for clock.days in (0, 4, 5, _LIFE.days, 60):
            factory()
    assert made == [0, 5, 60]
