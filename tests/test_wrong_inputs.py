"""What people write by mistake, everywhere they can write something, is answered with what is wrong and the way on.

Each row has an input, the option or field that its error names, the value that it shows, and the words that lead on.
"""

from __future__ import annotations

import shlex
import warnings
from types import SimpleNamespace

import pytest

from smtpfix import (
    ANY_USER,
    Advertise,
    Delay,
    Hide,
    ImapPolicy,
    InvalidValueError,
    Limits,
    Policy,
    Pop3Policy,
    Reply,
    Rule,
    Server,
    SMTPFixError,
    Token,
    UnknownProvider,
    UnknownScenario,
)
from smtpfix.audit.auditing import declare
from smtpfix.cli import main
from smtpfix.conftest_plugin.servers import _marked
from smtpfix.mail.matching import Matcher
from smtpfix.policy.protocol import load_language
from smtpfix.probe.measurement import Probe
from smtpfix.rules.text import parse_rule
from smtpfix.settings.styles import find_style

USERS = {"ann": "s3cret"}

COMMANDS = [
    # commands and options
    ("serv", "command", "'serv'", "did you mean 'serve'?"),
    ("scenario", "command", "'scenario'", "did you mean 'scenarios'?"),
    ("list", "command", "'list'", "'smtpfix certs list'"),
    ("certs lst", "command", "'lst'", "did you mean 'list'?"),
    ("certs serve", "command", "'serve'", "'smtpfix serve --certificate ID'"),
    ("serve --listn plain:0", "option", "--listn", "did you mean --listen?"),
    ("serve --any_user", "option", "--any_user", "did you mean --any-user?"),
    ("serve --mode starttls", "option", "--mode", "did you mean --listen MODE:PORT?"),
    ("serve --port 2525", "option", "--port", "did you mean --listen MODE:PORT?"),
    ("probe localhost --port 2525", "option", "--port", "probe --help"),
    ("serve --tls-mn 1.2", "option", "--tls-mn", "did you mean --tls-m"),
    ("audit --trsut pki curl", "option", "--trsut", "did you mean --trust?"),
    ("probe --conection plain host", "option", "--conection", "did you mean --connection?"),
    ("certs write good --outt x", "option", "--outt", "did you mean --out?"),
    ("serve plain:2525", "option", "'plain:2525'", "--listen MODE:PORT"),
    ("probe", "HOST", "missing", "probe --help"),
    ("certs show", "ID", "missing", "certs show --help"),
    ("certs write good", "--out", "missing", "certs write --help"),
    # what serve takes
    ("serve --size-limit big", "--size-limit", "'big'", "a whole number"),
    ("serve --timeout soon", "--timeout", "'soon'", "a number"),
    ("serve --listen implicit:465", "--listen", "'implicit'", "'implicit-tls'"),
    ("serve --listen starttls-required:587", "--listen", "'starttls-required'", "'tls-required'"),
    ("serve --listen none:25", "--listen", "'none'", "'plain'"),
    ("serve --listen tls:465", "--listen", "'tls'", "'implicit-tls'"),
    ("serve --listen STARTTLS:587", "--listen", "'STARTTLS'", "did you mean 'starttls'?"),
    ("serve --listen tls_required:587", "--listen", "'tls_required'", "did you mean 'tls-required'?"),
    ("serve --listen plan:25", "--listen", "'plan'", "did you mean 'plain'?"),
    ("serve --listen 2525", "--listen", "'2525'", "did you mean 'plain:2525'?"),
    ("serve --listen starttls", "--listen", "'starttls'", "did you mean 'starttls:0'"),
    ("serve --listen imaps:993", "--listen", "'imaps:993'", "did you mean 'imap:993'?"),
    ("serve --listen imap+implicit:993", "--listen", "'implicit'", "'implicit-tls'"),
    ("serve --listen pop3+stls:110", "--listen", "'stls'", "'starttls'"),
    ("serve --listen plain:99999", "--listen", "99999", "from 0 to 65535"),
    ("serve --listen lmtp+unix:", "--listen", "'lmtp+unix:'", "PATH"),
    ("serve --user ann", "--user", "no colon after it", "write NAME:PASSWORD"),
    ("serve --any-user --user ann:s3cret", "--user", "names somebody", "leave one of them out"),
    ("serve --mechanism PLAN --any-user", "--mechanism", "'PLAN'", "did you mean 'PLAIN'?"),
    ("serve --mechanism SCRAM-SHA-256 --any-user", "--mechanism", "SCRAM", "--any-user"),
    ("serve --mechanism PLAIN", "--mechanism", "nobody can log in", "--any-user"),
    ("serve --require-auth", "--require-auth", "nobody can log in", "--user"),
    ("serve --client-certificate require --any-user", "--client-certificate", "'require'", "'required'"),
    ("serve --like gmial", "--like", "'gmial'", "Did you mean 'gmail'?"),
    ("serve --old-devices --like gmail", "--old-devices", "--like gmail", "take one"),
    ("serve --limit conections=1", "--limit", "'conections'", "did you mean 'connections'?"),
    ("serve --limit message_rate=30", "--limit", "30", "30/minute"),
    ("serve --limit connections", "--limit", "'connections'", "NAME=NUMBER"),
    ("serve --greylist 0", "--greylist", "0", "more than 0"),
    ("serve --offer DNS", "--offer", "'DNS'", "did you mean 'DSN'?"),
    ("serve --offer BINARYMIME", "--offer", "BINARYMIME", "CHUNKING"),
    ("serve --syntax strikt", "--syntax", "'strikt'", "did you mean 'strict'?"),
    ("serve --save-as maildir", "--save-as", "'maildir'", "--save DIR"),
    ("serve --save x --save-as mbox", "--save-as", "'mbox'", "files, maildir"),
    ("serve --keep 5", "--keep", "store", "--store FILE"),
    ("serve --keep-for 3w --store x", "--keep-for", "'3w'", "3d, 12h or 30m"),
    ("serve --web-host mail.test", "--web-host", "--web", "add --web"),
    ("serve --certificate expird", "--certificate", "'expird'", "Did you mean 'expired'"),
    ("serve --scenario rcpt-55", "--scenario", "'rcpt-55'", "'rcpt-550'"),
    ("serve --scenario expired --certificate cn-only", "--scenario", "'expired'", "take one of them"),
    ("serve --certificate no.toml", "--certificate", "'no.toml'", "a TOML file that can be read"),
    ("serve --certificate good --key-file k.pem", "--certificate", "'good'", "--certificate-file"),
    ("serve --certificate-file c.pem", "--certificate-file", "'c.pem'", "a PEM file"),
    (
        "serve --certificate expired --listen plain:0",
        "--listen",
        "plain cannot show",
        "starttls, tls-required or implicit-tls",
    ),
    ("serve --scenario pop3-strip-capa", "--listen", "pop3-strip-capa", "pop3+starttls:0"),
    ("serve --tls-min 1.4", "--tls-min", "'1.4'", "1.2, 1.3"),
    ("serve --tls-min 1.3 --tls-max 1.2", "--tls-min", "'1.3'", "--tls-max"),
    ("serve --key-type RSA", "--key-type", "'RSA'", "did you mean 'rsa'?"),
    ("serve --key-type rsa --listen plain:0", "--listen", "plain:0", "starttls:0"),
    ("serve --emit djngo", "--emit", "'djngo'", "did you mean 'django'?"),
    ("serve --emit env --listen lmtp+unix:/tmp/l", "--emit", "UNIX socket", "one with a port"),
    ("serve --exit-after 0", "--exit-after", "0", "1 or more"),
    ("serve --rule 'RCPT:450 4.2.1 Later'", "--rule", "'RCPT:450 4.2.1 Later'", "'RCPT: 450 4.2.1 Later'"),
    ("serve --rule 'RCPT 450'", "--rule", "'RCPT 450'", "'RCPT: 450'"),
    ("serve --rules no.toml", "--rules", "no.toml", "a TOML file that can be read"),
    ("serve --config no.toml", "--config", "no.toml", "a TOML file that can be read"),
    # certs, scenarios and providers
    ("certs list tsl", "GROUP", "'tsl'", "did you mean 'tls'?"),
    ("certs list --protocol imap4", "--protocol", "'imap4'", "did you mean 'imap'?"),
    ("certs show expird", "ID", "'expird'", "'smtpfix scenarios' lists all"),
    ("certs write rcpt-550 --out x", "ID", "'rcpt-550'", "smtpfix serve --scenario rcpt-550"),
    ("certs ca --out x.pem --key-type dsa", "--key-type", "'dsa'", "did you mean 'ecdsa'?"),
    ("scenarios delivry", "GROUP", "'delivry'", "did you mean 'delivery'?"),
    ("scenarios rcpt-5500", "ID", "'rcpt-5500'", "Did you mean 'rcpt-550'"),
    ("providers gmial", "provider", "'gmial'", "Did you mean 'gmail'?"),
    # audit
    ("audit", "CLIENT", "no client", "-- and a command"),
    ("audit ./send.py", "CLIENT", "'./send.py'", "smtpfix audit -- ./send.py"),
    ("audit python send.py", "CLIENT", "python send.py", "smtpfix audit -- python send.py"),
    ("audit crul", "CLIENT", "'crul'", "did you mean 'curl'?"),
    ("audit imaplib", "CLIENT", "'imaplib'", "it speaks IMAP"),
    ("audit --mode starttls curl", "--mode", "'starttls'", "'starttls-required' if it sends nothing without"),
    ("audit --mode tls-required curl", "--mode", "'tls-required'", "'starttls-required'"),
    ("audit --mode opportunist curl", "--mode", "'opportunist'", "did you mean 'opportunistic'?"),
    ("audit --trust pinend curl", "--trust", "'pinend'", "did you mean 'pinned'?"),
    ("audit --group striping curl", "--group", "'striping'", "did you mean 'stripping'?"),
    ("audit --scenario expird curl", "--scenario", "'expird'", "Did you mean 'expired'"),
    ("audit --protocol pop smtplib", "--protocol", "'pop'", "did you mean 'pop3'?"),
    ("audit --family tmail/x curl", "--family", "'tmail'", "did you mean 'tmail-c'?"),
    ("audit --family tmail-c curl", "--family", "tmail-c", "tmail-c/port-465 or"),
    ("audit --mechanisms PLIAN --credentials ann:s3cret-of-mine curl", "--mechanisms", "'PLIAN'", "'PLAIN'"),
    ("audit --language pyton -- x", "--language", "'pyton'", "did you mean 'python'?"),
    ("audit --grade z curl", "--grade", "'z'", "A (authenticated)"),
    ("audit --env A -- x", "--env", "'A'", "NAME=VALUE"),
    ("audit --here curl", "--here", "'curl'", "it is for a command"),
    ("audit --host 0.0.0.0 curl", "--host", "other machines", "add --wait"),
    ("audit --jobs 0 curl", "--jobs", "0", "1 or more"),
    ("audit -- x {hots}", "command", "{hots}", "{host}"),
    ("audit --credentials ann curl", "--credentials", "something else", "user:password"),
    # probe
    ("probe --connection implicit-tsl x", "--connection", "'implicit-tsl'", "did you mean 'implicit-tls'?"),
    ("probe --connection ssl x", "--connection", "'ssl'", "'implicit-tls'"),
    ("probe imapz://x", "HOST", "'imapz'", "did you mean 'imap'?"),
    ("probe imaps://x --connection starttls", "--connection", "starttls", "leave one of them out"),
    ("probe x --user ann", "--user", "'ann'", "no password or token"),
    ("probe x --to a@example.org", "--from", "None", "a sender"),
    ("probe x --user ann --password p --mechanism PLANE", "--mechanism", "'PLANE'", "did you mean 'PLAIN'?"),
    ("probe x --json --prometheus", "--json", "--prometheus", "choose one"),
    ("probe x --warn total=1", "--warn", "--critical", "add it"),
]

