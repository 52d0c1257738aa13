"""Whatever a message is made of, each form of it is answered, and soon."""

import pytest
from growth import seconds
from mails import mail

from smtpfix.mail.mime import MAX_DEPTH
from smtpfix.store.row import entry_of
from smtpfix.web.assertion import STYLES
from smtpfix.web.extract import codes, links
from smtpfix.web.links import links_of
from smtpfix.web.message_json import whole

pytestmark = pytest.mark.slow

HOSTILE = {
    "levels": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(2 * MAX_DEPTH)
    ),
    "parts": b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 5000,
    "line": b"Content-Type: text/html\r\n\r\n" + b"<a href=cid:" * 40_000,
    "markup": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 40_000,
    "words": b"Subject: " + b"=?utf-8?q?=41?= " * 20_000 + b"\r\n\r\nx",
    "addresses": b"To: " + b"a@example.org,\r\n " * 20_000 + b"b@example.org\r\n\r\nx",
    "unsubscribe": b"List-Unsubscribe: " + b"(<" * 20_000 + b"\r\n\r\nx",
    "codes": b"Subject: code\r\n\r\n" + b"code 1234 AB12CD " * 5000,
    "no octets": b"\r\n",
    "surrogates": b"Subject: \xff\xfe\r\nFrom: \xff <\xff@\xff>\r\nContent-Type: text/html; charset=utf-7\r\n\r\n"
    b"+2AA-\xff\0",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_each_form_of_a_hostile_message_is_answered(site, content):
    """The limit of each request is what says that it came soon."""
    sent = site.send(content)
    for path in (
        *(f"/api/v1/message/{sent}", f"/api/v1/message/{sent}/headers", f"/api/v1/message/{sent}/raw"),
        *(f"/api/v1/messages/{sent}@smtpfix.test", f"/api/smtpfix/v1/messages/{sent}"),
        *(f"/api/smtpfix/v1/messages/{sent}/test?style={style}" for style in STYLES),
        *("/api/v1/messages", "/api/v2/messages", "/", "/api/smtpfix/v1/messages", "/api/smtpfix/v1/messages/wait"),
    ):
        assert site.ask(path).status == 200, path
    assert site.ask(f"/view/{sent}.html").status in (200, 404)


LARGEST = {
    "1,400,000 parts": lambda: b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 1_400_000,
    "20,000 levels": lambda: b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(20_000)
    ),
    "a line of 32 MB": lambda: b"Content-Type: text/html\r\n\r\n" + b"x" * 32_000_000,
    "1 MB of encoded words": lambda: b"Subject: " + b"=?utf-8?q?=41?= " * 65_536 + b"\r\n\r\nx",
    "100,000 addresses": lambda: b"To: " + b"a@example.org,\r\n " * 100_000 + b"b@example.org\r\n\r\nx",
}
"""As large as a server takes it by default."""


@pytest.mark.parametrize("make", LARGEST.values(), ids=LARGEST)
def test_the_largest_message_of_each_form_costs_no_more_than_a_moment_and_is_stored_in_little(make):
    """What is stored beside the octets is bounded, and everything that is made of a message for an answer is soon."""
    content = make()

    def all_of_it():
        entry = entry_of(mail(content), server="plain", run="run")
        whole(entry.row, content)
        links_of(content)
        links(content)
        codes(entry.row.subject, content)
        assert len(repr(entry.row)) + len(repr(entry.words)) < 2_000_000

    assert seconds(all_of_it, 1) < 5
