"""Who may log in to `smtpfix serve`: names on the command line, and files of users."""

import re

import pytest

from smtpfix import InvalidValueError, Token
from smtpfix.cli.users import check_mechanisms, read_users
from smtpfix.login.hashed import HashedPassword

HASHES = [
    "$apr1$abcdefgh$7.W7scDs7nJMzUjiNRvDm0",
    "$1$abcdefgh$tC06E1qCIfB8BmGcRMCSg/",
    "{SHA}4a7WJhB7BtxFrkkm1H43wyaGvNY=",
    "{SSHA}H933p/kRD6m47rIZY7vGfLiVNsNhYmNkZWZnaA==",
]
"""What ``openssl passwd`` and OpenLDAP make of the same password."""
PASSWORD = "s3cret pässword"


def users_of(tmp_path, text, **given):
    file = tmp_path / "users"
    file.write_text(text, encoding="utf-8")
    return read_users(given.get("user", ()), file, given.get("token", ()), any_user=given.get("any_user", False))


@pytest.mark.parametrize("hashed", HASHES)
def test_a_hash_fits_its_password_and_no_other(hashed):
    assert HashedPassword(hashed).fits(PASSWORD)
    assert not HashedPassword(hashed).fits(PASSWORD + " ")
    assert not HashedPassword(hashed).fits("")
    assert not HashedPassword(hashed).fits(None)
    assert not HashedPassword(hashed).fits(PASSWORD * 10_000)


def test_a_hash_is_in_no_repr():
    assert repr(HashedPassword(HASHES[0])) == "HashedPassword()"


def test_a_file_has_passwords_in_clear_beside_hashed_ones_and_comments(tmp_path):
    text = f"# who may come\n\nann:s3:cret \nbob:{HASHES[0]}\neve:\nmax:$ 5\nleo:{{x}}\n"
    users, mechanisms = users_of(tmp_path, text)
    assert users == {"ann": "s3:cret ", "bob": HashedPassword(HASHES[0]), "eve": "", "max": "$ 5", "leo": "{x}"}
    assert mechanisms is None


def test_the_command_line_overrules_the_file_and_adds_tokens_to_it(tmp_path):
    users, mechanisms = users_of(tmp_path, "ann:old\nbob:b\n", user=["ann:new"], token=["bob:abc"])
    assert users == {"ann": "new", "bob": ("b", Token("abc"))}
    assert mechanisms == ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")


def test_a_user_of_the_command_line_has_one_password(tmp_path):
    assert users_of(tmp_path, "", user=["ann:s3cret", "ann:s3cret"])[0] == {"ann": "s3cret"}
    with pytest.raises(InvalidValueError, match="'ann' has two passwords; name each user once") as error:
        users_of(tmp_path, "", user=["ann:s3cret", "bob:b", "ann:other"])
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann", "line 2: there is no name, or no colon after it; write NAME:PASSWORD"),
        (":s3cret", "line 2: there is no name, or no colon after it; write NAME:PASSWORD"),
        ("bob:s3cret", "line 2: 'bob' is already in line 1; name each user once"),
        (
            "ann:$2y$05$s3cret",
            "line 2: hash: expected a password in clear, or one hashed by 'htpasswd -m'.*, got 'bcrypt'",
        ),
        ("ann:$5$s3cret$x", "got 'SHA-256 crypt'"),
        ("ann:$6$s3cret$x", "got 'SHA-512 crypt'"),
        ("ann:$argon2id$s3cret", "got 'Argon2'"),
        ("ann:{CRYPT}s3cret", "got 'an LDAP scheme'"),
        ("ann:{SHA}s3cret", "got 'an LDAP scheme'"),
        ("ann:$apr1$s3cret", "got 'something else'"),
    ],
)
def test_what_cannot_be_checked_is_an_error_that_says_where_it_stands_and_shows_no_secret(tmp_path, line, message):
    with pytest.raises(InvalidValueError, match=re.escape(message).replace(r"\.\*", ".*")) as error:
        users_of(tmp_path, f"bob:b\n{line}\n")
    assert str(tmp_path / "users") in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_file_that_is_none_is_an_error(tmp_path):
    with pytest.raises(
        InvalidValueError, match=r"^--users: .*: expected a file of NAME:PASSWORD lines that can be read"
    ):
        read_users((), tmp_path / "users", (), any_user=False)
    (tmp_path / "users").write_bytes(b"ann:\xff\n")
    with pytest.raises(InvalidValueError, match=r"^--users: .*: expected UTF-8, got 'octet 4'$"):
        read_users((), tmp_path / "users", (), any_user=False)
    with pytest.raises(InvalidValueError, match=r"^--users: --any-user lets everybody log in, and --users "):
        read_users((), tmp_path / "users", (), any_user=True)


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "scram-sha-256"])
def test_mechanisms_that_need_the_password_itself_are_refused_where_only_a_hash_is_known(mechanism):
    check_mechanisms({"ann": "s3cret"}, [mechanism])
    with pytest.raises(InvalidValueError, match="--users has hashes; choose PLAIN or LOGIN"):
        check_mechanisms({"ann": "s3cret", "bob": HashedPassword(HASHES[0])}, ["PLAIN", mechanism])
