from pathlib import Path

import pytest

from smtpfix import ANY_USER, InvalidValueError, Mode, Policy, Server, Token, UnknownScenario
from smtpfix.cli.listening import greets_as_smtpfix
from smtpfix.cli.options import ServeOptions, read_options


def where(options: ServeOptions) -> list[tuple[str, str, int]]:
    return [(str(policy.mode), policy.host, policy.port) for policy in options.policies]


def test_the_default_is_all_four_modes_on_unprivileged_ports_of_the_loopback():
    assert where(read_options()) == [
        ("plain", "localhost", 1025),
        ("starttls", "localhost", 1587),
        ("tls-required", "localhost", 2587),
        ("implicit-tls", "localhost", 1465),
    ]


def test_conventional_ports_replace_the_default():
    assert where(read_options(conventional_ports=True, host="0.0.0.0")) == [
        ("plain", "0.0.0.0", 25),
        ("starttls", "0.0.0.0", 587),
        ("implicit-tls", "0.0.0.0", 465),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain:2525", ("plain", "127.0.0.2", 2525)),
        ("starttls@localhost:0", ("starttls", "localhost", 0)),
        ("tls-required@10.0.0.1:65535", ("tls-required", "10.0.0.1", 65535)),
        ("implicit-tls@[::1]:465", ("implicit-tls", "::1", 465)),
    ],
)
def test_a_listener_is_a_mode_a_host_or_the_default_one_and_a_port(text, expected):
    assert where(read_options(listen=[text], host="127.0.0.2")) == [expected]


def spoken(options):
    return [(policy.spoken, str(policy.mode), policy.port) for policy in options.policies]


def test_servers_of_pop3_come_beside_those_of_smtp_and_take_what_is_theirs_of_the_options():
    options = read_options(pop3=True, user=["ann:s3cret"], hostname=["mail.example"], require_auth=True, size_limit=10)
    assert spoken(options)[4:] == [
        ("pop3", "plain", 1110),
        ("pop3", "starttls", 2110),
        ("pop3", "tls-required", 3110),
        ("pop3", "implicit-tls", 1995),
    ]
    assert {policy.hostname for policy in options.policies} == {"mail.example"}
    assert dict(options.policies[4].users) == {"ann": "s3cret"}
    assert read_options(listen=["pop3:0"]).policies[0].users is ANY_USER
    assert spoken(read_options(pop3=True, conventional_ports=True))[3:] == [
        ("pop3", "starttls", 110),
        ("pop3", "implicit-tls", 995),
    ]
    assert spoken(read_options(listen=["pop3+implicit-tls@[::1]:0", "pop3:7"])) == [
        ("pop3", "implicit-tls", 0),
        ("pop3", "plain", 7),
    ]


def test_a_rule_of_another_protocol_says_so_and_a_scenario_is_shown_by_those_who_can():
    options = read_options(listen=["plain:0", "pop3:0"], rule=["RCPT: 450 no", "pop3: RETR 1: -ERR no"])
    assert [rule.stage for rule in options.rules] == ["RCPT"]
    assert [(protocol, rule.stage, rule.argument) for protocol, rule in options.reader_rules] == [("pop3", "RETR", "1")]
    assert spoken(read_options(pop3=True, scenario="pop3-strip-capa")) == [("pop3", "starttls", 2110)]
    assert spoken(read_options(pop3=True, scenario="strip-ehlo")) == [("smtp", "starttls", 1587)]
    assert len(read_options(pop3=True, certificate="expired").policies) == 6
    with pytest.raises(InvalidValueError, match=r"--rule: rule: expected a stage first, one of CONNECT, .* 'MAIL"):
        read_options(rule=["pop3: MAIL: -ERR no"])
    with pytest.raises(InvalidValueError, match=r"a server of POP3, such as pop3\+starttls:0"):
        read_options(scenario="pop3-strip-capa")
    with pytest.raises(InvalidValueError, match=r"--listen pop3\+tls:0: MODE: 'tls' is no mode; .* 'implicit-tls'"):
        read_options(listen=["pop3+tls:0"])


