"""Providers: real clients deliver in each documented mode, and what the servers say is what the profiles say."""

import re
import smtplib
from pathlib import Path

import pytest

from smtpfix import ANY_USER, InvalidValueError, Limits, Policy, Reply, Server, SMTPFixError, UnknownProvider
from smtpfix.cli import main
from smtpfix.cli.options import read_options
from smtpfix.smtp.keywords import EXTENSIONS, OPTIONAL_EXTENSIONS
from smtpfix.smtp.providers import Provider, load_provider, provider_names
from smtpfix.smtp.replies import standard_replies

NAMES = provider_names()
ASKED_FOR = ("gmail", "office365", "ses", "postfix", "exchange")
MESSAGE = "Subject: x\r\n\r\nx\r\n"
MODES = [(name, mode) for name in NAMES for mode in dict.fromkeys(load_provider(name).ports.values())]
FILE = """\
title = "Example"
mode = "starttls"
checked = 2026-11-22
ports = {587 = "starttls"}
policy = {}
sources = [{url = "https://example.org/", shows = "all of it"}]
"""


def connect(server):
    options = {"local_hostname": "client.example", "timeout": 10}
    if server.mode == "implicit-tls":
        return smtplib.SMTP_SSL(server.host, server.port, context=server.ssl_context(), **options)
    return smtplib.SMTP(server.host, server.port, **options)


def filled(text):
    """Return a pattern for a text whose placeholders are filled in."""
    found = re.escape(text).replace(r"\{hostname\}", r"mx\.smtpfix\.test").replace(r"\{client\}", "(127.0.0.1|::1)")
    return re.sub(r"\\\{(session_id|queue_id|date)\\\}", "[0-9A-Za-z:,+ ]+", found)


def said(name, reply, text):
    """Return whether a text is what a provider's profile has for one of the standard replies; or the reply itself."""
    provider = load_provider(name)
    has_codes = "ENHANCEDSTATUSCODES" in provider.fields["capabilities"]
    wanted = provider.fields.get("replies", {}).get(reply, standard_replies()[reply])
    lines = wanted.encode(enhanced=has_codes).decode().removesuffix("\r\n").split("\r\n")
    return re.fullmatch(filled("\n".join(lines)), text) is not None


def greeted(name):
    return re.compile(filled("220 " + load_provider(name).fields["greeting"]))


# Profiles


def test_there_is_a_profile_of_each_that_was_asked_for():
    assert set(ASKED_FOR) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_has_sources_ports_and_its_own_mode_among_them(name):
    provider = load_provider(name)
    assert provider.sources
    assert len({source.url for source in provider.sources}) == len(provider.sources)
    assert provider.mode in provider.ports.values()
    assert provider.checked.year >= 2026


@pytest.mark.parametrize("name", NAMES)
def test_what_is_left_out_is_named_and_everything_else_is_offered_in_the_documented_order(name):
    provider = load_provider(name)
    policy = Policy.like(name)
    documented = provider.fields["capabilities"]
    assert policy.capabilities == tuple(line for line in documented if line not in provider.left_out)
    assert policy.offer == {line for line in documented if line in OPTIONAL_EXTENSIONS}
    assert not {*EXTENSIONS, *OPTIONAL_EXTENSIONS} & set(provider.left_out)


@pytest.mark.parametrize("name", NAMES)
def test_the_mechanisms_are_those_of_the_profile(name):
    assert Policy.like(name).mechanisms == load_provider(name).fields["mechanisms"]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_for_people_has_each_profile_with_all_its_sources(name):
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.split("\n") if line.startswith(f"| `{name}` |"))
    provider = load_provider(name)
    for text in (provider.title, str(provider.checked), *(source.url for source in provider.sources)):
        assert text in row


# On the wire


@pytest.mark.parametrize(("name", "mode"), MODES)
def test_smtplib_logs_in_and_delivers_in_each_documented_mode(name, mode):
    with Server(Policy.like(name, mode, users={"ann": "s3cret"})) as server, connect(server) as client:
        if mode in ("starttls", "tls-required"):
            client.starttls(context=server.ssl_context())
        client.login("ann", "s3cret")
        assert client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE) == {}
        message = server.inbox.one()
        assert (message.user, message.in_tls) == ("ann", True)