PYTHON = [
    # policies of the three protocols
    (lambda: Policy(user=USERS), "field", "'user'", "did you mean 'users'?"),
    (lambda: ImapPolicy(folder=["A"]), "field", "'folder'", "did you mean 'folders'?"),
    (lambda: Pop3Policy(logindelay=1), "field", "'logindelay'", "did you mean 'login_delay'?"),
    (lambda: Policy(rules=["RCPT: 450"]), "field", "'rules'", "server.on("),
    (lambda: Policy().replace(like="gmail"), "field", "'like'", 'Policy.like("gmail")'),
    (lambda: Policy(tls=True), "field", "'tls'", '"implicit-tls"'),
    (lambda: Policy(password="x"), "field", "'password'", "users="),
    (lambda: Policy("implicit"), "Policy.mode", "'implicit'", "'implicit-tls'"),
    (lambda: ImapPolicy("opportunistic"), "ImapPolicy.mode", "'opportunistic'", "'starttls'"),
    (lambda: Pop3Policy("stls"), "Pop3Policy.mode", "'stls'", "'starttls'"),
    (lambda: Policy("startls"), "Policy.mode", "'startls'", "did you mean 'starttls'?"),
    (lambda: Policy(mechanisms="PLAIN"), "Policy.mechanisms", "'PLAIN'", "['PLAIN']"),
    (lambda: Policy(mechanisms=["CRAM"]), "Policy.mechanisms", "'CRAM'", "did you mean 'CRAM-MD5'?"),
    (lambda: Policy(hide=["STARTLS"]), "Policy.hide", "'STARTLS'", "did you mean 'STARTTLS'?"),
    (lambda: ImapPolicy(hide=["IDEL"]), "ImapPolicy.hide", "'IDEL'", "did you mean 'IDLE'?"),
    (lambda: Pop3Policy(hide=["TLS"]), "Pop3Policy.hide", "'TLS'", "did you mean 'STLS'?"),
    (lambda: Policy(refuse=["bare_lf"]), "Policy.refuse", "'bare_lf'", "did you mean 'bare-lf'?"),
    (lambda: Policy(protocol="imap"), "Policy.protocol", "'imap'", "ImapPolicy(...)"),
    (lambda: Policy(tls_min="TLS1.2"), "Policy.tls_min", "'TLS1.2'", "did you mean 'TLSv1.2'?"),
    (lambda: Policy(tls_min="1.3", tls_max="1.2"), "Policy.tls_min", "'TLSv1.3'", "tls_max"),
    (lambda: Policy(client_certificate="require"), "Policy.client_certificate", "'require'", "'required'"),
    (lambda: Policy(certificate="expird"), "Policy.certificate", "'expird'", "Did you mean 'expired'"),
    (lambda: Policy(certificate="my.toml"), "Policy.certificate", "'my.toml'", "Path('my.toml')"),
    (lambda: Policy("plain", scenario="plain-on-tls-port"), "Policy.scenario", "'plain-on-tls-port'", "implicit-tls"),
    (lambda: Policy("starttls", scenario="imap-wrong-tag"), "Policy.scenario", "'imap-wrong-tag'", "IMAP"),
    (lambda: Policy(require_auth=True), "Policy.require_auth", "True", "name users"),
    (lambda: Policy(unix_socket="lmtp.sock"), "Policy.unix_socket", "SMTP", "protocol='lmtp'"),
    (lambda: Policy(replies={"bad_credential": "no"}), "Policy.replies", "'bad_credential'", "'bad_credentials'"),
    (lambda: Policy(users=USERS, limits={"errors": 1}), "Policy.limits", "errors", "Limits"),
    (lambda: Limits(message_rat="3/minute"), "field", "'message_rat'", "did you mean 'message_rate'?"),
    (lambda: Limits(message_rate="3 a minute"), "Limits.message_rate", "'3 a minute'", "30/minute"),
    (lambda: Policy.like("gmial"), "provider", "'gmial'", "Did you mean 'gmail'?"),
    (lambda: Policy().replace("plain", "starttls"), "mode", "'starttls'", "one mode"),
    (lambda: Token("a b"), "Token.value", "something else", "ASCII letters"),
    # servers and their rules
    (lambda: Server("plain"), "Policy", "'plain'", "Server(Policy('plain'))"),
    (lambda: Server().on("RCPTO", Reply(450)), "Rule.stage", "'RCPTO'", "did you mean 'RCPT'?"),
    (lambda: Server().on("RCPT", Reply(450), time=1), "field", "'time'", "did you mean 'times'?"),
    (lambda: Server().on("RCPT", Reply(450), to="ann@x.example"), "field", "'to'", "argument="),
    (lambda: Server().on("RCPT", Reply(450), count=1), "field", "'count'", "times=1"),
    (lambda: Server().on("RCPT", Reply(450), Reply(550)), "Rule.actions", "Reply", "another rule"),
    (lambda: Server().on("EHLO", Hide("FOO")), "Hide.keywords", "'FOO'", "begin with X"),
    (lambda: Server().on("EHLO", Hide("PIPELINNG")), "Hide.keywords", "'PIPELINNG'", "did you mean 'PIPELINING'?"),
    (lambda: Server().on("RCPT", Advertise("XA")), "Rule.actions", "Advertise", "it belongs to EHLO"),
    (lambda: Server().off("RCPT"), "off", "'RCPT'", "server.on(...)"),
    (lambda: Server(ImapPolicy()).off("LOGIN"), "off", "'LOGIN'", "server.on(...)"),
    (lambda: Server().fired("x"), "fired", "'x'", "server.on(...)"),
    (lambda: Server().fired_at("x"), "fired_at", "'x'", "server.on(...)"),
    (lambda: Rule("RCPT", Delay(1)), "Rule.actions", "Delay", "a tuple"),
    (lambda: Reply(450, "Greylisted"), "Reply.enhanced", "'Greylisted'", "text=..."),
    (lambda: Reply(450, "5.1.1"), "Reply.enhanced", "'5.1.1'", "begin it with 4"),
    (lambda: Reply(99), "Reply.code", "99", "from 200 to 599"),
    (lambda: Matcher({"subjct": "x"}), "message", "'subjct'", "did you mean 'subject'?"),
    (lambda: find_style("djang"), "style", "'djang'", "did you mean 'django'?"),
    (lambda: Server(ImapPolicy(users=USERS)).inbox.accounts["bob"], "user", "'bob'", "ann"),
    (lambda: declare("starttls", "pki"), "mode", "'starttls'", "'opportunistic' if"),
    (lambda: Probe("x", 25, connection="tls"), "Probe.connection", "'tls'", "implicit-tls"),
]

