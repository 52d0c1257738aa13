"""The audit of clients that read mail: what a careful one does passes, and the opposite is found by its own row.

The clients are those that the scenarios of IMAP and POP3 are tested by, and what stands here.
"""

from __future__ import annotations

import contextlib
import imaplib
import importlib.util
import json
import multiprocessing
import poplib
import re
import shutil
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from smtpfix import InvalidValueError, Mode, Target, Verdict, audit_client
from smtpfix.audit.adapters import adapter
from smtpfix.audit.adapters_reading import READING_ADAPTERS
from smtpfix.audit.auditing import declare
from smtpfix.audit.case import stalls
from smtpfix.audit.context import context_for
from smtpfix.audit.deployment import Deployment
from smtpfix.audit.digest import lines
from smtpfix.audit.fixes import LANGUAGES, fix
from smtpfix.audit.report import from_json, to_html, to_json
from smtpfix.audit.result import DeclaredMode, Ending, Flag, Grade, Outcome
from smtpfix.policy.catalogue_files import load_scenario, scenario_ids
from smtpfix.policy.flaw import FLAWS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_logged")]

BUILT_IN = [(protocol, name) for protocol, adapters in READING_ADAPTERS.items() for name in adapters]
MODES = {"getmail": ("implicit", "none")}
"""Those of a client that has not all of them."""


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
    assert all(reason.startswith("the client never reached the point where the server acts") for reason in unknown)


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


def looks_late(said):
    """Return clients that compare the certificate's names only after they have said something, by protocol."""

    def connected(target, client, **options):
        context = context_for(target)
        context.check_hostname = False
        return client(target.host, target.port, timeout=target.patience, **{next(iter(options)): context})

    def is_another(target, client):
        return ("DNS", target.host) not in client.sock.getpeercert()["subjectAltName"]

    def by_pop3(target):
        with contextlib.closing(connected(target, poplib.POP3_SSL, context=None)) as client:
            for line in said["pop3"]:
                with contextlib.suppress(poplib.error_proto):
                    client._shortcmd(line.format(user=target.user, password=target.password))
            if is_another(target, client):
                client.quit()
                raise ssl.SSLError("another name")
            if "PASS {password}" not in said["pop3"]:
                client.user(target.user)
                client.pass_(target.password)
            for number in range(1, client.stat()[0] + 1):
                client.retr(number)
            client.quit()

    def by_imap(target):
        client = connected(target, imaplib.IMAP4_SSL, ssl_context=None)
        try:
            for line in said["imap"]:
                client.state = "NONAUTH" if line.startswith("LOGIN") else "AUTH"  # so that it says anything
                with contextlib.suppress(imaplib.IMAP4.error):
                    client.xatom(*line.format(user=target.user, password=target.password).split())
            if is_another(target, client):
                raise ssl.SSLError("another name")
            if "LOGIN {user} {password}" not in said["imap"]:
                client.state = "NONAUTH"
                client.login(target.user, target.password)
            client.state = "AUTH"
            client.select("INBOX")
            client.fetch("1:*", "(BODY[])")
        finally:
            client.logout()

    return {"pop3": by_pop3, "imap": by_imap}


SAYS_NOTHING = {"pop3": ["NOOP", "RSET"], "imap": ["CAPABILITY", "ID NIL", "NOOP"]}
LOGS_IN = {"pop3": ["USER {user}", "PASS {password}"], "imap": ["LOGIN {user} {password}"]}
NAMES_ITS_USER = {"pop3": ["USER {user}"], "imap": ["ENABLE IMAP4rev2"]}


@pytest.mark.parametrize("protocol", STRIPPED)
def test_who_looks_at_the_certificate_behind_its_login_has_refused_too_late(protocol):
    late, flags = findings(looks_late(LOGS_IN)[protocol], protocol, ["wrong-host"], mode="implicit")
    assert late["good"].verdict is Verdict.PASSED
    wrong = late["wrong-host"]
    assert (wrong.outcome, wrong.verdict, wrong.flaw) == (Outcome.REFUSED_LATE, Verdict.FAILED, "name")
    assert any(fact.startswith("Inside TLS, AUTH") for fact in wrong.evidence)
    assert "already has what it said" in wrong.consequence
    assert flags == ()  # nobody but that server has the password