@pytest.mark.parametrize("name", NAMES)
def test_a_session_says_what_the_profile_says(wire, name):
    """From the greeting to QUIT, in the provider's usual mode, on a raw socket."""
    provider = load_provider(name)
    policy = Policy.like(name, users={"ann": "s3cret"})
    with Server(policy) as server:
        client = wire(server, greeted=False)
        assert greeted(name).fullmatch(client.reply())
        in_clear = client.hello()
        assert said(name, "start_tls", client.say("STARTTLS"))
        client.handshake()
        in_tls = client.hello()
        for reply, has_tls in ((in_clear, False), (in_tls, True)):
            first, *lines = (line[4:] for line in reply.split("\n"))
            assert re.fullmatch(filled(f"{{hostname}} {provider.fields.get('ehlo_greet', '')}".strip()), first)
            expected = {
                "SIZE": f"SIZE {policy.size_limit}",
                "STARTTLS": None if has_tls else "STARTTLS",
                "AUTH": f"AUTH {' '.join(policy.mechanisms)}" if policy.offers_auth(in_tls=has_tls) else None,
            }
            assert lines == [line for word in policy.capabilities if (line := expected.get(word, word)) is not None]
        if policy.require_auth:
            assert said(name, "auth_required", client.say("MAIL FROM:<ann@example.org>"))
        mechanism = "AUTH LOGIN"
        for password, reply in (("bm9wZQ==", "bad_credentials"), ("czNjcmV0", "authenticated")):
            assert client.say(mechanism).startswith("334 ")
            assert client.say("YW5u").startswith("334 ")
            assert said(name, reply, client.say(password))
        assert said(name, "sender_accepted", client.say("MAIL FROM:<ann@example.org>"))
        assert said(name, "recipient_accepted", client.say("RCPT TO:<bob@example.org>"))
        assert said(name, "start_content", client.say("DATA"))
        accepted = client.say(MESSAGE + ".")
        assert said(name, "accepted", accepted)
        assert accepted == server.inbox.one().reply.encode(enhanced=policy.has("ENHANCEDSTATUSCODES")).decode().strip()
        too_large = f"MAIL FROM:<ann@example.org> SIZE={policy.size_limit + 1}"
        assert said(name, "too_much_data", client.say(too_large))
        assert said(name, "bye", client.say("QUIT"))


def lines_of(reply):
    """Return the lines of a reply to EHLO behind the first."""
    return [line[4:] for line in reply.split("\n")[1:]]


GMAIL = "SIZE 35882577|8BITMIME|AUTH LOGIN PLAIN XOAUTH2 OAUTHBEARER|ENHANCEDSTATUSCODES|PIPELINING|CHUNKING|SMTPUTF8"
OFFICE365 = "ENHANCEDSTATUSCODES|AUTH LOGIN XOAUTH2|8BITMIME|BINARYMIME|CHUNKING|SMTPUTF8"
POSTFIX = "AUTH PLAIN LOGIN|ENHANCEDSTATUSCODES|8BITMIME|DSN|SMTPUTF8|CHUNKING"
EXCHANGE = "ENHANCEDSTATUSCODES|X-ANONYMOUSTLS|AUTH LOGIN|X-EXPS GSSAPI NTLM|8BITMIME|BINARYMIME|CHUNKING|XRDST"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gmail", GMAIL),
        ("office365", f"SIZE 157286400|PIPELINING|DSN|{OFFICE365}"),
        ("ses", "8BITMIME|SIZE 10485760|AUTH PLAIN LOGIN|Ok"),
        ("postfix", f"PIPELINING|SIZE 10240000|VRFY|{POSTFIX}"),
        ("exchange", f"SIZE 37748736|PIPELINING|DSN|{EXCHANGE}"),
        ("sendgrid", "8BITMIME|PIPELINING|SIZE 31457280|AUTH PLAIN LOGIN|AUTH=PLAIN LOGIN"),
    ],
)
def test_the_reply_to_ehlo_in_tls_is_line_by_line_as_documented(wire, name, expected):
    with Server(Policy.like(name)) as server:
        client = wire(server, greeted=False)
        client.reply()
        client.start_tls()
        assert lines_of(client.hello()) == expected.split("|")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gmail", "SIZE 35882577|8BITMIME|STARTTLS|ENHANCEDSTATUSCODES|PIPELINING|CHUNKING|SMTPUTF8"),
        ("ses", "8BITMIME|SIZE 10485760|STARTTLS|AUTH PLAIN LOGIN|Ok"),
    ],
)
def test_the_reply_to_ehlo_in_clear_is_line_by_line_as_documented(wire, name, expected):
    with Server(Policy.like(name)) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert lines_of(client.hello()) == expected.split("|")


