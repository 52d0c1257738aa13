"""The page in Chromium: what no message can do to it, nor to a page that shows its HTML alone."""

import base64
import http.server
import json
import shutil
import smtplib
import threading

import pytest

BOUND = 10
"""Seconds after which an answer has failed to come."""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
HTML = (
    b"Content-Type: text/html; charset=utf-8\r\nFrom: ann@example.org\r\nTo: bob@example.org\r\nSubject: page\r\n\r\n"
)


class Elsewhere:
    """Another server on this machine, which notes what it is asked."""

    def __init__(self, port):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.pages = {}
        self.asked = {}
        """The headers of each request, by path."""
        self.bell = threading.Condition()

    def wait(self, *paths):
        """Wait until it has been asked for all of these."""
        with self.bell:
            assert self.bell.wait_for(lambda: set(paths) <= set(self.asked), BOUND), (paths, sorted(self.asked))


@pytest.fixture
def elsewhere():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with other.bell:
                other.asked[self.path] = dict(self.headers)
                other.bell.notify_all()
            body = other.pages.get(self.path, b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name is the library's

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        other = Elsewhere(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield other
        server.shutdown()
        thread.join()


FETCHES = (
    '<img src="{0}/img"><img srcset="{0}/srcset 1x"><table background="{0}/background"><tr><td>x</td></tr></table>'
    '<p style="background: url({0}/css)">x</p><style>@import "{0}/import"; p {{ font-family: f }}'
    '@font-face {{ font-family: f; src: url({0}/font) }}</style><link rel="stylesheet" href="{0}/stylesheet">'
    '<link rel="prefetch" href="{0}/prefetch"><link rel="preload" as="image" href="{0}/preload">'
    '<link rel="icon" href="{0}/icon"><video src="{0}/video" poster="{0}/poster"></video>'
    '<audio src="{0}/audio" preload="auto"></audio><input type="image" src="{0}/input">'
    '<picture><source srcset="{0}/source"><img></picture>'
    '<svg width="9" height="9"><image href="{0}/svgimage"/><filter id="i"><feImage href="{0}/feimage"/></filter>'
    '<rect filter="url(#i)" width="9" height="9"/><use href="{0}/use#x"/></svg>'
)
RUNS = (
    "<script>new Image().src='{0}/script'</script><img src='data:,' onerror=\"new Image().src='{0}/onerror'\">"
    "<svg onload=\"new Image().src='{0}/svgonload'\"><script>new Image().src='{0}/svgscript'</script></svg>"
    "<iframe src='{0}/frame'></iframe><iframe srcdoc=\"<script>new Image().src='{0}/srcdoc'</script>\"></iframe>"
    "<object data='{0}/object'></object><embed src='{0}/embed'><script src='{0}/scriptsrc'></script>"
    "<details open ontoggle=\"new Image().src='{0}/ontoggle'\"></details>"
    "<input autofocus onfocus=\"new Image().src='{0}/onfocus'\">"
)
FETCHED = {"img", "srcset", "css", "stylesheet", "import", "font", "poster", "preload", "svgimage", "use", "background"}
RAN = {"script", "onerror", "svgscript", "frame", "srcdoc", "object", "embed", "scriptsrc"}
"""What the HTML does without a policy, among others."""
REFRESH = '<meta http-equiv="refresh" content="0;url={0}/refresh">'


def test_until_it_is_asked_for_a_message_fetches_nothing_and_runs_nothing(site, inbox, elsewhere, chromium):
    """The same HTML without the policy does: this test can fail."""
    guarded, free = f"{elsewhere.url}/guarded", f"{elsewhere.url}/free"
    id_ = site.send(HTML + (FETCHES + RUNS + REFRESH).format(guarded).encode())
    elsewhere.pages["/page"] = (FETCHES + RUNS).format(free).encode()
    elsewhere.pages["/refreshed"] = REFRESH.format(free).encode()
    inbox.click(".rows a")
    inbox.wait("document.querySelector('.notice:not([hidden])')")
    with chromium.tab() as alone, chromium.tab() as control:
        alone.open(f"{site.web.url}view/{id_}.html")
        alone.wait("document.readyState == 'complete'")
        control.open(f"{elsewhere.url}/page")
        elsewhere.wait(*(f"/free/{one}" for one in FETCHED | RAN))
        control.open(f"{elsewhere.url}/refreshed")
        elsewhere.wait("/free/refresh")
        assert [one for one in elsewhere.asked if one.startswith("/guarded")] == []
        assert alone.see("location.pathname") == f"/view/{id_}.html"
    inbox.click(".notice button", "Load it")
    elsewhere.wait("/guarded/img", "/guarded/css", "/guarded/import", "/guarded/font")
    asked = {one.removeprefix("/guarded/") for one in elsewhere.asked if one.startswith("/guarded")}
    assert not asked & (RAN | {"refresh", "svgonload", "ontoggle", "onfocus"})
    assert all("Referer" not in elsewhere.asked[f"/guarded/{one}"] for one in asked)
    assert inbox.see("location.hash") == f"#/message/{id_}"


def test_links_forms_and_base_stay_where_they_are(site, inbox, elsewhere, chromium):
    """At `/view/ID.html` opened by itself."""
    big = "display:block;position:fixed;left:0;width:200px;height:50px;"
    html = (
        f'<base href="{elsewhere.url}/base/">'
        f'<a id="js" style="{big}top:0" href="javascript:document.title=`hit`">x</a>'
        f'<form action="{elsewhere.url}/form" method="post"><button style="{big}top:60px">x</button></form>'
        f'<img id="own" src="relative.png"><svg style="{big}top:120px"><a><animate attributeName="href"'
        ' values="javascript:document.title=\'hit\'"/><rect width="200" height="50"/></a></svg>'
    )
    id_ = site.send(HTML + html.encode())
    inbox.open(f"{site.web.url}view/{id_}.html")
    inbox.wait("document.readyState == 'complete' && document.querySelector('#js')")
    for y in (25, 85, 145):
        for kind in ("mousePressed", "mouseReleased"):
            inbox.call("Input.dispatchMouseEvent", type=kind, x=100, y=y, button="left", clickCount=1)
    assert inbox.see("document.title") == ""
    assert inbox.see("document.querySelector('#own').src") == f"{site.web.url}view/relative.png"
    assert inbox.see("location.pathname") == f"/view/{id_}.html"
    assert elsewhere.asked == {}


def test_a_link_opens_without_opener_and_without_referrer(site, inbox, elsewhere):
    elsewhere.pages["/there"] = b"<script>fetch('/opener-' + (window.opener === null))</script>"
    link = f'<a target="_top" rel="opener" style="display:block;height:400px" href="{elsewhere.url}/there">go</a>'
    id_ = site.send(HTML + link.encode())
    inbox.click(".rows a")
    place = inbox.wait("document.querySelector('iframe')?.getBoundingClientRect().toJSON()")
    inbox.call("Page.bringToFront")
    for _ in range(100):  # the frame is drawn by another process, and says nothing of it
        for kind in ("mousePressed", "mouseReleased"):
            inbox.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place["x"] + 100,
                y=place["y"] + 100,
                button="left",
                clickCount=1,
            )
        with elsewhere.bell:
            if elsewhere.bell.wait_for(lambda: "/there" in elsewhere.asked, 0.1):
                break
    elsewhere.wait("/there", "/opener-true")
    assert "Referer" not in elsewhere.asked["/there"]
    assert inbox.see("location.hash") == f"#/message/{id_}"


def test_pictures_that_a_message_brings_are_shown(site, inbox):
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = (
        "Subject: cid\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
        'Content-Type: text/html\r\n\r\n<img src="cid:p@x">\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <p@x>\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{png}\r\n--b--\r\n"
    )
    id_ = site.send(content.encode())
    inbox.open(f"{site.web.url}view/{id_}.html")
    assert inbox.wait("document.images[0]?.complete && document.images[0].naturalWidth") == 1


def test_what_a_message_says_is_text_everywhere(site, inbox):
    evil = "<img src=x onerror=document.title='hit'>\u202e\u2066<script>document.title='hit'</script>"
    q = "=?utf-8?b?" + base64.b64encode(evil.encode()).decode() + "?="
    content = (
        f"From: {q} <a@example.org>\r\nTo: {q} <b@example.org>\r\nSubject: {q}\r\nX-Tags: <b>tag</b>\r\n"
        f"X-Evil: {evil}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{evil} https://a.example/\u202e'><img src=x>\r\n"
        f'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="{q}"\r\n\r\n1\r\n--b--\r\n'
    )
    with smtplib.SMTP(site.server.host, site.server.port, timeout=BOUND) as client:
        client.ehlo("<img/src=x/onerror=document.title='hit'>")
        client.sendmail("ann@example.org", ["bob@example.org"], content.encode())
    inbox.click(".rows a")
    inbox.wait("document.querySelector('.head h1')?.innerText.startsWith('<img src=x')")
    inbox.press("?")
    for name in ("Text", "Protocol", "Parts", "Headers", "Source", "Checks", "As a test"):
        inbox.click("[role=tab]", name)
        inbox.wait(f"document.querySelector('[aria-selected=true]').innerText.startsWith({json.dumps(name)})")
        inbox.wait("document.querySelector('#pane').innerText")
        assert (
            inbox.see("[...document.querySelectorAll('img')].map(e => e.getAttribute('src'))")
            == ["static/icon.svg"] * 2
        )
        assert inbox.see("document.querySelectorAll('body script, #place b b').length") == 0
        shown = inbox.see("document.body.textContent")
        assert "\u202e" not in shown
        assert "\u2066" not in shown
    assert inbox.see("document.title").endswith("smtpfix")
    links = inbox.see("[...document.querySelectorAll('a[target]')].map(e => e.rel)")
    assert set(links) == {"noreferrer noopener"}


def test_the_pages_policy_stops_a_script_that_stood_in_it(inbox):
    inbox.see("document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = `hit`'}))")
    inbox.see(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"document.title = `hit`\">')"
    )
    assert inbox.see("(() => { try { return eval('1') } catch (error) { return error.name } })()") == "EvalError"
    inbox.wait("document.querySelector('body > img').complete")
    assert inbox.see("document.title") != "hit"
