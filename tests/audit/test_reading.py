"""The audit of clients that read mail: what a careful one does passes, and the opposite is found by its own row.

The clients are those that the scenarios of IMAP and POP3 are tested by, and what stands here.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import poplib
import re
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from smtpfix import InvalidValueError, Mode, Target, Verdict, audit_client
from smtpfix.audit.context import context_for
from smtpfix.audit.deployment import Deployment
from smtpfix.audit.digest import lines
from smtpfix.audit.fixes import LANGUAGES, fix
from smtpfix.audit.plan import stalls
from smtpfix.audit.report import from_json, to_html, to_json
from smtpfix.audit.result import Ending, Flag, Outcome
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.flaw import FLAWS

pytestmark = pytest.mark.usefixtures("nothing_logged")

BUILT_IN = [("imap", "imaplib"), ("imap", "curl"), ("pop3", "poplib"), ("pop3", "curl")]


def clients(protocol):
    """Return the module with the careful and the naive reader of a protocol."""
    names = {"imap": "imap_clients", "pop3": "reading_clients"}
    file = Path(__file__).parents[1] / protocol / f"{names[protocol]}.py"
    spec = importlib.util.spec_from_file_location(f"{protocol}_reading_clients", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {protocol: clients(protocol) for protocol in ("imap", "pop3")}


@dataclass
class Servers:
    """What those clients ask of the server that they are given, answered for a target."""

    target: Target

    @property
    def policy(self):
        return self

    @property
    def uses_tls(self):
        return self.target.mode != "none"

    @property
    def mode(self):
        return {"none": "plain", "implicit": "implicit-tls"}.get(self.target.mode, "starttls")

    @property
    def host(self):
        return self.target.host

    @property
    def port(self):
        return self.target.port

    def ssl_context(self):
        return ssl.create_default_context(cafile=self.target.ca_file)


HAS_READ = multiprocessing.get_context("fork").Value("b", 0)
"""Whether the first run of an audit has come to its end; the runs' processes share it."""
PATIENCE = 8
"""Seconds that a client waits for a server that answers."""


def reader(protocol, name, in_vain=PATIENCE):
    """Return a client that waits for so many seconds where it is in vain; the first server of an audit answers."""
    read = getattr(MODULES[protocol], name)

    def reads(target):
        read(Servers(target), patience=in_vain if HAS_READ.value else PATIENCE)
        HAS_READ.value = 1

    return reads


def findings(client, protocol, ids, **declared):
    """Return what was found by scenario, and the flags."""
    HAS_READ.value = 0
    declared = {"mode": "starttls-required", "credentials": ("ann", "s3cret"), **declared}
    result = audit_client(client, protocol=protocol, ids=ids, **declared)
    assert "s3cret" not in str([one.evidence for one in result.findings])
    return {one.scenario: one for one in result.findings}, result.flags


LOSING = {
    "pop3": ("pop3-retr-err", "pop3-retr-close"),
    "imap": ("imap-fetch-no", "imap-fetch-close"),
}


@pytest.mark.parametrize("protocol", LOSING)
def test_who_deletes_what_it_has_not_read_loses_mail_and_who_does_not_passes(protocol):
    ids = LOSING[protocol]
    careful, flags = findings(reader(protocol, "careful"), protocol, ids, mode="implicit")
    assert {one: careful[one].outcome for one in ("good", *ids)} == {
        "good": Outcome.RETRIEVED,
        **dict.fromkeys(ids, Outcome.REFUSED_CLEAN),
    }
    assert {one.verdict for one in careful.values()} == {Verdict.PASSED}
    assert flags == ()
    naive, flags = findings(reader(protocol, "naive"), protocol, ids, mode="implicit")
    assert naive["good"].verdict is Verdict.PASSED
    assert Flag.LOSES_MAIL in flags
    for one in ids:
        assert (naive[one].outcome, naive[one].verdict, naive[one].flaw) == (
            Outcome.LOST_MAIL,
            Verdict.FAILED,
            "lost-mail",
        )
        assert any("never read whole" in fact for fact in naive[one].evidence)
        assert "Mail is lost" in naive[one].consequence


@pytest.mark.slow
@pytest.mark.parametrize("protocol", LOSING)
def test_a_careful_reader_fails_nothing(protocol):
    """Where the server lets it wait, it would only give up."""
    own = [one for one in scenario_ids(protocol=protocol) if one.startswith(f"{protocol}-")]
    found, flags = findings(
        reader(protocol, "careful"), protocol, [one for one in own if not stalls(load_scenario(one))]
    )
    assert len(found) > 15
    assert {one.scenario: one.outcome for one in found.values() if one.verdict is Verdict.FAILED} == {}
    assert flags == ()
    unknown = {one.reason for one in found.values() if one.verdict is Verdict.NOT_RUN}
    assert all(reason.startswith("the client never came to where the server does") for reason in unknown)


