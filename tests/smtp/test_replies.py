"""What the server says: each of its replies as the standard wants it."""

from smtpfix import Reply
from smtpfix.smtp import replies


def test_every_reply_of_the_server_fits_into_one_line_of_rfc_5321():
    """Section 4.5.3.1.5 allows 512 octets with the CRLF."""
    texts = [value for value in vars(replies).values() if isinstance(value, Reply)]
    assert len(texts) > 20
    for reply in texts:
        octets = reply.encode()
        assert octets.isascii()
        assert octets.count(b"\r\n") == 1
        assert len(octets) <= 512
