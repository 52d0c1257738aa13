import pytest

from smtpfix import ANY_USER, InvalidValueError, Mode
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
        ("plain:65536", "PORT a whole number from 0 to 65535"),
        ("ssl:465", "MODE one of 'plain'"),
    ],
)
def test_anything_else_is_no_listener_and_the_error_says_what_was_expected_and_what_came(text, expected):
    with pytest.raises(InvalidValueError, match=f"^--listen: expected .*{expected}.*, got '{text}'$"):
        read_options(listen=[text])


def test_users_have_a_name_and_a_password_which_may_have_colons_or_be_empty():
    options = read_options(user=["ann:s3:cret", "bob:"])
    assert options.policies[0].users == {"ann": "s3:cret", "bob": ""}


@pytest.mark.parametrize("given", [{"user": ["*"]}, {"any_user": True}, {"user": ["*"], "any_user": True}])
def test_a_star_is_the_same_as_any_user(given):
    assert read_options(**given).policies[0].users is ANY_USER


def test_nobody_named_is_nobody_who_can_log_in():
    assert read_options().policies[0].users is None


@pytest.mark.parametrize("text", ["s3cret", ":s3cret"])
def test_a_user_without_name_or_colon_is_refused_without_showing_what_may_be_a_password(text):
    with pytest.raises(InvalidValueError, match="--user: expected NAME:PASSWORD or '\\*'") as error:
        read_options(user=[text])
    assert "s3cret" not in str(error.value)


def test_names_beside_everybody_make_no_sense():
    with pytest.raises(InvalidValueError, match="--user: expected either NAME:PASSWORD or everybody"):
        read_options(user=["ann:s3cret"], any_user=True)


def test_auth_can_be_required_of_somebody_only():
    assert read_options(require_auth=True, any_user=True).policies[0].require_auth
    with pytest.raises(InvalidValueError, match="--require-auth: expected somebody who can log in"):
        read_options(require_auth=True)


def test_host_name_and_size_limit_are_those_of_every_server():
    options = read_options(hostname="mail.example", size_limit=1000)
    assert {(policy.hostname, policy.size_limit) for policy in options.policies} == {("mail.example", 1000)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"hostname": "a b"}, "--hostname: expected a domain .* got 'a b'"),
        ({"size_limit": 0}, "--size-limit: expected a whole number from 1 up, got 0"),
        ({"host": ""}, "--host: expected a host name or IP address, got ''"),
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
