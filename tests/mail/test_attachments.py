"""What of a message is an attachment, what is shown inside its text, and what its parts say."""

from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from smtpfix import InvalidValueError
from smtpfix.mail.envelope import Envelope
from smtpfix.mail.message import CapturedMessage


def captured(message):
    content = message.as_bytes() if isinstance(message, EmailMessage) else message
    return CapturedMessage(1, Envelope("", ()), content, datetime.now(UTC), None, False, None, None)


def outer():
    message = EmailMessage()
    message["Subject"] = "outer"
    message.set_content("Hello\n")
    return message


def test_a_message_in_a_message_is_one_attachment_whatever_it_has_attached():
    inner = outer()
    inner.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="inner.pdf")
    message = outer()
    message.add_attachment(inner)
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="outer.pdf")
    forwarded, pdf = captured(message).attachments
    assert (forwarded.content_type, forwarded.filename, forwarded.disposition) == ("message/rfc822", None, "attachment")
    assert b"Subject: outer" in forwarded.content
    assert b'filename="inner.pdf"' in forwarded.content
    assert pdf.filename == "outer.pdf"
    assert captured(message).part("application/pdf") == pdf


def test_what_bounced_is_one_attachment_of_the_bounce():
    bounce = captured(
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nIt failed.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n"
        b"Content-Disposition: attachment; filename=a.txt\r\n\r\nnote\r\n--b--\r\n"
    )
    assert [attachment.content_type for attachment in bounce.attachments] == ["message/rfc822"]
    assert bounce.text == "It failed."
    assert bounce.part("message/delivery-status").text == "Reporting-MTA: dns; mx"


@pytest.mark.parametrize("name", ["", "; filename=", '; filename=" "'])
def test_an_attachment_without_a_name_has_none(name):
    (attachment,) = captured(f"Content-Disposition: attachment{name}\r\n\r\nx".encode()).attachments
    assert attachment.filename is None


def image(*fields):
    lines = ["--b", "Content-Type: image/png; name=logo.png", *fields, "", "PNG"]
    return captured("\r\n".join(["Content-Type: multipart/related; boundary=b", "", *lines, "--b--", ""]).encode())


@pytest.mark.parametrize(
    ("fields", "is_inline"),
    [
        (["Content-Disposition: inline; filename=logo.png"], True),
        (["Content-Disposition: INLINE", "Content-ID: <logo@x>"], True),
        (["Content-ID: <logo@x>"], True),
        (["Content-Disposition: attachment", "Content-ID: <logo@x>"], False),
        ([], False),
    ],
)
def test_what_is_shown_inside_the_text_is_no_attachment(fields, is_inline):
    message = image(*fields)
    (found,) = message.inlines if is_inline else message.attachments
    assert (message.attachments if is_inline else message.inlines) == ()
    assert (found.filename, found.content) == ("logo.png", b"PNG")


@pytest.mark.parametrize("url", ["cid:logo%40x", "CID:logo@x"])
def test_an_image_is_found_by_the_url_that_the_html_has(url):
    message = image("Content-ID:\r\n <logo@x>")
    assert message.part(url).content_id == "logo@x"
    assert message.part("cid:other@x") is None


def test_a_part_is_found_by_its_media_type_with_its_parameters_and_text():
    message = outer()
    message.add_alternative("BEGIN:VCALENDAR\nSUMMARY:für\n", subtype="calendar", params={"method": "REQUEST"})
    invitation = captured(message.as_bytes().replace(b"\n", b"\r\n")).part("Text/Calendar")
    assert invitation.params["method"] == "REQUEST"
    assert invitation.text == "BEGIN:VCALENDAR\nSUMMARY:für\n"
    assert captured(message).part("text/html") is None
    with pytest.raises(InvalidValueError, match="a media type such as text/calendar"):
        captured(message).part("calendar")
