"""Policy: sane values are taken as they are, every nonsense is an error when built that says what is allowed."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfix.errors import InvalidValueError, UnknownScenario
from smtpfix.login.names import ANY_USER
from smtpfix.policy.limits import Limits
from smtpfix.policy.mode import Mode
from smtpfix.rules.reply import Reply
from smtpfix.smtp.keywords import EXTENSIONS
from smtpfix.smtp.policy import Policy

USERS = {"ann": "s3cret"}

SANE = [
    *({"mode": mode} for mode in ("plain", "starttls", "tls-required", "implicit-tls", Mode.STARTTLS)),
    {"users": None},
    {"users": {}},
    {"users": USERS},
    {"users": ANY_USER},
    {"users": USERS, "require_auth": True},
    {"users": ANY_USER, "require_auth": True},
    {"users": USERS, "require_auth": True, "mode": "starttls", "auth_in_clear": False},
    {"users": USERS, "require_auth": True, "auth_in_clear": False},
    {"users": USERS, "require_auth": True, "hide": ["SIZE"]},
    {"users": USERS, "hide": ["AUTH"]},
    {"auth_in_clear": True},
    {"auth_in_clear": False},
    {"users": USERS, "require_auth": True, "auth_in_clear": False},
    {"auth_in_clear": None},
    {"mechanisms": ("LOGIN",)},
    {"mechanisms": ["plain"]},
    {"mechanisms": ()},
    {"mechanisms": ["scram-sha-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"]},
    {"mechanisms_in_clear": None},
    {"mechanisms_in_clear": ["cram-md5"]},
    {"mechanisms_in_clear": ()},
    {"certificate": "good"},
    {"tls_min": "TLSv1", "tls_max": "TLSv1"},
    {"tls_min": "TLSv1.3", "tls_max": "TLSv1.3"},
    {"client_certificate": "optional"},
    {"client_certificate": "required"},
    {"alpn": ["smtp"]},
    {"alpn": ("x" * 255,)},
    {"host": "127.0.0.1"},
    {"port": 0},
    {"port": 65535},
    {"hostname": "localhost"},
    {"hostname": "[127.0.0.1]"},
    {"hostname": "[IPv6:::1]"},
    {"hostname": "a" * 63 + ".test"},
    {"hostname": "MX-1.Example.ORG"},
    {"other_names": ("mx-2.example.org", "192.0.2.1", "2001:db8::1")},
    {"protocol": "lmtp", "mode": "tls-required"},
    {"proxy_protocol": True},
    {"unix_socket": Path("/run/lmtp"), "protocol": "lmtp"},
    {"xclient": True},
    {"hello_required": False},
    {"mode": "starttls", "old_ciphers": True},
    {"hide": {"size", "PIPELINING"}},
    {"hide": frozenset(EXTENSIONS)},
    {"size_limit": None},
    {"size_limit": 1},
    {"line_limit": None},
    {"line_limit": 998},
    {"command_limit": 512},
    {"max_recipients": 1},
    {"timeout": 0.1},
    {"timeout": 1},
    {"timeout": float("inf")},
    {"handshake_timeout": 0.1},
    {"max_messages": 1},
    {"offer": ["chunking", "BINARYMIME", "DSN"]},
    {"syntax": "strict"},
    {"refuse": frozenset({"bare-lf", "pipelining"})},
    {"max_recipient_domains": 1},
    {"max_hold": 1},
    {"max_sessions": 1},
    {"max_events": 8},
    {"max_transcript_octets": 65_536},
    {"max_octets": 1},
    {"certificate": "expired"},
    {"certificate": Path(__file__).parents[2] / "certs" / "good.toml"},
    {"certificate": (Path("chain.pem"), Path("key.pem"))},
    {"scenario": "tls12-only", "mode": "implicit-tls"},
    {"capabilities": None},
    {"capabilities": ("SIZE", "X-EXPS GSSAPI NTLM", "AUTH=LOGIN", "8BITMIME", "Ok")},
    {"ehlo_greet": "at your service, [{client}]"},
    {"greeting": "{hostname} ready at {date}"},
    {"replies": {"bye": Reply(221, "2.0.0", "See you")}},
    {"replies": {"too_much_data": Reply(554, None, "No")}},
    {"limits": Limits(connections=1)},
    {"greylist": 0.5},
    {"greylist": None},
]

NONSENSE = [
    ("mode", {"mode": "tls"}, "'implicit-tls'"),
    ("mode", {"mode": "STARTTLS"}, "'starttls'"),
    ("mode", {"mode": None}, "one of plain, starttls, tls-required, implicit-tls"),
    ("mode", {"mode": []}, "one of plain, starttls, tls-required, implicit-tls"),
    ("users", {"users": "ann"}, "a mapping of names to passwords, a function, ANY_USER or None"),
    ("users", {"users": [("ann", "s3cret")]}, "a mapping of names to passwords"),
    ("users", {"users": {"ann": 1}}, "names and passwords as text"),
    ("users", {"users": {b"ann": "s3cret"}}, "names and passwords as text"),
    ("users", {"users": False}, "a mapping of names to passwords"),
    ("require_auth", {"require_auth": 1, "users": USERS}, "True or False"),
    ("require_auth", {"require_auth": True}, "name users, or use ANY_USER"),
    ("require_auth", {"require_auth": True, "users": {}}, "name users, or use ANY_USER"),
    ("require_auth", {"require_auth": True, "users": USERS, "mechanisms": ()}, "could ever log in"),
    ("auth_in_clear", {"auth_in_clear": "no"}, "True, False or None"),
    ("auth_in_clear", {"auth_in_clear": 0}, "True, False or None"),
    ("mechanisms", {"mechanisms": ("PLAIN", "NTLM")}, "there is no 'NTLM'; there are PLAIN, LOGIN"),
    ("mechanisms", {"mechanisms": "PLAIN"}, "write the names in a list: ['PLAIN']"),
    ("mechanisms", {"mechanisms": None}, "a collection of names"),
    ("mechanisms", {"mechanisms": (1,)}, "there is no 1"),
    ("mechanisms", {"mechanisms": (name for name in ("PLAIN",))}, "a collection of names"),
    ("mechanisms", {"mechanisms": ("SCRAM-SHA-1",), "users": ANY_USER}, "users=ANY_USER has none"),
    (
        "mechanisms_in_clear",
        {"mechanisms_in_clear": ("SCRAM-SHA-1",), "users": ANY_USER},
        "users=ANY_USER has none",
    ),
    ("mechanisms_in_clear", {"mechanisms_in_clear": ("PLAN",)}, "there is no 'PLAN' (did you mean 'PLAIN'?)"),
    ("mechanisms_in_clear", {"mechanisms_in_clear": "PLAIN LOGIN"}, "['PLAIN', 'LOGIN']"),
    ("require_auth", {"require_auth": True, "users": USERS, "mechanisms_in_clear": ()}, "name one"),
    ("certificate", {"certificate": None}, "a scenario's id"),
    ("certificate", {"certificate": 1}, "a scenario's id"),
    ("tls_min", {"tls_min": "1.4"}, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, 1.0, 1.1, 1.2, 1.3"),
    ("tls_max", {"tls_max": "SSLv3"}, "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3"),
    ("tls_max", {"tls_max": None}, "TLSv1.3"),
    ("tls_min", {"tls_min": "TLSv1.3", "tls_max": "TLSv1.2"}, "'TLSv1.3' is above tls_max, which is 'TLSv1.2'"),
    (
        "client_certificate",
        {"client_certificate": "require"},
        "one of none, optional, required (did you mean 'required'?)",
    ),
    ("client_certificate", {"client_certificate": True}, "one of none, optional, required"),
    ("alpn", {"alpn": "smtp"}, "a collection of ASCII protocol names of 1 to 255 octets"),
    ("alpn", {"alpn": ("",)}, "1 to 255 octets"),
    ("alpn", {"alpn": ("x" * 256,)}, "1 to 255 octets"),
    ("alpn", {"alpn": (b"smtp",)}, "ASCII protocol names"),
    ("alpn", {"alpn": ("é",)}, "ASCII protocol names"),
    ("alpn", {"alpn": None}, "a collection"),
    ("alpn", {"alpn": (name for name in ("smtp",))}, "a collection"),
    ("host", {"host": ""}, "a host name or IP address"),
    ("host", {"host": None}, "a host name or IP address"),
    ("host", {"host": b"localhost"}, "a host name or IP address"),
    ("hostname", {"hostname": ""}, "a domain or address literal"),
    ("other_names", {"other_names": "mx.test"}, "a collection of domains and IP addresses"),
    ("other_names", {"other_names": ["mx test"]}, "a collection of domains and IP addresses"),
    ("other_names", {"other_names": ["[127.0.0.1]"]}, "a collection of domains and IP addresses"),
    ("other_names", {"other_names": ["1::2::3"]}, "a collection of domains and IP addresses"),
    ("hostname", {"hostname": "mx test"}, "a domain or address literal"),
    ("hostname", {"hostname": "mx.test\r\n250 forged"}, "a domain or address literal"),
    ("hostname", {"hostname": "mx.test\n"}, "a domain or address literal"),
    ("hostname", {"hostname": "-mx.test"}, "a domain or address literal"),
    ("hostname", {"hostname": "mx.test."}, "a domain or address literal"),
    ("hostname", {"hostname": "mx..test"}, "a domain or address literal"),
    ("hostname", {"hostname": "a" * 64 + ".test"}, "a domain or address literal"),
    ("hostname", {"hostname": ".".join(["label"] * 43)}, "a domain or address literal"),
    ("hostname", {"hostname": "mx.tëst"}, "a domain or address literal"),
    ("hostname", {"hostname": "[]"}, "a domain or address literal"),
    ("protocol", {"protocol": "LMTP"}, "one of smtp, lmtp (did you mean 'lmtp'?)"),
    ("protocol", {"protocol": "imap"}, "ImapPolicy(...)"),
    ("proxy_protocol", {"proxy_protocol": 2}, "True or False"),
    ("unix_socket", {"unix_socket": 25, "protocol": "lmtp"}, "the path of a socket, or None"),
    ("xclient", {"xclient": "ADDR"}, "True or False"),
    ("hello_required", {"hello_required": "no"}, "True or False"),
    ("old_ciphers", {"old_ciphers": "AES128-SHA"}, "True or False"),
    ("hide", {"hide": ("STARTLS",)}, "there is no 'STARTLS' (did you mean 'STARTTLS'?); there are PIPELINING"),
    ("hide", {"hide": "SIZE"}, "['SIZE']"),
    ("hide", {"hide": None}, "a collection of names"),
    ("hide", {"hide": (name for name in ("SIZE",))}, "a collection of names"),
    (
        "hide",
        {"hide": frozenset({"AUTH"}), "require_auth": True, "users": USERS},
        "AUTH is hidden, but require_auth asks for it",
    ),
    ("offer", {"offer": ("SIZE",)}, "there are CHUNKING, BINARYMIME, DSN"),
    ("offer", {"offer": "DSN"}, "['DSN']"),
    ("offer", {"offer": frozenset({"BINARYMIME"})}, "BINARYMIME needs CHUNKING"),
    ("syntax", {"syntax": "loose"}, "one of strict, usual, lenient"),
    ("refuse", {"refuse": ["bare"]}, "(did you mean 'bare-lf'?)"),
    ("port", {"port": -1}, "a whole number from 0 to 65535"),
    ("port", {"port": 65536}, "a whole number from 0 to 65535"),
    ("port", {"port": "25"}, "a whole number from 0 to 65535"),
    ("port", {"port": True}, "a whole number from 0 to 65535"),
    ("port", {"port": None}, "a whole number from 0 to 65535"),
    ("size_limit", {"size_limit": 0}, "a whole number from 1 up"),
    ("size_limit", {"size_limit": 1.5}, "a whole number from 1 up"),
    ("line_limit", {"line_limit": 0}, "a whole number from 1 up"),
    ("command_limit", {"command_limit": 511}, "a whole number from 512 up"),
    ("command_limit", {"command_limit": None}, "a whole number from 512 up"),
    ("max_recipients", {"max_recipients": 0}, "a whole number from 1 up"),
    ("max_recipient_domains", {"max_recipient_domains": 0}, "a whole number from 1 up"),
    ("max_hold", {"max_hold": None}, "a whole number from 1 up"),
    ("max_messages", {"max_messages": 0}, "a whole number from 1 up"),
    ("max_sessions", {"max_sessions": -5}, "a whole number from 1 up"),
    ("certificate", {"certificate": None}, "a scenario's id, a Path"),
    ("certificate", {"certificate": ("chain.pem",)}, "the files of a chain and of its key"),
    ("certificate", {"certificate": Path("nowhere.toml")}, "there is no file 'nowhere.toml'"),
    ("scenario", {"certificate": "tls12-only", "scenario": "rcpt-550"}, "and so is 'tls12-only'; a server shows one"),
    ("scenario", {"scenario": 1.2}, "a scenario's id, a Path to a scenario's file, or None"),
    ("scenario", {"scenario": "expired", "certificate": "cn-only"}, "and so is 'cn-only'; a server shows one of each"),
    ("scenario", {"scenario": "plain-on-tls-port", "mode": "starttls"}, "use mode implicit-tls"),
    ("max_octets", {"max_octets": 0}, "a whole number from 1 up"),
    ("max_transcript_octets", {"max_transcript_octets": 65_535}, "a whole number from 65536 up"),
    ("max_events", {"max_events": 7}, "a whole number from 8 up"),
    ("timeout", {"timeout": 0}, "seconds, more than 0"),
    ("timeout", {"timeout": float("nan")}, "seconds, more than 0"),
    ("timeout", {"timeout": None}, "seconds, more than 0"),
    ("timeout", {"timeout": True}, "seconds, more than 0"),
    ("handshake_timeout", {"handshake_timeout": -1}, "seconds, more than 0"),
    ("handshake_timeout", {"handshake_timeout": "10"}, "seconds, more than 0"),
    ("capabilities", {"capabilities": "SIZE"}, "lines of a keyword and parameters"),
    ("capabilities", {"capabilities": ["X A\r\n250 B"]}, "lines of a keyword and parameters"),
    ("capabilities", {"capabilities": [""]}, "lines of a keyword and parameters"),
    ("capabilities", {"capabilities": ("SIZE",), "require_auth": True, "users": USERS}, "AUTH is missing"),
    ("ehlo_greet", {"ehlo_greet": "a\nb"}, "text of one line"),
    ("ehlo_greet", {"ehlo_greet": None}, "text"),
    ("greeting", {"greeting": 220}, "text"),
    ("greeting", {"greeting": "{nobody}"}, "only the placeholders {hostname}, {client}"),
    ("replies", {"replies": "bye"}, "a mapping of names of replies"),
    ("limits", {"limits": {"connections": 1}}, "Limits, or None"),
    ("greylist", {"greylist": 0}, "seconds, more than 0"),
    ("greylist", {"greylist": True}, "seconds, more than 0"),
]


@pytest.mark.parametrize("arguments", SANE, ids=" ".join)
def test_accepts_what_makes_sense(arguments):
    policy = Policy(**arguments)
    for name, value in arguments.items():
        taken = getattr(policy, name)
        if name in ("hide", "offer", "mechanisms", "mechanisms_in_clear", "alpn") and value is not None:
            assert {item.upper() for item in taken} == {item.upper() for item in value}
        else:
            assert taken == value


@pytest.mark.parametrize(("field", "arguments", "allowed"), NONSENSE)
def test_refuses_nonsense_naming_field_value_and_what_is_allowed(field, arguments, allowed):
    with pytest.raises(InvalidValueError) as caught:
        Policy(**arguments)
    error = caught.value
    assert error.field == f"Policy.{field}"
    assert allowed in error.expected
    told = error.expected if error.is_sentence else f"expected {error.expected}, got {error.value!r}"
    assert str(error) == f"Policy.{field}: {told}"
    if field != "users":
        assert error.value is arguments[field] or error.value == arguments[field]


def test_every_field_has_a_sane_example_and_all_but_none_a_nonsensical_one():
    fields = {field.name for field in dataclasses.fields(Policy) if field.init}
    assert fields == {name for arguments in SANE for name in arguments}
    assert fields == {field for field, _, _ in NONSENSE}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
def test_a_version_of_tls_is_written_in_short_as_well_as_on_the_command_line(version):
    policy = Policy(tls_min=version, tls_max="1.3")
    assert (policy.tls_min, policy.tls_max) == (f"TLSv{version.removesuffix('.0')}", "TLSv1.3")


def test_refuses_an_unknown_scenario_naming_the_nearest():
    with pytest.raises(
        UnknownScenario,
        match=r"Policy\.certificate: no scenario 'goood'.* Did you mean 'good'.*\? 'smtpfix scenarios' lists all",
    ):
        Policy("starttls", certificate="goood")


def test_an_error_about_users_does_not_show_their_passwords():
    with pytest.raises(InvalidValueError) as caught:
        Policy(users={"ann": "s3cret", "bob": 1})
    assert "s3cret" not in str(caught.value)


def test_the_repr_does_not_show_passwords():
    assert "s3cret" not in repr(Policy(users=USERS))


def test_later_changes_of_the_users_mapping_do_not_reach_the_policy():
    users = dict(USERS)
    policy = Policy(users=users)
    users["eve"] = "x"
    assert policy.users == USERS
    with pytest.raises(TypeError):
        policy.users["eve"] = "x"


def test_fields_but_the_mode_are_keyword_only_and_frozen():
    with pytest.raises(TypeError):
        Policy("plain", USERS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policy().port = 25


def test_names_are_kept_in_upper_case_and_in_order():
    policy = Policy(mechanisms=["login", "plain"], hide=["size"])
    assert policy.mechanisms == ("LOGIN", "PLAIN")
    assert policy.hide == {"SIZE"}


@pytest.mark.parametrize(
    ("mode", "uses_tls", "has_starttls"),
    [("plain", False, False), ("starttls", True, True), ("tls-required", True, True), ("implicit-tls", True, False)],
)
def test_the_mode_says_when_tls_begins(mode, uses_tls, has_starttls):
    policy = Policy(mode)
    assert policy.uses_tls is uses_tls
    assert policy.mode.has_starttls is has_starttls
    assert policy.has("STARTTLS") is has_starttls
    assert not Policy(mode, hide=["STARTTLS"]).has("STARTTLS")


@pytest.mark.parametrize(
    ("mode", "auth_in_clear", "in_clear"),
    [
        ("plain", None, True),
        ("plain", False, False),
        ("plain", True, True),
        ("starttls", None, False),
        ("starttls", True, True),
        ("tls-required", None, False),
        ("tls-required", True, True),
        ("implicit-tls", None, False),
    ],
)
def test_auth_is_allowed_in_tls_and_in_clear_only_where_the_policy_says_so(mode, auth_in_clear, in_clear):
    policy = Policy(mode, users=USERS, auth_in_clear=auth_in_clear)
    assert policy.allows_auth(in_tls=True)
    assert policy.allows_auth(in_tls=False) is in_clear


@pytest.mark.parametrize(
    ("mode", "arguments", "offered"),
    [
        ("tls-required", {"mechanisms_in_clear": ["PLAIN"]}, True),
        ("tls-required", {}, False),
        ("tls-required", {"mechanisms_in_clear": []}, False),
        ("tls-required", {"mechanisms_in_clear": ["PLAIN"], "auth_in_clear": False}, False),
        ("tls-required", {"mechanisms_in_clear": ["PLAIN"], "hide": ["AUTH"]}, False),
        ("starttls", {"mechanisms_in_clear": ["PLAIN"]}, False),
        ("plain", {}, True),
        ("plain", {"auth_in_clear": False}, False),
    ],
)
def test_auth_is_offered_in_clear_where_it_is_allowed_or_where_mechanisms_are_named_for_it(mode, arguments, offered):
    assert Policy(mode, users=USERS, **arguments).offers_auth(in_tls=False) is offered


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"users": USERS, "hide": ["AUTH"]},
        {"users": USERS, "mechanisms": ()},
        {"users": USERS, "mechanisms_in_clear": ()},
    ],
)
def test_auth_is_allowed_nowhere_without_users_mechanisms_or_the_extension(arguments):
    policy = Policy("plain", **arguments)
    assert not policy.has("AUTH")
    assert not policy.allows_auth(in_tls=True)
    assert not policy.allows_auth(in_tls=False)


def test_mail_parameters_are_those_of_the_extensions_there_are():
    assert Policy(users=USERS).mail_parameters == ("SIZE", "BODY", "SMTPUTF8", "AUTH")
    assert Policy().mail_parameters == ("SIZE", "BODY", "SMTPUTF8")
    assert Policy(hide=["SIZE", "8BITMIME", "SMTPUTF8"]).mail_parameters == ()


def test_an_unknown_extension_is_one_the_server_does_not_have():
    assert Policy().has("PIPELINING")
    assert not Policy().has("CHUNKING")


def test_a_policy_that_is_asked_for_the_mode_that_it_has_is_itself():
    policy = Policy("starttls", size_limit=1000)
    assert policy.replace("starttls") is policy
    assert policy.replace(Mode.STARTTLS) is policy
    assert policy.replace("plain") == Policy("plain", size_limit=1000)
    with pytest.raises(InvalidValueError, match="mode"):
        policy.replace("startls")


def test_replace_changes_the_fields_named_and_checks_again():
    policy = Policy("starttls", users=USERS, alpn=("smtp",))
    changed = policy.replace("implicit-tls", port=2525)
    assert changed == Policy("implicit-tls", users=USERS, alpn=("smtp",), port=2525)
    assert policy.mode is Mode.STARTTLS
    with pytest.raises(InvalidValueError, match=r"Policy\.port"):
        policy.replace(port=-1)


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        ((), {"user": USERS}, r"Policy has no field 'user' \(did you mean 'users'\?\); there are mode, users"),
        (("plain", "starttls"), {}, "a policy has one mode"),
    ],
)
def test_replace_names_what_it_does_not_know(arguments, keywords, words):
    with pytest.raises(TypeError, match=words):
        Policy().replace(*arguments, **keywords)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_any_names_and_passwords_of_text_are_users(users):
    assert Policy(users=users).users == users


def test_either_field_takes_a_scenario_of_any_kind():
    assert Policy("starttls", scenario="expired") == Policy("starttls", certificate="expired")
    assert Policy("starttls", certificate="rcpt-550") == Policy("starttls", scenario="rcpt-550")
    both = Policy("starttls", certificate="tls12-only", scenario="expired")
    assert (both.certificate, both.scenario) == ("expired", "tls12-only")