def test_listeners_come_after_the_conventional_ports_when_both_are_asked_for():
    assert [port for _, _, port in where(read_options(conventional_ports=True, listen=["plain:0"]))] == [
        25,
        587,
        465,
        0,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"MODE\[@HOST\]:PORT"),
        ("plain", r"MODE\[@HOST\]:PORT"),
        ("2525", r"MODE\[@HOST\]:PORT"),
        ("plain:", r"MODE\[@HOST\]:PORT"),
        ("plain@:2525", r"MODE\[@HOST\]:PORT"),
        ("plain@::1:2525", r"MODE\[@HOST\]:PORT"),
        ("plain:٢٥", r"MODE\[@HOST\]:PORT"),
        ("plain:65536", "PORT: expected a whole number from 0 to 65535"),
        ("ssl:465", "MODE: 'ssl' is no mode; .* 'implicit-tls'"),
        ("lmtp+:2424", "MODE: expected one of plain"),
        ("lmtps:2424", "did you mean 'lmtp:2424'"),
    ],
)
def test_anything_else_is_no_listener_and_the_error_says_what_was_expected_and_what_came(text, expected):
    with pytest.raises(InvalidValueError, match=f"^--listen.*: .*{expected}"):
        read_options(listen=[text])


def test_a_listener_is_a_unix_socket_for_lmtp(tmp_path):
    (policy,) = read_options(listen=[f"lmtp+unix:{tmp_path}/a:b"]).policies
    assert (policy.protocol, policy.mode, policy.unix_socket) == ("lmtp", "plain", tmp_path / "a:b")
    with pytest.raises(InvalidValueError, match=r"--listen: expected .*; PATH is the path of a socket.*'lmtp\+unix:'"):
        read_options(listen=["lmtp+unix:"])


def test_servers_that_mail_is_read_from_come_behind_those_of_smtp_or_alone_where_they_are_named():
    def served(**options):
        policies = read_options(**options).policies
        return [(policy.speaks().name, str(policy.mode), policy.port) for policy in policies]

    assert served(imap=True, pop3=True)[3:] == [
        ("smtp", "implicit-tls", 1465),
        *(("imap", "plain", 1143), ("imap", "starttls", 2143)),
        *(("imap", "tls-required", 3143), ("imap", "implicit-tls", 1993)),
        *(("pop3", "plain", 1110), ("pop3", "starttls", 2110)),
        *(("pop3", "tls-required", 3110), ("pop3", "implicit-tls", 1995)),
    ]
    assert served(imap=True, pop3=True, conventional_ports=True)[3:] == [
        *(("imap", "starttls", 143), ("imap", "implicit-tls", 993)),
        *(("pop3", "starttls", 110), ("pop3", "implicit-tls", 995)),
    ]
    assert served(listen=["imap:1", "imap+tls-required@[::1]:2", "pop3+implicit-tls:3"]) == [
        *(("imap", "plain", 1), ("imap", "tls-required", 2), ("pop3", "implicit-tls", 3)),
    ]


def test_everybody_may_read_mail_where_nobody_is_named_and_else_who_is():
    assert read_options(listen=["imap:0"]).policies[0].users is ANY_USER
    assert dict(read_options(listen=["imap:0"], user=["ann:s3cret"]).policies[0].users) == {"ann": "s3cret"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("imap:LOGIN: NO [UNAVAILABLE] later", "imap"), ("pop3:PASS: -ERR no", "pop3"), ("RCPT: 450 later", "smtp")],
)
def test_a_rule_is_smtp_s_unless_it_says_whose_it_is(text, expected):
    options = read_options(rule=[text])
    ((protocol, rule),) = [("smtp", rule) for rule in options.rules] or options.reader_rules
    assert protocol == expected
    assert str(rule.stage) in text


@pytest.mark.parametrize(("text", "mode"), [("lmtp:2424", "plain"), ("lmtp+starttls@[::1]:2424", "starttls")])
def test_a_listener_speaks_lmtp_where_that_stands_before_its_mode_and_the_others_smtp(text, mode):
    lmtp, smtp = read_options(listen=[text, f"{mode}:0"]).policies
    assert (lmtp.protocol, lmtp.mode, lmtp.port) == ("lmtp", mode, 2424)
    assert (smtp.protocol, smtp.mode) == ("smtp", mode)


@pytest.mark.parametrize("name", ["proxy_protocol", "xclient"])
def test_every_server_stands_behind_a_proxy_or_none_does(name):
    assert {getattr(policy, name) for policy in read_options(**{name: True}).policies} == {True}
    assert {getattr(policy, name) for policy in read_options().policies} == {False}


def test_users_have_a_name_and_a_password_which_may_have_colons_or_be_empty():
    options = read_options(user=["ann:s3:cret", "bob:"])
    assert options.policies[0].users == {"ann": "s3:cret", "bob": ""}