RULES = [
    ("smtp", "RCPTO: 450 no", "stage", "'RCPTO: 450 no'", "did you mean 'RCPT'?"),
    ("imap", "LOGN: NO later", "stage", "'LOGN: NO later'", "did you mean 'LOGIN'?"),
    ("pop3", "RETRE: -ERR no", "stage", "'RETRE: -ERR no'", "did you mean 'RETR'?"),
    ("smtp", "RCPT:450", "rule", "'RCPT:450'", "'RCPT: 450'"),
    ("smtp", "RCPT: 450 no x1 x2", "rule", "'RCPT: 450 no x1 x2'", "write xN once"),
    ("smtp", "RCPT: delai 3s", "action", "'delai 3s'", "did you mean 'delay'?"),
    ("smtp", "EHLO: hide FOO", "Hide.keywords", "'FOO'", "STARTTLS"),
    ("smtp", "RCPT 50%: 450 no", "argument", "'50%'", "probability 0.5"),
    ("smtp", "RCPT afer 2: 450 no", "argument", "'afer 2'", "after N"),
    ("smtp", "RCPT seed 3: 450 no", "rule", "'seed 3'", "probability 0.5"),
]

CONFIG = [
    ("lisen = []", "option", "'lisen'", "did you mean 'listen'"),
    ("any_user = true", "any_user", "'any_user'", "'any-user'"),
    ("listen = ['implicit:0']", "--listen", "'implicit'", "'implicit-tls'"),
    ("size-limit = 'big'", "--size-limit (from --config)", "'big'", "a whole number"),
    ("any-user = 'yes'", "any-user", "str", "true or false"),
    ("syntax = 'strikt'", "--syntax (from --config)", "'strikt'", "did you mean 'strict'?"),
]