@pytest.mark.parametrize("protocol", STRIPPED)
@pytest.mark.parametrize(
    ("said", "outcome"), [(SAYS_NOTHING, Outcome.REFUSED_CLEAN), (NAMES_ITS_USER, Outcome.REFUSED_LATE)]
)
def test_who_looks_behind_what_anybody_may_ask_is_in_time_and_behind_more_than_that_too_late(protocol, said, outcome):
    result, _ = findings(looks_late(said)[protocol], protocol, ["wrong-host"], mode="implicit")
    assert result["good"].verdict is Verdict.PASSED
    assert result["wrong-host"].outcome is outcome


# Those that take TLS where it is offered


@pytest.mark.parametrize(("protocol", "name"), [("imap", "imaplib"), ("pop3", "poplib")])
def test_an_opportunistic_reader_gives_its_password_away_to_who_takes_tls_away(protocol, name):
    one = STRIPPED[protocol]
    result = audit_client(name, protocol=protocol, mode="opportunistic", ids=[one, "untrusted-root"])
    good, trusted, stripped = sorted(
        result.findings, key=lambda finding: ("good", "untrusted-root", one).index(finding.scenario)
    )
    assert (good.outcome, good.verdict) == (Outcome.RETRIEVED, Verdict.PASSED)
    assert sum("was retrieved, in TLS" in fact for fact in good.evidence) == 3
    assert (trusted.outcome, trusted.verdict) == (Outcome.REFUSED_CLEAN, Verdict.PASSED)
    assert (stripped.outcome, stripped.verdict) == (Outcome.LEAKED_CREDENTIALS, Verdict.FAILED)
    assert {*stripped.also} == {Outcome.DOWNGRADED, Outcome.RETRIEVED}
    assert (result.grade, result.flags) == (Grade.OPPORTUNISTIC, (Flag.LEAKS_CREDENTIALS_ACTIVE,))


def reads_by_a_digest(target):
    """Read by IMAP in TLS where it is offered, and log in by CRAM-MD5, which does not show the password."""
    client = imaplib.IMAP4(target.host, target.port, timeout=target.patience)
    try:
        if "STARTTLS" in client.capabilities:
            client.starttls(context_for(target))
        client.login_cram_md5(target.user, target.password)
        client.select("INBOX")
        client.fetch("1:*", "(BODY[])")
    finally:
        client.logout()


@pytest.mark.parametrize(
    ("mode", "outcome", "verdict"),
    [
        ("opportunistic", Outcome.DOWNGRADED, Verdict.CAPPED),
        ("starttls-required", Outcome.LEAKED_MESSAGE, Verdict.FAILED),
    ],
)
def test_a_reader_that_shows_no_password_is_downgraded_which_its_mode_may_allow(mode, outcome, verdict):
    one = STRIPPED["imap"]
    result, flags = findings(reads_by_a_digest, "imap", [one], mode=mode, mechanisms=["CRAM-MD5"])
    assert result["good"].verdict is Verdict.PASSED
    assert (result[one].outcome, result[one].verdict) == (outcome, verdict)
    assert "read the mail" in result[one].consequence
    assert flags == ()


# Each for itself


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
    if name not in ("imaplib", "poplib") and shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(
    ("protocol", "name", "mode"),
    [(protocol, name, mode) for protocol, name in BUILT_IN for mode in MODES.get(name, DeclaredMode)],
)
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
    ids = ["untrusted-root", "wrong-host", LOSING[protocol][0]]
    mode = "implicit" if name == "getmail" else "starttls-required"
    if mode == "starttls-required":
        ids += [STRIPPED[protocol], INJECTED[protocol]]
    result, flags = findings(name, protocol, ids, mode=mode)
    assert {one: result[one].outcome for one in ids} == dict.fromkeys(ids, Outcome.REFUSED_CLEAN)
    assert {one.verdict for one in result.values()} == {Verdict.PASSED}
    assert flags == ()