def test_ses_offers_auth_in_clear_and_answers_it_530_and_the_password_is_on_record(wire):
    with Server(Policy.like("ses", users={"ann": "s3cret"})) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert "250-AUTH PLAIN LOGIN" in client.hello()
        assert client.say("AUTH PLAIN AGFubgBzM2NyZXQ=") == "530 Must issue a STARTTLS command first"
        client.say("QUIT")
        (attempt,) = server.sessions[-1].auth
        assert (attempt.in_clear, attempt.accepted) == (True, False)
        assert (attempt.user, attempt.secret) == ("ann", "s3cret")


@pytest.mark.parametrize("name", ["exchange", "gmail", "office365", "postfix"])
def test_a_client_that_uses_bdat_is_served(wire, name):
    with Server(Policy.like(name, "plain", users={"ann": "s3cret"})) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert "CHUNKING" in lines_of(client.hello())
        client.say("AUTH LOGIN")
        client.say("YW5u")
        assert client.say("czNjcmV0").startswith("235 ")
        assert said(name, "sender_accepted", client.say("MAIL FROM:<ann@example.org>"))
        assert said(name, "recipient_accepted", client.say("RCPT TO:<bob@example.org>"))
        client.send(b"BDAT 14\r\nSubject: x\r\n\r\n")
        assert client.reply().startswith("250 ")
        client.send(b"BDAT 3 LAST\r\nx\r\n")
        assert said(name, "accepted", client.reply())
        assert server.inbox.one().chunks == (14, 3)


@pytest.mark.parametrize("name", ["exchange", "office365", "postfix"])
def test_a_client_that_asks_for_notifications_is_served(name):
    with Server(Policy.like(name, "plain")) as server, connect(server) as client:
        client.login("ann", "any")
        assert client.has_extn("dsn")
        client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE, ["RET=HDRS"], ["NOTIFY=FAILURE"])
        envelope = server.inbox.one().envelope
        assert (envelope.parameter("RET"), envelope.parameter("NOTIFY", "bob@example.org")) == ("HDRS", "FAILURE")


@pytest.mark.parametrize("name", ["gmail", "sendgrid", "ses"])
def test_notifications_are_refused_where_they_are_not_offered(wire, name):
    with Server(Policy.like(name, "plain", require_auth=False)) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert "DSN" not in lines_of(client.hello())
        assert client.say("MAIL FROM:<ann@example.org> RET=HDRS").startswith("555 ")


def test_bdat_is_refused_where_it_is_not_offered(wire):
    with Server(Policy.like("ses", "plain", require_auth=False)) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert "CHUNKING" not in lines_of(client.hello())
        client.say("MAIL FROM:<ann@example.org>")
        client.say("RCPT TO:<bob@example.org>")
        client.send(b"BDAT 3 LAST\r\n")
        assert client.reply().startswith("50")


def test_extensions_of_a_policy_can_be_taken_from_a_profile_or_added(wire):
    for offer, expected in (([], []), (["DSN"], ["DSN"])):
        with Server(Policy.like("gmail", "plain", offer=offer)) as server:
            client = wire(server, greeted=False)
            client.reply()
            lines = lines_of(client.hello())
            assert lines[-2:] == (["PIPELINING", "SMTPUTF8"] if not offer else ["SMTPUTF8", *expected])
            assert "CHUNKING" not in lines


@pytest.mark.parametrize("name", [name for name in NAMES if load_provider(name).mode == "tls-required"])
def test_mail_in_clear_is_refused_where_tls_is_required(wire, name):
    with Server(Policy.like(name)) as server:
        client = wire(server, greeted=False)
        client.reply()
        client.hello()
        assert said(name, "tls_required", client.say("MAIL FROM:<ann@example.org>"))


@pytest.mark.parametrize("name", ["office365", "exchange"])
def test_a_login_in_clear_is_refused_as_microsoft_does(wire, name):
    with Server(Policy.like(name)) as server:
        client = wire(server, greeted=False)
        client.reply()
        assert "AUTH" not in client.hello()
        assert client.say("AUTH LOGIN").startswith("504 5.7.4 Unrecognized authentication type")