ENVIRONMENT = [
    ("LISTEN", "implicit:0", "SMTPFIX_SERVE_LISTEN (--listen)", "'implicit'", "'implicit-tls'"),
    ("SIZE_LIMIT", "big", "SMTPFIX_SERVE_SIZE_LIMIT", "'big'", "a whole number"),
    ("TLS_MIN", "1.4", "SMTPFIX_SERVE_TLS_MIN", "'1.4'", "1.2, 1.3"),
    ("LIKE", "gmial", "--like", "'gmial'", "Did you mean 'gmail'?"),
]

MARKERS = [
    ("smtp", Policy(), {"user": USERS}, "marker smtp", "'user'", "did you mean 'users'?"),
    ("smtp", Policy(), {"lik": "gmail"}, "marker smtp", "'lik'", "did you mean 'like'?"),
    ("smtp", Policy(), {"strict_rule": True}, "marker smtp", "'strict_rule'", "did you mean 'strict_rules'?"),
    ("imap", ImapPolicy(), {"quotas": 1}, "marker imap", "'quotas'", "did you mean 'quota'?"),
    ("pop3", Pop3Policy(), {"like": "gmail"}, "marker pop3", "'like'", "Only SMTP"),
]

POINTLESS = [
    (lambda: Server(Policy(certificate="expired")), "Policy.certificate", "mode plain", "such as starttls"),
    (lambda: Server(ImapPolicy(certificate="expired")), "Policy.certificate", "mode plain", "such as starttls"),
    (lambda: Server(Pop3Policy(certificate="expired")), "Policy.certificate", "mode plain", "such as starttls"),
    (lambda: Server(Policy(users=USERS, mechanisms=["XOAUTH2"])), "Policy.mechanisms", "XOAUTH2", "a Token"),
]