def test_tokens_stand_beside_passwords_and_are_offered_their_mechanisms():
    (policy, *_) = read_options(user=["ann:s3cret", "bob:b"], token=["ann:abc", "eve:abc", "eve:def="]).policies
    ann, bob, eve = ("s3cret", Token("abc")), "b", (Token("abc"), Token("def="))
    assert policy.users == {"ann": ann, "bob": bob, "eve": eve}
    assert policy.mechanisms == ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
    assert read_options(token=["ann:abc"]).policies[0].mechanisms == ("XOAUTH2", "OAUTHBEARER")
    assert read_options(token=["ann:abc"], mechanism=["xoauth2"]).policies[0].mechanisms == ("XOAUTH2",)


def test_mechanisms_are_offered_in_their_order_by_every_server():
    policies = read_options(user=["ann:s3cret"], mechanism=["scram-sha-256", "PLAIN"]).policies
    assert {policy.mechanisms for policy in policies} == {("SCRAM-SHA-256", "PLAIN")}
    assert {policy.mechanisms for policy in read_options(user=["ann:s3cret"]).policies} == {("PLAIN", "LOGIN")}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token": ["ann"]}, "--token: there is no name, or no colon after it; write NAME:TOKEN"),
        ({"token": ["ann:s3cret!"]}, "--token: Token.value: expected ASCII letters"),
        ({"token": ["ann:abc"], "any_user": True}, "--token: --any-user lets everybody log in"),
        ({"mechanism": ["NTLM"], "any_user": True}, "--mechanism: there is no 'NTLM'; there are PLAIN"),
        (
            {"mechanism": ["SCRAM-SHA-1"], "any_user": True},
            "--mechanism: SCRAM verifies a .* --any-user has none",
        ),
        ({"mechanism": ["PLAIN"]}, "--mechanism: nobody can log in to this server; add --user"),
    ],
)
def test_tokens_and_mechanisms_that_make_no_sense_are_refused_without_showing_what_may_be_a_secret(given, message):
    with pytest.raises(InvalidValueError, match=message) as error:
        read_options(**given)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("given", [{"user": ["*"]}, {"any_user": True}, {"user": ["*"], "any_user": True}])
def test_a_star_is_the_same_as_any_user(given):
    assert read_options(**given).policies[0].users is ANY_USER


def test_nobody_named_is_nobody_who_can_log_in():
    assert read_options().policies[0].users is None


@pytest.mark.parametrize("text", ["s3cret", ":s3cret"])
def test_a_user_without_name_or_colon_is_refused_without_showing_what_may_be_a_password(text):
    with pytest.raises(InvalidValueError, match=r"--user: .* write NAME:PASSWORD or '\*'") as error:
        read_options(user=[text])
    assert "s3cret" not in str(error.value)


def test_names_beside_everybody_make_no_sense():
    with pytest.raises(InvalidValueError, match="--user: --any-user lets everybody log in"):
        read_options(user=["ann:s3cret"], any_user=True)


def test_auth_can_be_required_of_somebody_only():
    assert read_options(require_auth=True, any_user=True).policies[0].require_auth
    with pytest.raises(InvalidValueError, match="--require-auth: nobody can log in to this server; add --user, "):
        read_options(require_auth=True)


def test_extensions_and_syntax_are_those_of_every_server():
    options = read_options(offer=["chunking", "DSN,LIMITS"], syntax="strict")
    assert {policy.offer for policy in options.policies} == {frozenset({"CHUNKING", "DSN", "LIMITS"})}
    assert {policy.syntax for policy in options.policies} == {"strict"}
    assert {(policy.offer, policy.syntax) for policy in read_options().policies} == {(frozenset(), "usual")}