@pytest.mark.parametrize("name", [name for name in NAMES if "max_recipients" in load_provider(name).fields])
def test_the_number_of_recipients_is_the_documented_one(name):
    policy = Policy.like(name)
    most = policy.max_recipients
    with Server(policy.replace("plain", require_auth=False, limits=None)) as server, connect(server) as client:
        addresses = [f"bob{number}@example.org" for number in range(most + 1)]
        refused = client.sendmail("ann@example.org", addresses, MESSAGE)
        assert {address: code for address, (code, _) in refused.items()} == {addresses[-1]: 452}


def test_postfix_hangs_up_after_twenty_errors(wire):
    with Server(Policy.like("postfix", "plain", require_auth=False)) as server:
        client = wire(server, greeted=False)
        assert client.reply() == "220 mx.smtpfix.test ESMTP Postfix"
        replies = [client.say("NONSENSE") for _ in range(20)]
        assert replies == ["502 5.5.2 Error: command not recognized"] * 20
        assert client.rest() == b"421 4.7.0 mx.smtpfix.test Error: too many errors\r\n"


def test_every_message_has_a_queue_id_of_its_own():
    with Server(Policy.like("postfix", "plain")) as server, connect(server) as client:
        client.login("ann", "any")
        for _ in range(2):
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        first, second = (message.reply.text for message in server.inbox)
        assert first.startswith("Ok: queued as ")
        assert first != second


def test_a_refusal_for_rules_is_answered_as_it_is_written(wire):
    refusal = load_provider("gmail").refusals["no_such_user"]
    with Server(Policy.like("gmail", "plain", require_auth=False)) as server, connect(server) as client:
        server.on("RCPT", refusal)
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            client.sendmail("ann@example.org", ["bob@example.org"], MESSAGE)
        assert caught.value.recipients == {"bob@example.org": (550, b"5.1.1 " + refusal.text.encode())}


# Words of one's own


def test_a_text_alone_keeps_the_codes_and_fills_in_placeholders(wire):
    policy = Policy(greeting="{hostname} ready", ehlo_greet="hi {client}", replies={"bye": "So long, {client}"})
    with Server(policy) as server:
        client = wire(server, greeted=False)
        assert client.reply() == "220 mx.smtpfix.test ready"
        assert client.hello().startswith("250-mx.smtpfix.test hi 127.0.0.1\n250-PIPELINING\n")
        assert client.say("QUIT") == "221 2.0.0 So long, 127.0.0.1"


def test_a_rule_s_reply_is_the_rule_s_also_where_it_equals_a_standard_one(wire):
    with Server(Policy(replies={"bye": "So long"})) as server:
        server.on("QUIT", Reply(221, "2.0.0", "Bye"), times=1)
        client = wire(server)
        assert client.say("QUIT") == "221 2.0.0 Bye"


def test_a_message_refused_in_other_words_is_refused(wire):
    policy = Policy(size_limit=10, replies={"too_much_data": Reply(554, "5.6.0", "No, {client}")})
    with Server(policy) as server:
        client = wire(server)
        client.hello()
        assert client.deliver(b"x" * 100 + b"\r\n") == "554 5.6.0 No, 127.0.0.1"
        assert len(server.inbox) == 0


def test_lmtp_answers_for_each_recipient_in_other_words(wire):
    with Server(Policy(protocol="lmtp", replies={"accepted": "Taken from {client}"})) as server:
        client = wire(server, greeted=False)
        assert client.reply() == "220 mx.smtpfix.test LMTP smtpfix"
        client.say("LHLO client.example")
        client.say("MAIL FROM:<ann@example.org>")
        for name in ("bob", "eve"):
            client.say(f"RCPT TO:<{name}@example.org>")
        client.say("DATA")
        client.send(MESSAGE.encode() + b".\r\n")
        assert client.replies(2) == ["250 2.0.0 Taken from 127.0.0.1"] * 2
        assert [reply.text for reply in server.inbox.one().replies] == ["Taken from 127.0.0.1"] * 2


def test_optional_extensions_stand_where_capabilities_have_them_and_else_at_the_end(wire):
    offer = ["DSN", "MT-PRIORITY", "REQUIRETLS", "LIMITS"]
    policy = Policy(
        "starttls", offer=offer, capabilities=["LIMITS", "REQUIRETLS", "SIZE", "DSN", "CHUNKING", "8BITMIME"]
    )
    with Server(policy) as server:
        client = wire(server)
        assert lines_of(client.hello()) == ["LIMITS RCPTMAX=10000", "SIZE 33554432", "DSN", "8BITMIME", "MT-PRIORITY"]
        assert client.say("MAIL FROM:<ann@example.org> RET=HDRS MT-PRIORITY=1").startswith("250 ")
    assert all(policy.has(name) for name in offer)
    assert not policy.has("CHUNKING")