@pytest.mark.parametrize("protocol", STRIPPED)
def test_fetchmail_where_tls_is_optional_takes_any_certificate_and_reads_in_clear(protocol):
    needs("fetchmail")
    optional = adapter("fetchmail", declare("opportunistic", "pki", protocol=protocol))
    one = STRIPPED[protocol]
    result, flags = findings(optional, protocol, ["untrusted-root", one])
    assert result["good"].verdict is Verdict.PASSED
    assert (result["untrusted-root"].outcome, result["untrusted-root"].verdict) == (Outcome.RETRIEVED, Verdict.FAILED)
    assert "sslcertck" in result["untrusted-root"].fix
    assert (result[one].outcome, result[one].flaw) == (Outcome.LEAKED_CREDENTIALS, "downgrade")
    assert Flag.LEAKS_CREDENTIALS_ACTIVE in flags


@pytest.mark.parametrize("protocol", STRIPPED)
def test_fetchmail_with_an_empty_sslproto_gives_its_password_away_to_who_only_listens(protocol):
    needs("fetchmail")
    without = adapter("fetchmail", declare("none", "pki", protocol=protocol))
    result, flags = findings(without, protocol, ["good"])
    assert (result["good"].outcome, result["good"].verdict) == (Outcome.LEAKED_CREDENTIALS, Verdict.FAILED)
    assert Flag.LEAKS_CREDENTIALS_PASSIVE in flags


@pytest.mark.parametrize("protocol", STRIPPED)
def test_getmail_without_a_file_of_authorities_takes_any_certificate(protocol):
    needs("getmail")
    careful = adapter("getmail", declare("implicit", "pki", protocol=protocol))
    careless = replace(careful, template=careful.template.replace("ca_certs", "# ca_certs"))
    result, _ = findings(careless, protocol, ["untrusted-root", "wrong-host"], mode="implicit")
    assert {one.outcome for one in result.values()} == {Outcome.RETRIEVED}
    assert "ca_certs" in result["untrusted-root"].fix


TOKEN = {"mode": "implicit", "credentials": "ann:t0ken", "mechanisms": ["XOAUTH2"]}


@pytest.mark.parametrize(("protocol", "name"), [("imap", "curl"), ("pop3", "curl"), ("imap", "getmail")])
def test_a_built_in_client_that_can_logs_in_with_a_token(protocol, name):
    needs(name)
    (good,) = audit_client(name, protocol=protocol, ids=["good"], **TOKEN).findings
    assert good.outcome is Outcome.RETRIEVED, good
    assert any("AUTH XOAUTH2" in fact for fact in good.evidence)


@pytest.mark.parametrize(
    ("name", "declared", "complaint"),
    [
        ("getmail", {**TOKEN, "protocol": "pop3"}, "getmail has XOAUTH2 for IMAP only"),
        ("getmail", {"mode": "starttls-required"}, "implicit or none: getmail has no STARTTLS"),
        ("fetchmail", {"credentials": "ann:t0ken", "mechanisms": "XOAUTH2"}, "fetchmail has no OAuth"),
        ("fetchmail", {"credentials": 'ann:s3cret"word'}, "in ASCII without quotes"),
        ("getmail", {"credentials": "ann:s3cret ", "mode": "implicit"}, "in ASCII without quotes"),
    ],
)
def test_what_a_built_in_client_has_not_is_told_before_anything_is_run(name, declared, complaint):
    with pytest.raises(InvalidValueError, match=complaint) as error:
        audit_client(name, ids=["good"], **{"protocol": "imap", **declared})
    assert "s3cret" not in str(error.value)


def test_a_built_in_client_that_is_not_installed_is_said_to_be_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (good,) = audit_client("fetchmail", protocol="imap", ids=["good"]).findings
    assert good.verdict is Verdict.NOT_RUN
    assert "fetchmail" in good.reason


def test_fetchmail_loses_mail_where_a_dot_is_not_doubled_and_getmail_which_says_no_quit_does_not():
    needs("fetchmail")
    needs("getmail")
    loses, flags = findings("fetchmail", "pop3", ["pop3-early-dot"], mode="implicit")
    assert (loses["pop3-early-dot"].outcome, flags) == (Outcome.LOST_MAIL, (Flag.LOSES_MAIL,))
    keeps, flags = findings("getmail", "pop3", ["pop3-early-dot"], mode="implicit")
    assert (keeps["pop3-early-dot"].outcome, flags) == (Outcome.REFUSED_CLEAN, ())


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
    assert "Seen in 1 scenario (retrieved): untrusted-root" in text
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