STRIPPED = {"pop3": "pop3-strip-capa", "imap": "imap-strip-capability"}


@pytest.mark.parametrize("protocol", STRIPPED)
def test_who_reads_in_clear_when_tls_is_taken_away_leaks_and_who_leaves_does_not(protocol):
    one = STRIPPED[protocol]
    careful, _ = findings(reader(protocol, "careful"), protocol, [one])
    assert (careful[one].outcome, careful[one].verdict) == (Outcome.REFUSED_CLEAN, Verdict.PASSED)
    naive, flags = findings(reader(protocol, "naive"), protocol, [one])
    assert naive[one].outcome is Outcome.LEAKED_CREDENTIALS
    assert {Outcome.LEAKED_MESSAGE, Outcome.RETRIEVED} <= {*naive[one].also}
    assert (naive[one].verdict, naive[one].flaw) == (Verdict.FAILED, "downgrade")
    assert Flag.LEAKS_CREDENTIALS_ACTIVE in flags


INJECTED = {"pop3": "pop3-inject-capa", "imap": "imap-inject-tagged"}


@pytest.mark.parametrize("protocol", INJECTED)
def test_who_goes_on_while_its_answer_is_withheld_took_the_injected_one_and_who_waits_did_not(protocol):
    one = INJECTED[protocol]
    careful, _ = findings(reader(protocol, "careful", in_vain=0.6), protocol, [one])
    assert (careful[one].outcome, careful[one].verdict) == (Outcome.REFUSED_CLEAN, Verdict.PASSED)
    assert careful[one].control is not None
    naive, flags = findings(reader(protocol, "naive", in_vain=5), protocol, [one])
    assert (naive[one].outcome, naive[one].verdict) == (Outcome.ACTED_ON_INJECTION, Verdict.FAILED)
    assert Flag.INJECTABLE in flags


def skips_tags(target):
    """Read by IMAP as the careful client does, with tags in TLS that nobody can guess."""
    module = MODULES["imap"]
    begin = module.Client.begin_tls

    def begin_tls(self, context, name):
        begin(self, context, name)
        self.number += 500

    module.Client.begin_tls = begin_tls
    reader("imap", "careful", in_vain=5)(target)


def test_an_injected_answer_to_another_tag_than_the_client_uses_shows_nothing():
    result, _ = findings(skips_tags, "imap", ["imap-inject-tagged"])
    assert result["good"].verdict is Verdict.PASSED
    assert result["imap-inject-tagged"].verdict is Verdict.NOT_RUN
    assert "the injected answer was for tag a3, and the client's was a503" in result["imap-inject-tagged"].reason


def test_who_tries_another_password_or_goes_on_behind_a_refused_user_has_failed_and_who_leaves_has_not():
    ids = ["pop3-in-use", "pop3-user-err"]
    careful, _ = findings(reader("pop3", "careful"), "pop3", ids)
    assert {careful[one].verdict for one in ids} == {Verdict.PASSED}
    naive, _ = findings(reader("pop3", "naive"), "pop3", ids)
    assert {naive[one].verdict for one in ids} == {Verdict.FAILED}
    assert "another password" in naive["pop3-in-use"].fix


def reads_one(target):
    """Read only the first message, delete nothing, and be content with it."""
    with_tls = poplib.POP3_SSL(target.host, target.port, context=context_for(target), timeout=target.patience)
    with_tls.user(target.user)
    with_tls.pass_(target.password)
    with_tls.retr(1)
    with_tls.quit()


def test_who_does_not_read_all_mail_is_broken_and_its_refusals_say_nothing():
    result, flags = findings(reads_one, "pop3", ["untrusted-root"], mode="implicit")
    assert result["good"].outcome is Outcome.FALSE_REFUSAL
    assert result["good"].also == (Outcome.MISREPORTED,)
    assert result["good"].run.retrieved == 1
    assert result["untrusted-root"].verdict is Verdict.NOT_RUN
    assert flags == (Flag.BROKEN, Flag.MISREPORTS)


def needs(name):
    if name == "curl" and shutil.which(name) is None:
        pytest.skip("curl is not installed")