def test_lines_of_the_reply_to_ehlo_stand_in_the_order_given_and_what_is_not_among_them_is_not_there(wire):
    with Server(Policy("starttls", capabilities=["X-A b", "8BITMIME", "SIZE"])) as server:
        client = wire(server)
        assert client.hello() == "250-mx.smtpfix.test\n250-X-A b\n250-8BITMIME\n250 SIZE 33554432"
        assert client.say("STARTTLS").startswith("502 ")


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"goodbye": "x"}, "there is no reply 'goodbye' (did you mean 'bye'?); there are bye, "),
        ({"bye": 221}, "a Reply, or its text"),
        ({"bye": Reply(250)}, "a reply 221"),
        ({"start_content": Reply(250)}, "a reply 354"),
        ({"too_many_errors": Reply(550)}, "a reply 421"),
        ({"too_much_data": Reply(250)}, "a reply 4yz or 5yz, but not 421"),
        ({"too_much_data": Reply(421)}, "a reply 4yz or 5yz, but not 421"),
        ({"bye": "{who}"}, "only the placeholders {hostname}"),
    ],
)
def test_words_that_would_mean_something_else_are_refused(replies, expected):
    with pytest.raises(InvalidValueError) as caught:
        Policy(replies=replies)
    assert caught.value.field.startswith("Policy.replies")
    assert caught.value.expected.startswith(expected)


# Policy.like


def test_changes_are_fields_and_the_mode_may_stand_first():
    policy = Policy.like("gmail", "implicit-tls", size_limit=100, limits=Limits(connections=1))
    assert (policy.mode, policy.size_limit, policy.limits) == ("implicit-tls", 100, Limits(connections=1))
    assert Policy.like("gmail", mode="plain").mode == "plain"
    assert Policy.like("gmail").mode == "tls-required"


def test_an_unknown_field_is_a_type_error():
    with pytest.raises(TypeError, match="Policy has no field 'sise_limit'"):
        Policy.like("gmail", sise_limit=1)


def test_an_unknown_provider_is_an_error_that_names_the_nearest():
    with pytest.raises(
        UnknownProvider, match=r"no provider 'gmial'\. Did you mean 'gmail'\? There is: exchange, "
    ) as caught:
        Policy.like("gmial")
    assert isinstance(caught.value, SMTPFixError)
    assert isinstance(caught.value, LookupError)


# Files


def test_the_least_file_is_read():
    provider = Provider.parse("example", FILE)
    assert (provider.title, provider.ports, provider.refusals) == ("Example", {587: "starttls"}, {})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", "example.toml: there is no key 'titel' (did you mean 'title'?); there are title, "),
        ("title =", "= title", "example.toml: expected TOML"),
        ('title = "Example"\n', "", "example.toml: title: expected a value"),
        ('"Example"', "1", "example.toml: title: expected text"),
        ('mode = "starttls"', 'mode = "tls"', "example.toml: mode: expected one of plain, "),
        ("2026-11-22", '"today"', "example.toml: checked: expected a date"),
        ("587 =", "99999 =", "example.toml, [ports]: expected ports"),
        ('587 = "starttls"', '587 = "ssl"', "example.toml, [ports]: 587: expected one of plain, "),
        (
            "policy = {}",
            "policy = {users = 1}",
            "example.toml, [policy]: there is no key 'users'; there are requ",
        ),
        (
            "policy = {}",
            'policy = {size_limit = "1"}',
            "example.toml, [policy]: size_limit: expected a value of type int",
        ),
        ("policy = {}", "policy = {mechanisms = [1]}", "example.toml, [policy]: mechanisms: expected a list of texts"),
        ("policy = {}", "policy = 1", "example.toml, [policy]: expected a table"),
        (
            "policy = {}",
            "policy = {}\nlimits = {errors = 0}",
            "example.toml, [limits]: errors: expected a whole number",
        ),
        (
            "policy = {}",
            'policy = {}\nreplies = {bye = "x"}',
            "example.toml, [replies]: bye: reply: expected a reply such",
        ),
        ("policy = {}", 'policy = {}\nrefusals = {no = "250 x"}', "example.toml, [refusals]: no: expected a reply 4yz"),
        ("policy = {}", "policy = {}\nleft_out = {X = 1}", "example.toml, [left_out]: X: expected text"),
        ("https:", "http:", "example.toml, [[sources]] 1: url: expected an address that begins with https://"),
        (
            ", shows =",
            ", show =",
            "example.toml, [[sources]] 1: there is no key 'show' (did you mean 'shows'?)",
        ),
        (', shows = "all of it"', "", "example.toml, [[sources]] 1: shows: expected text"),
        ("sources = [{", "sources = []\n[x]\na = [{", "example.toml: there is no key 'x'; there are "),
    ],
)
def test_a_file_with_a_mistake_is_refused_naming_file_and_key(old, new, message):
    assert old in FILE
    with pytest.raises(InvalidValueError) as caught:
        Provider.parse("example", FILE.replace(old, new, 1))
    assert str(caught.value).startswith(message)