def test_host_name_and_size_limit_are_those_of_every_server():
    options = read_options(hostname=["mail.example"], size_limit=1000)
    assert {(policy.hostname, policy.size_limit) for policy in options.policies} == {("mail.example", 1000)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"hostname": ["a b"]}, "--hostname: expected a domain .* got 'a b'"),
        ({"hostname": ["a", "b c"]}, "--hostname: expected a collection of domains and IP addresses"),
        ({"offer": ["8BITMIME"]}, "--offer: there is no '8BITMIME'.*; there are CHUNKING"),
        ({"offer": ["BINARYMIME"]}, "--offer: BINARYMIME needs CHUNKING"),
        ({"syntax": "loose"}, "--syntax: expected one of strict, usual, lenient, got 'loose'"),
        ({"size_limit": 0}, "--size-limit: expected a whole number from 1 up, got 0"),
        ({"host": ""}, "--host: expected a host name or IP address, got ''"),
        ({"client_certificate": "yes"}, "--client-certificate: expected one of none, optional, required, got 'yes'"),
        ({"show": "html"}, "--show: expected one of text, got 'html'"),
        ({"show": "text", "as_json": True}, "--show: --json prints no message's content"),
        ({"save_as": "mbox"}, "--save-as: expected one of files, maildir, got 'mbox'"),
        ({"save_as": "maildir"}, "--save-as: 'maildir' says how to save, and --save DIR says where; add it"),
        ({"exit_after": 0}, "--exit-after: expected a number of messages, 1 or more, got 0"),
        ({"timeout": 0.0}, "--timeout: expected seconds, more than 0, got 0.0"),
        ({"timeout": float("nan")}, "--timeout: expected seconds, more than 0, got nan"),
    ],
)
def test_errors_name_the_option_not_the_field(given, expected):
    with pytest.raises(InvalidValueError, match=f"^{expected}"):
        read_options(**given)


def test_the_least_that_makes_sense_is_accepted():
    options = read_options(exit_after=1, timeout=0.001, size_limit=1)
    assert (options.exit_after, options.timeout, options.policies[0].mode) == (1, 0.001, Mode.PLAIN)


# Scenarios and TLS

TLS_MODES = ("starttls", "tls-required", "implicit-tls")


def test_without_a_scenario_every_mode_is_served_as_it_should_be():
    options = read_options()
    assert (options.scenarios, options.left_out) == ((), ())
    assert all(policy.is_good for policy in options.policies)


def test_a_certificate_s_scenario_is_shown_in_every_mode_that_knows_tls():
    options = read_options(certificate="expired")
    assert [(policy.mode, policy.certificate) for policy in options.policies] == [
        (mode, "expired") for mode in TLS_MODES
    ]
    assert [scenario.id for scenario in options.scenarios] == ["expired"]
    assert options.left_out == (Mode.PLAIN,)


def test_a_tls_scenario_leaves_the_modes_out_that_cannot_show_it():
    options = read_options(scenario="plain-on-tls-port")
    assert [(policy.mode, policy.scenario) for policy in options.policies] == [("implicit-tls", "plain-on-tls-port")]
    assert options.left_out == (Mode.PLAIN, Mode.STARTTLS, Mode.TLS_REQUIRED)


def test_a_certificate_s_and_a_tls_scenario_go_together():
    options = read_options(certificate="expired", scenario="tls10-only", listen=["starttls:0"])
    assert [(policy.certificate, policy.scenario) for policy in options.policies] == [("expired", "tls10-only")]
    assert [scenario.id for scenario in options.scenarios] == ["expired", "tls10-only"]


def test_a_scenario_s_file_is_the_user_s_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('summary = "s"\nexpected = "refuse"\nstandard = "x"\nmodes = ["starttls"]\n')
    options = read_options(certificate=str(file))
    assert [(policy.mode, policy.certificate) for policy in options.policies] == [("starttls", file)]
    assert [scenario.id for scenario in options.scenarios] == ["mine"]