@pytest.fixture
def complaint(capfd, monkeypatch):
    """Run a command line that must come to nothing, and return what it says."""
    for ran in ("smtpfix.cli.serve.serve", "smtpfix.audit.auditing.Audit.run", "smtpfix.cli.probe.probe"):
        monkeypatch.setattr(ran, lambda *_, **__: pytest.fail("it ran"))

    def run(arguments: list[str]) -> str:
        assert main(arguments) == 2
        captured = capfd.readouterr()
        assert (captured.out, captured.err.count("\n")) == ("", 1)
        return captured.err

    return run


def assert_leads_on(text: str, *words: str) -> None:
    assert [word for word in words if word not in text] == [], text
    assert "expected expected" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(("line", "named", "value", "way_on"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_on_the_command_line(complaint, line, named, value, way_on):
    assert_leads_on(complaint(shlex.split(line)), named, value, way_on)


@pytest.mark.parametrize(("build", "named", "value", "way_on"), PYTHON, ids=[f"{row[1]}-{row[2]}" for row in PYTHON])
def test_in_python(build, named, value, way_on):
    with pytest.raises((SMTPFixError, TypeError)) as caught:
        build()
    assert_leads_on(str(caught.value), named, value, way_on)


@pytest.mark.parametrize(("protocol", "rule", "named", "value", "way_on"), RULES, ids=[row[1] for row in RULES])
def test_in_the_text_of_a_rule(protocol, rule, named, value, way_on):
    language = load_language(protocol)
    with pytest.raises(InvalidValueError) as caught:
        language.check(parse_rule(rule, language))
    assert_leads_on(str(caught.value), named, value, way_on)


@pytest.mark.parametrize(("text", "named", "value", "way_on"), CONFIG, ids=[row[0] for row in CONFIG])
def test_in_a_config_file(complaint, tmp_path, text, named, value, way_on):
    file = tmp_path / "serve.toml"
    file.write_text(text)
    assert_leads_on(complaint(["serve", "--config", str(file)]), named, value, way_on)


@pytest.mark.parametrize(("name", "text", "named", "value", "way_on"), ENVIRONMENT, ids=[row[0] for row in ENVIRONMENT])
def test_in_the_environment(complaint, monkeypatch, name, text, named, value, way_on):
    monkeypatch.setenv(f"SMTPFIX_SERVE_{name}", text)
    assert_leads_on(complaint(["serve"]), named, value, way_on)


@pytest.mark.parametrize(("protocol", "policy", "given", "named", "value", "way_on"), MARKERS)
def test_in_a_marker(protocol, policy, given, named, value, way_on):
    marker = SimpleNamespace(args=(), kwargs=given)
    with pytest.raises(TypeError) as caught:
        _marked(None, protocol, policy, [marker])
    assert_leads_on(str(caught.value), named, value, way_on)


@pytest.mark.parametrize(("build", "named", "value", "way_on"), POINTLESS)
def test_what_has_no_effect_is_a_warning(build, named, value, way_on):
    with pytest.warns(UserWarning, match=named) as caught:
        build()
    assert_leads_on(str(caught[0].message), named, value, way_on)


@pytest.mark.parametrize("policy", [Policy(), ImapPolicy(), Pop3Policy()])
def test_time_does_not_go_back_and_says_where_nothing_goes_by_it(policy):
    with Server(policy) as server:
        with pytest.raises(InvalidValueError, match=r"Server\.advance: expected seconds, 0 or more.*, got -5"):
            server.advance(-5)
        with pytest.warns(UserWarning, match=r"advance\(\) changes nothing: "):
            server.advance(60)


def test_what_has_an_effect_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Server(Policy("starttls", certificate="expired", users=ANY_USER, mechanisms=["XOAUTH2"]))
        Server(Policy(users={"ann": ["s3cret", Token("abc")]}, mechanisms=["XOAUTH2"]))
        with Server(Policy(greylist=60)) as server, Server(Pop3Policy(login_delay=9)) as reading:
            server.advance(60)
            reading.advance(9)
            reading.advance(0)


def test_the_words_of_one_set_of_modes_work_where_they_leave_one_of_the_other():
    assert declare("implicit-tls", "pki").mode == "implicit"
    assert declare("plain", "pki").mode == "none"


def test_there_are_many():
    assert len([*COMMANDS, *PYTHON, *RULES, *CONFIG, *ENVIRONMENT, *MARKERS, *POINTLESS]) >= 140


def test_the_errors_are_still_what_callers_catch():
    for build, kind in (
        (lambda: Policy(certificate="x"), UnknownScenario),
        (lambda: Policy.like("x"), UnknownProvider),
    ):
        with pytest.raises(kind):
            build()