@pytest.mark.parametrize(("protocol", "name"), BUILT_IN)
@pytest.mark.parametrize("mode", ["implicit", "starttls-required", "opportunistic", "none"])
def test_a_built_in_client_reads_all_mail_in_every_mode(protocol, name, mode):
    needs(name)
    result = audit_client(name, protocol=protocol, mode=mode, ids=["good"])
    (finding,) = result.findings
    assert finding.run.ending is Ending.SUCCEEDED, finding.run.said
    assert (finding.run.retrieved, finding.run.delivered) == (3, 0)
    if mode == "none":  # where a login is a leak, and the mode's own
        assert (finding.outcome, finding.verdict) == (Outcome.LEAKED_CREDENTIALS, Verdict.CAPPED)
    else:
        assert (finding.outcome, finding.also) == (Outcome.RETRIEVED, ())
        assert sum("was retrieved, in TLS" in fact for fact in finding.evidence) == 3


@pytest.mark.parametrize(("protocol", "name"), BUILT_IN)
def test_a_built_in_client_refuses_who_it_must_and_loses_nothing(protocol, name):
    needs(name)
    ids = ["untrusted-root", "wrong-host", STRIPPED[protocol], INJECTED[protocol], LOSING[protocol][0]]
    result, flags = findings(name, protocol, ids)
    assert {result[one].outcome for one in ids} == {Outcome.REFUSED_CLEAN}
    assert {one.verdict for one in result.values()} == {Verdict.PASSED}
    assert flags == ()


def test_curl_that_takes_a_part_for_the_whole_is_told_that_it_reports_what_is_not_so():
    needs("curl")
    result, flags = findings("curl", "pop3", ["pop3-retr-close"], mode="implicit")
    cut = result["pop3-retr-close"]
    if cut.run.ending is Ending.SUCCEEDED:  # as 7.88 does
        assert (cut.outcome, cut.also) == (Outcome.REFUSED_CLEAN, (Outcome.MISREPORTED,))
        assert Flag.MISREPORTS in flags
    else:
        assert cut.verdict is Verdict.PASSED


def test_what_a_reader_is_told_to_change_is_nothing_of_smtp():
    naive, _ = findings(reader("imap", "naive"), "imap", ["imap-strip-capability", "untrusted-root"])
    assert "993" in naive["imap-strip-capability"].fix
    for language in LANGUAGES:
        assert not [flaw for flaw in FLAWS if "smtp" in fix(flaw, language, reads_mail=True).lower()]
    assert fix("issuer", "python", reads_mail=True) == fix("issuer", "python")


def test_a_report_says_retrieved_and_what_a_careful_reader_does():
    result = audit_client(reader("pop3", "naive"), protocol="pop3", ids=["untrusted-root"], credentials="ann:s3cret")
    page, text = to_html(result), "\n".join(lines(result))
    assert "untrusted-root  retrieved" in text
    assert "POP3, starttls-required" in text
    assert "3 messages retrieved whole" in page
    assert "reads all mail" in page
    assert not re.search(r"\bdeliver(s|ed)?\b", page.partition("<body")[2])
    assert from_json(to_json(result)).declaration.protocol == "pop3"
    assert json.loads(to_json(result))["findings"][1]["outcome"] == "retrieved"


def test_what_makes_no_sense_for_readers_is_told_before_anything_is_run():
    for options, complaint in (
        ({"protocol": "nntp"}, "protocol: expected one of smtp, imap, pop3, got 'nntp'"),
        ({"protocol": "imap", "ids": ["pop3-in-use"]}, "is a scenario of POP3, and the client is audited with IMAP"),
        ({"ids": ["pop3-in-use"]}, "is a scenario of POP3, and the client is audited with SMTP"),
    ):
        with pytest.raises(InvalidValueError, match=complaint):
            audit_client("curl", **options)
    with pytest.raises(InvalidValueError, match=r"it speaks POP3 .protocol 'pop3'., and here"):
        audit_client("poplib", protocol="imap")


def test_a_server_that_never_ends_its_answer_lets_a_reader_wait():
    endless = [
        "imap-strip-continue",
        "imap-strip-untagged",
        "imap-wrong-tag",
        "imap-literal-short",
        "imap-auth-endless",
    ]
    silent = ["imap-greeting-none", "imap-fetch-stall", "pop3-retr-stall", "pop3-inject-ok", "control-imap-silent"]
    assert [one for one in (*endless, *silent) if not stalls(load_scenario(one))] == []
    assert not any(stalls(load_scenario(one)) for one in ("imap-strip-no", "imap-lower-case", "pop3-strip-capa"))


def test_servers_of_readers_stand_on_their_own_conventional_ports():
    deployment = Deployment("conventional")
    ports = {(protocol, mode): deployment.port(mode, protocol) for protocol in ("imap", "pop3") for mode in Mode}
    assert ports == {
        **{("imap", mode): 143 for mode in Mode},
        **{("pop3", mode): 110 for mode in Mode},
        ("imap", Mode.IMPLICIT_TLS): 993,
        ("pop3", Mode.IMPLICIT_TLS): 995,
    }