def test_a_certificate_of_the_user_s_own_is_two_files_and_leaves_plain_in(tmp_path):
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.touch()
    key.touch()
    options = read_options(certificate_file=chain, key_file=key)
    assert {policy.certificate for policy in options.policies} == {(chain, key)}
    assert (len(options.policies), options.left_out) == (4, ())


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (None, None, ("TLSv1.2", "TLSv1.3")),
        ("1.3", None, ("TLSv1.3", "TLSv1.3")),
        (None, "TLSv1.2", ("TLSv1.2", "TLSv1.2")),
        (None, "1.0", ("TLSv1", "TLSv1")),
        ("TLSv1", "1.1", ("TLSv1", "TLSv1.1")),
    ],
)
def test_tls_versions_have_a_lowest_and_a_highest_one(lowest, highest, expected):
    policies = read_options(tls_min=lowest, tls_max=highest).policies
    assert {(policy.tls_min, policy.tls_max) for policy in policies} == {expected}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"certificate": "rc4", "scenario": "rcpt-550"},
            "--scenario: 'rcpt-550' is no certificate's scenario, and so is 'rc4'; take one of them",
        ),
        (
            {"certificate": "cn-only", "scenario": "expired"},
            "--scenario: 'expired' is a certificate's scenario, and so is 'cn-only'; take one of them",
        ),
        ({"certificate": "no.toml"}, r"--certificate: expected a scenario's id, or a TOML file .*, got 'no\.toml'"),
        (
            {"certificate": "good", "key_file": Path("k")},
            "--certificate: it is 'good', and --certificate-file",
        ),
        ({"key_file": Path("k")}, "--certificate-file: expected a PEM file with the chain of --key-file's key, got No"),
        ({"certificate_file": Path("c"), "key_file": Path("k")}, "--certificate-file: expected a PEM file .*, got 'c'"),
        ({"certificate_file": Path(__file__)}, "--key-file: expected a PEM file with the key of .*, got None"),
        ({"rule": ["RCPT 450"]}, "--rule: rule: 'RCPT 450' has no colon; write 'RCPT: 450'"),
        ({"rule": ["RCPT: maybe"]}, "--rule: rule 'RCPT: maybe', action: expected a reply such as"),
        ({"rules": Path("no.toml")}, r"--rules: no\.toml: expected a TOML file that can be read, got 'No such file"),
        ({"tls_min": "1.4"}, r"--tls-min: expected one of TLSv1, .*, got '1\.4'"),
        ({"tls_max": "SSLv3"}, "--tls-max: expected one of TLSv1, .*, got 'SSLv3'"),
        (
            {"tls_min": "1.3", "tls_max": "1.2"},
            r"--tls-min: '1\.3' is above --tls-max, which is '1\.2'; raise that or lower this",
        ),
        (
            {"certificate": "expired", "listen": ["plain:0"]},
            "--listen: plain cannot show expired; choose starttls, tls-required or implicit-tls",
        ),
        (
            {"scenario": "plain-on-tls-port", "listen": ["starttls:0"]},
            "--listen: starttls cannot show plain-on-tls-port; choose implicit-tls",
        ),
        (
            {"scenario": "plain-on-tls-port", "certificate": "expired", "listen": ["starttls:0", "plain:0"]},
            "--listen: starttls, plain cannot show expired with plain-on-tls-port; choose implicit-tls",
        ),
        ({"tls_min": "1.3", "listen": ["plain:0"]}, "--listen: plain:0 has no TLS, which --tls-min is about"),
        ({"key_type": "rsa", "listen": ["plain:0"]}, "--listen: plain:0 has no TLS, which --key-type is about"),
        ({"key_type": "RSA"}, r"--key-type: expected one of ecdsa, rsa \(did you mean 'rsa'\?\), got 'RSA'"),
    ],
)
def test_tls_options_that_make_no_sense_are_errors_that_name_them(given, expected):
    with pytest.raises(InvalidValueError, match=f"^{expected}"):
        read_options(**given)


@pytest.mark.parametrize("key_type", [None, "ecdsa", "rsa"])
def test_the_authority_s_keys_are_of_the_type_that_was_asked_for(key_type):
    assert read_options(key_type=key_type).key_type == key_type


@pytest.mark.parametrize("option", ["certificate", "scenario"])
def test_an_unknown_scenario_is_an_error_that_names_the_option_and_the_nearest_id(option):
    with pytest.raises(UnknownScenario, match=f"^--{option}: no scenario 'tls10-onyl' .* Did you mean 'tls10-only'"):
        read_options(**{option: "tls10-onyl"})


def test_memory_is_a_number_of_mebibytes():
    assert read_options().max_memory == 268_435_456
    with pytest.raises(InvalidValueError, match="--max-memory: expected MiB, 1 or more, got 0"):
        read_options(max_memory=0)


# Scenarios of any kind, and ports


@pytest.mark.parametrize("option", ["certificate", "scenario"])
def test_either_option_takes_a_scenario_of_any_kind(option):
    (policy,) = read_options(listen=["starttls:0"], **{option: "expired"}).policies
    assert (policy.certificate, policy.scenario) == ("expired", None)
    (policy,) = read_options(listen=["starttls:0"], **{option: "rcpt-550"}).policies
    assert (policy.certificate, policy.scenario) == ("good", "rcpt-550")


def test_another_smtpfix_is_known_by_its_greeting():
    with Server(Policy()) as server:
        assert greets_as_smtpfix("localhost", server.port)
    with Server(Policy(greeting="somebody else")) as server:
        assert not greets_as_smtpfix("0.0.0.0", server.port)
    assert not greets_as_smtpfix("localhost", server.port)
