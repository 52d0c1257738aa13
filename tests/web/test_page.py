"""The page, and a message's HTML by itself: everything of a message is text, or runs nothing and fetches nothing."""

from smtpfix.web.render import html_of

EVIL = (
    b"From: \"<script>alert('from')</script>\" <ann@example.org>\r\n"
    b"Subject: <img src=x onerror=alert(1)>\xe2\x80\xaemoc\r\nContent-Type: text/html\r\n\r\n"
    b'<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example">'
    b'<script>alert(1)</script><a href="javascript:alert(1)" target="_top">x</a><form action="https://evil.example">'
)


def directives(answer):
    """Return a Content-Security-Policy by the names of its directives."""
    parts = (one.strip().partition(" ") for one in answer.headers["Content-Security-Policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_html_runs_and_fetches_nothing(site):
    id_ = site.send(EVIL)
    answer = site.ask(f"/view/{id_}.html")
    policy = directives(answer)
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert (policy["img-src"], policy["font-src"], policy["style-src"]) == ("'self' data:", "data:", "'unsafe-inline'")
    assert policy["frame-ancestors"] == "'self'"
    assert not set(policy) & {"script-src", "connect-src", "frame-src", "object-src", "media-src"}  # default-src's
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert b"<script>alert(1)</script>" in answer.body  # as it came: the policy is what stops it
    remote = directives(site.ask(f"/view/{id_}.html?remote=1"))
    assert "https:" in remote["img-src"]
    assert {name: remote[name] for name in ("sandbox", "default-src", "form-action")} == {
        name: policy[name] for name in ("sandbox", "default-src", "form-action")
    }


def test_links_in_a_frame_open_elsewhere_without_opener_or_referrer(site):
    """Of two attributes of one name the first counts (WHATWG HTML, section 13.2.5.33)."""
    id_ = site.send(EVIL)
    html = site.ask(f"/view/{id_}.html?embed=1").text
    assert '<a target="_blank" rel="noreferrer noopener" href="javascript:alert(1)" target="_top">' in html


def test_addresses_that_other_programs_know_lead_to_the_page(site):
    """They are relative, so that they hold below every path."""
    assert site.ask("/view/latest").headers["Location"] == "../"
    id_ = site.send()
    moved = site.ask("/view/latest")
    assert (moved.status, moved.headers["Location"]) == (302, id_)
    moved = site.ask(f"/view/{id_}")
    assert (moved.status, moved.headers["Location"]) == (302, f"../#/message/{id_}")
    assert site.ask("/search?q=a%26b%3A%22c%20d%22%0D").headers["Location"] == "./#/?q=a%26b%3A%22c%20d%22%0D"
    assert site.ask(f"/view/{id_}.txt").text == "hello\r\n"
    assert site.ask(f"/view/{id_}.html").text == "This message does not contain a HTML part"
    assert site.ask("/view/none.html").text == site.ask("/view/none").text == "Message not found"


def test_a_content_id_is_replaced_literally():
    content = (
        b'Content-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n'
        rb'<img src="cid:a.\1"><img src="cid:ab1"><img src="cid:none">' + b"\r\n"
        rb"--b" + b"\r\nContent-Type: image/png\r\n" + rb"Content-ID: <a.\1>" + b"\r\n\r\nx\r\n--b--\r\n"
    )
    assert html_of(content, "/part/", in_frame=False) == ('<img src="/part/2"><img src="cid:ab1"><img src="cid:none">')