def test_a_file_without_sources_is_refused():
    with pytest.raises(InvalidValueError, match=r"^example\.toml: sources: expected \[\[sources\]\] tables"):
        Provider.parse("example", re.sub(r"sources = .*", "sources = []", FILE))


# The fixture and the command line


@pytest.mark.smtp(like="gmail", users={"ann": "s3cret"})
def test_the_marker_takes_a_provider(smtp_server):
    assert smtp_server.policy == Policy.like("gmail", users={"ann": "s3cret"})


def test_a_server_that_a_test_starts_may_be_like_a_provider_too(start_smtp_server):
    assert start_smtp_server("implicit-tls", like="ses").policy.size_limit == 10_485_760


def test_serve_is_like_a_provider_on_a_port_for_each_of_its_modes():
    options = read_options(like="gmail")
    assert [(str(one.mode), one.port) for one in options.policies] == [("tls-required", 2587), ("implicit-tls", 1465)]
    assert all(one.require_auth and one.size_limit == 35_882_577 for one in options.policies)
    assert read_options(like="gmail", user=["ann:s3cret"]).policies[0].users == {"ann": "s3cret"}


def test_serve_has_a_provider_s_documented_ports_where_conventional_ones_are_asked_for():
    options = read_options(like="ses", conventional_ports=True)
    assert [one.port for one in options.policies] == [25, 587, 2587, 465, 2465]


def test_serve_takes_what_old_devices_do():
    options = read_options(old_devices=True)
    assert [one.mode for one in options.policies] == ["plain", "starttls", "tls-required", "implicit-tls"]
    assert all(one.old_ciphers and one.syntax == "lenient" and one.users is ANY_USER for one in options.policies)
    assert options.key_type == "rsa"
    assert read_options(like="old-devices") == options
    assert read_options(old_devices=True, listen=["plain:0"]).key_type is None
    changed = read_options(old_devices=True, user=["ann:s3cret"], require_auth=True, tls_min="1.2").policies[0]
    assert (changed.users, changed.require_auth, changed.tls_min) == ({"ann": "s3cret"}, True, "TLSv1.2")


def test_serve_takes_limits_and_greylisting():
    policy = read_options(limit=["connections=1", "message_rate=30/minute"], greylist=300.0).policies[0]
    assert (policy.limits, policy.greylist) == (Limits(connections=1, message_rate="30/minute"), 300)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": "gmial"}, "--like: no provider 'gmial'. Did you mean 'gmail'?"),
        (
            {"old_devices": True, "like": "gmail"},
            "--old-devices: it is a profile, and so is --like gmail",
        ),
        ({"limit": ["connections"]}, "--limit: expected NAME=NUMBER or NAME=RATE"),
        (
            {"limit": ["conections=1"]},
            "--limit: there is no key 'conections' (did you mean 'conn",
        ),
        ({"limit": ["message_rate=1"]}, "--limit: message_rate: expected a rate such as 30/minute"),
        ({"greylist": 0.0}, "--greylist: expected seconds, more than 0"),
    ],
)
def test_options_that_make_no_sense_are_refused_naming_them(options, message):
    with pytest.raises(SMTPFixError) as caught:
        read_options(**options)
    assert str(caught.value).startswith(message)


def test_the_command_line_lists_providers_and_shows_one_with_its_sources(capsys):
    assert main(["providers"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()[1:]] == list(NAMES)
    for name in NAMES:
        assert main(["providers", name]) == 0
        shown = capsys.readouterr().out
        assert all(source.url in shown for source in load_provider(name).sources)
    assert main(["providers", "gmial"]) == 2
    assert "Did you mean 'gmail'?" in capsys.readouterr().err
