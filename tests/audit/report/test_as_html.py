"""An audit's result as a page: complete, readable in every light, and harmless, in Chromium as in the text.

What needs Chromium is skipped where it is not installed.
"""

from __future__ import annotations

import dataclasses
import http.server
import re
import shutil
import subprocess
import threading
from collections import Counter
from html.parser import HTMLParser

import pytest
from audit_results import ATTACKED, EVERYTHING, HOSTILE, NOTHING, SAMPLES, SMALL, TRANSCRIPT, WITH_CAUSES, finding, run

from smtpfix.audit.report import to_html
from smtpfix.audit.report.words import MEANING
from smtpfix.audit.result import Ending, Outcome, Verdict

RESULTS = pytest.mark.parametrize("result", [pytest.param(value, id=name) for name, value in SAMPLES.items()])
VOID = {"meta", "link", "use", "path", "rect", "circle"}
ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "footer",
        "h1",
        "h2",
        "h3",
    ),
    *("h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "b", "i", "em", "strong", "bdi", "a", "pre"),
    *("details", "summary", "svg", "symbol", "use", "path", "rect", "circle"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "title", "dir", "open"),
    *(
        "aria-label",
        "aria-labelledby",
        "aria-hidden",
        "aria-current",
        "viewbox",
        "width",
        "height",
        "d",
        "x",
        "y",
        "rx",
    ),
    *("cx", "cy", "r"),
}


class Page(HTMLParser):
    """A page taken apart: elements in order, each with its attributes and all text in it."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.inside = [], []
        self.feed(text)
        self.close()
        assert self.inside == [], "an element is not closed"

    def handle_starttag(self, tag, attrs):
        element = {
            "tag": tag,
            "text": "",
            "within": [one["tag"] for one in self.inside],
            **{f"@{k}": v for k, v in attrs},
        }
        self.elements.append(element)
        if tag not in VOID:
            self.inside.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.inside.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.inside.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.inside:
            element["text"] += data

    def all(self, tag, of=None):
        """Return the elements of a kind, or those of them with a class."""
        return [one for one in self.elements if one["tag"] == tag and of in (None, *one.get("@class", "").split())]

    def texts(self, tag):
        """Return the texts of a kind of elements."""
        return [one["text"] for one in self.all(tag)]


def page(result):
    return Page(to_html(result))


def pres(page):
    return [text.removeprefix("\n") for text in page.texts("pre")]


def in_groups(result):
    """Return the findings as the matrix has them."""
    groups = dict.fromkeys(one.group for one in result.findings)
    return [one for group in groups for one in result.findings if one.group == group]


def names(page):
    return [one["@aria-label"] for one in page.all("a", "cell")]


@RESULTS
def test_a_page_has_a_cell_and_a_section_for_every_finding(result):
    parts = page(result)
    cells = parts.all("a", "cell")
    assert len(cells) == len(result.findings)
    ids = [one["@id"] for one in parts.elements if "@id" in one]
    assert len(set(ids)) == len(ids)
    bodies = [one["@id"] for one in parts.all("span", "anchor")]
    assert sorted(one["@href"].removeprefix("#") for one in cells) == sorted(bodies)
    assert len(parts.all("div", "body")) == len(bodies)


@RESULTS
def test_every_link_leads_to_a_place_in_the_page(result):
    parts = page(result)
    ids = {one["@id"] for one in parts.elements if "@id" in one}
    links = {one["@href"] for one in parts.elements if "@href" in one and one["tag"] != "link"}
    assert links
    assert {link.removeprefix("#") for link in links} <= ids


@RESULTS
def test_a_page_is_made_of_nothing_that_runs_or_fetches(result):
    parts = page(result)
    assert {one["tag"] for one in parts.elements} <= ELEMENTS
    assert {name[1:] for one in parts.elements for name in one if name.startswith("@")} <= ATTRIBUTES
    (style,) = parts.texts("style")
    assert not re.search(r"url\(|@import|expression|src", style)
    assert [one["@href"] for one in parts.elements if one["tag"] == "link"] == ["data:,"]


@RESULTS
def test_a_page_has_a_policy_a_language_and_a_title_and_is_made_for_a_phone(result):
    parts = page(result)
    metas = {
        one.get("@http-equiv") or one.get("@name"): one.get("@content")
        for one in parts.elements
        if one["tag"] == "meta"
    }
    policy = metas["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == "light dark"
    assert parts.elements[0]["@lang"] == "en"
    (title,) = [one["text"] for one in parts.elements if one["tag"] == "title"]
    assert title.startswith(f"{result.grade.heading}: ")


def test_the_answer_comes_first_then_what_to_change_then_the_grade_then_the_rest():
    text = to_html(WITH_CAUSES).partition("<body")[2]
    (cause,) = WITH_CAUSES.causes
    order = (WITH_CAUSES.worth, "INJECTABLE", ">Change this<", cause.what, ">The grade<", WITH_CAUSES.promise)
    order += ("Not known of old versions", f"{len(WITH_CAUSES.findings)} scenarios: ")
    order += ('id="matrix"', ">Worth knowing<", 'id="failed"')
    assert sorted(order, key=text.index) == [*order]
    text = to_html(EVERYTHING)
    legend = [
        one["text"] for one in Page(text).elements if one["tag"] == "li" and "careful client does it" in one["text"]
    ]
    assert legend == ["51 passedas a careful client does it"]


def test_the_grade_stands_there_once_and_not_again_in_what_it_is_worth():
    worth = dataclasses.replace(EVERYTHING, worth=f"{EVERYTHING.grade.heading}: anyone who listens learns nothing.")
    (shown,) = [one["text"] for one in page(worth).all("div", "worth")]
    assert f"{EVERYTHING.grade.heading}Anyone who listens learns nothing." in shown
    assert f"{EVERYTHING.grade.heading}: " not in shown


@pytest.mark.parametrize(
    ("differences", "heading"),
    [
        ((), "It behaves as documented for tmail-c/other-port"),
        (("under good it <refused>",), "It does not behave as documented for tmail-c/other-port"),
    ],
)
def test_how_it_compares_with_a_family_is_a_heading_and_each_difference_a_line(differences, heading):
    compared = page(dataclasses.replace(EVERYTHING, family="tmail-c/other-port", differences=differences))
    assert heading in compared.texts("h2")
    assert [text for text in compared.texts("li") if text.startswith("under ")] == list(differences)


def test_a_client_without_faults_has_no_flags_and_one_broken_off_says_so():
    assert 'class="flags"' not in to_html(SMALL)
    assert 'class="flags"' in to_html(EVERYTHING)
    assert "Broken off." in to_html(NOTHING)
    assert "Broken off." not in to_html(SMALL)


def test_a_cell_says_what_it_is_without_colour():
    shapes = Counter(re.findall(r'class="cell".*?href="#(shape-[\w-]+)"', to_html(EVERYTHING)))
    counts = Counter(f"shape-{one.verdict}" for one in EVERYTHING.findings)
    assert shapes == counts
    drawn = dict(re.findall(r'<symbol id="shape-([\w-]+)"[^>]*>(.*?)</symbol>', to_html(SMALL)))
    assert set(drawn) == set(Verdict)
    assert len(set(drawn.values())) == len(Verdict)
    assert "strip-ehlo, starttls: failed, leaked-credentials, also leaked-message, misreported" in names(
        page(EVERYTHING)
    )
    assert "revoked-ocsp-staple, starttls: not run" in names(page(EVERYTHING))


def test_a_section_has_evidence_consequence_fix_standard_and_transcripts():
    text = to_html(dataclasses.replace(SMALL, findings=(next(one for one in EVERYTHING.findings if one.control),)))
    for part in (
        "A second 220 follows the first in clear",
        "In clear, AUTH PLAIN as &#x27;ann&#x27; with the secret.",
        "Anyone who can change one reply on the way learns the password.",
        "End the session when the EHLO reply does not offer STARTTLS.",
        "RFC 3207 section 6; RFC 8314 section 5.2",
        "It said that it succeeded (status 0, 0.12 s). The server saw 1 connection and accepted 0 messages.",
        "The control run, which decided it",
    ):
        assert part in text
    assert pres(Page(text)) == [TRANSCRIPT, "session 1: the same without the second 220"]


def test_what_failed_comes_before_what_passed():
    titles = [one["@id"] for one in page(EVERYTHING).elements if one["tag"] == "h2" and "@id" in one]
    assert titles == ["grade", "matrix", "failed", "lax", "capped", "not-run", "passed"]


def test_hostile_texts_stay_text():
    parts = page(ATTACKED)
    shown = HOSTILE.split("<!--")[0]
    assert sum(shown in text for text in pres(parts)) == 4
    assert any(shown in one["text"] for one in parts.elements if one["tag"] == "h1")
    hidden = re.sub("[\n]", "", to_html(ATTACKED))
    assert hidden.isprintable()
    assert r"\x1b[2J\x1b]0;title\x07" in hidden
    assert r"\x85\u202eevil\u2066\ufffe\uffff\ufdd0\udc80\U000e0041" in hidden
    assert r"\u034f\u115f\u3164\uffa0\ufe0f\U000e0100" in hidden
    to_html(ATTACKED).encode("utf-8")


def test_names_that_look_alike_as_anchors_have_their_own():
    twice = (finding("a b", Outcome.HUNG), finding("a-b", Outcome.HUNG), finding("A.B", Outcome.HUNG))
    anchors = [one["@id"] for one in page(dataclasses.replace(SMALL, findings=twice)).all("span", "anchor")]
    assert anchors == ["f-a-b-starttls", "f-a-b-starttls-2", "f-a-b-starttls-3"]


def test_a_finding_that_stands_in_a_result_twice_has_two_sections():
    one = finding("good", Outcome.DELIVERED, Verdict.PASSED)
    parts = page(dataclasses.replace(NOTHING, findings=(one, one)))
    assert len(parts.all("a", "cell")) == len({cell["@href"] for cell in parts.all("a", "cell")}) == 2


def test_a_very_long_transcript_is_cut_and_says_so():
    long = finding("expired", Outcome.HUNG, run=run(transcripts=("&" * 25_000,)))
    (text,) = pres(page(dataclasses.replace(SMALL, findings=(long,))))
    assert text == "&" * 20_000 + "\n… 5000 more characters"


def test_what_to_change_stands_first_with_links_to_what_showed_it():
    parts = page(WITH_CAUSES)
    (shown,) = [one["text"] for one in parts.elements if one.get("@class") == "causes"]
    assert "It goes on in clear. \nStop <there>.\nAn attacker has to. Until then no grade is better than D." in shown
    assert "Seen in 2 scenarios" in shown
    links = {one["@href"] for one in parts.elements if one["tag"] == "a" and one["text"] == "strip-ehlo"}
    assert links == {"#f-strip-ehlo-starttls", "#f-strip-ehlo-tls-required"}


def test_a_reason_and_a_note_lead_to_the_findings_they_name_and_to_no_others():
    reason, note, _ = (
        one for one in page(WITH_CAUSES).all("div", "reasons") + page(WITH_CAUSES).all("section", "reasons")
    )
    assert reason["text"].endswith("Not known of old versions: tls10-only, nothing-such.")
    assert "It goes on in clear" not in reason["text"]  # which stands under Change this
    links = {one["text"]: one["@href"] for one in page(WITH_CAUSES).all("a") if "@class" not in one}
    assert links["tls10-only"] == "#f-tls10-only-starttls"
    assert links["revoked-ocsp-staple"] == "#f-revoked-ocsp-staple-starttls"
    assert "nothing-such" not in links
    assert note["text"].endswith("revoked-ocsp-staple.")


def test_what_did_not_pass_has_its_name_beside_its_cell_and_every_cell_has_one_for_touch():
    parts = page(EVERYTHING)
    assert [one["text"] for one in parts.all("a", "cell")] == [one.scenario for one in in_groups(EVERYTHING)]
    style = parts.texts("style")[0]
    assert re.search(r"@media \(hover: none\).*\{\s*\.cells li:not\(\.passed\)", style)
    assert "content: attr(aria-label)" in style


def test_of_a_client_that_the_good_server_got_nothing_from_its_own_words_stand_first():
    words = run(Ending.FAILED, 1, said="first line\nno such option: --tsl")
    parts = page(dataclasses.replace(SMALL, findings=(finding("good", Outcome.FALSE_REFUSAL, run=words),)))
    (shown,) = [one["text"] for one in parts.elements if one.get("@class") == "broken"]
    assert "The client said:" in shown
    assert "no such option: --tsl" in shown


def test_what_is_not_installed_is_told_in_one_line():
    missing = [finding(name, Outcome.NOT_RUN, Verdict.NOT_RUN, extra="legacy-tls", run=None) for name in ("a", "b")]
    (shown,) = page(dataclasses.replace(SMALL, findings=tuple(missing))).all("p", "missing")
    assert shown["text"].startswith("Not known: 2 scenarios need packages that are not installed (a, b). To install")
    assert "-m pip install 'smtpfix[legacy-tls]'" in shown["text"]
    assert page(EVERYTHING).all("p", "missing") == []


def test_every_verdict_has_its_meaning():
    assert set(MEANING) == set(Verdict)


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Return the contrast ratio of two colours, as WCAG 2 defines it."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_shapes_stand_out_in_both_schemes(scheme):
    """WCAG 2: 4.5 for text (1.4.3), 3 for what is drawn (1.4.11)."""
    style = page(SMALL).texts("style")[0]
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", schemes[scheme == "dark"]))
    for ground in ("paper", "card"):
        for text in ("ink", "muted", "link", *Verdict):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for verdict in Verdict:
        assert contrast(colours[f"on-{verdict}"], colours[verdict]) >= 4.5
        assert contrast(colours[verdict], colours[f"{verdict}-faint"]) >= 3
    assert contrast(colours["failed"], colours["failed-faint"]) >= 4.5
    assert contrast(colours["ink"], colours["failed-faint"]) >= 4.5


def test_contrast_is_what_it_is_said_to_be():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") < 4.5 < contrast("#767676", "#ffffff")


def needs_chromium(test):
    """Mark a test that starts Chromium, some of them more than once."""
    missing = pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
    return pytest.mark.once(pytest.mark.slow(missing(test)))


FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
)


@pytest.fixture
def dom(tmp_path):
    """Return a function that opens an address in Chromium, with a new profile, and returns what it made of it."""

    def dom(address, *flags):
        profile = tmp_path / f"profile {len(list(tmp_path.iterdir()))}"
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", *flags, "--dump-dom", address]
        done = subprocess.run(command, capture_output=True, check=True, timeout=120)
        return done.stdout.decode()

    return dom


@pytest.fixture
def site():
    """Serve texts on a loopback port: set ``site.pages[path]``, read ``site.asked``."""
    pages, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.pages, server.asked = pages, asked
        server.address = f"http://127.0.0.1:{server.server_port}"
        yield server
        server.shutdown()
        thread.join()


def poisoned(site):
    """Return a result whose every text asks for a picture, a script and a style sheet."""
    link = f"{site.address}/css"
    poison = f'"><img src={site.address}/img><script src={site.address}/js></script><link rel=stylesheet href={link}>'
    said = f"0.1 S: 250 {poison}\n0.2 C: Subject: {poison}"
    bad = finding(poison, Outcome.HUNG, summary=poison, evidence=(poison,), run=run(said=poison, transcripts=(said,)))
    return dataclasses.replace(
        EVERYTHING, client=f"host {poison}", findings=(*EVERYTHING.findings, bad), promise=poison
    )


@needs_chromium
def test_in_chromium_every_scenario_is_there_and_no_request_leaves_the_page(dom, site):
    result = poisoned(site)
    site.pages["/page"] = to_html(result)
    seen = Page(dom(f"{site.address}/page"))
    assert site.asked == ["/page"]
    assert sorted(names(seen)) == sorted(names(page(result)))
    assert pres(seen) == pres(page(result))
    assert len(seen.all("div", "body")) == len(result.findings)


@needs_chromium
def test_in_chromium_the_policy_alone_stops_every_request(dom, site):
    """And without the policy, the same page asks for all three: this test can fail."""
    open_ = to_html(SMALL).replace("<h1>", f"<h1>{poisoned(site).promise}")
    site.pages |= {"/guarded": open_, "/bare": re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", open_)}
    dom(f"{site.address}/guarded")
    assert site.asked == ["/guarded"]
    dom(f"{site.address}/bare")
    assert {"/img", "/js", "/css"} <= set(site.asked)


@pytest.mark.once
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_in_chromium_hostile_texts_stay_text(dom, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(to_html(ATTACKED), encoding="utf-8")
    seen = Page(dom(path.as_uri()))
    assert seen.texts("title")[0].startswith("A, authenticated: <script>document")
    assert pres(seen) == pres(page(ATTACKED))


FRAME = """\
<iframe src="{address}" {attributes} style="width:390px;height:800px;border:0" onload="
    const inner = this.contentDocument;
    document.title = {expression};"></iframe>
"""
"""A page around a page, whose script looks inside."""


@pytest.fixture
def framed(dom, site):
    """Return a function that opens a page as wide as a phone, asks an expression about it, and returns the answer."""

    def framed(text, expression, fragment="", attributes=""):
        site.pages["/page"] = text
        address = f"/page{fragment}"
        site.pages["/frame"] = FRAME.format(address=address, expression=expression, attributes=attributes)
        return Page(dom(f"{site.address}/frame")).texts("title")[0]

    return framed


@pytest.fixture
def sheets(dom, tmp_path):
    """Return a function that prints a page, and returns how many sheets it has."""

    def sheets(text):
        path, paper = tmp_path / "page.html", tmp_path / "page.pdf"
        path.write_text(text, encoding="utf-8")
        dom(path.as_uri(), f"--print-to-pdf={paper}")
        return len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))

    return sheets


OPENED = "[...inner.querySelectorAll('details[open] .anchor')].map(one => one.id).join(' ') || 'none'"
SANDBOX = 'sandbox="allow-same-origin"'


@needs_chromium
@pytest.mark.parametrize("attributes", ["", SANDBOX], ids=["as it is", "without scripts"])
def test_in_chromium_the_finding_that_a_cell_leads_to_opens_by_itself(framed, attributes):
    text = to_html(EVERYTHING)
    assert framed(text, OPENED, "#f-strip-ehlo-tls-required", attributes) == "f-strip-ehlo-tls-required"
    assert framed(text, OPENED, "#matrix", attributes) == "none"


@needs_chromium
@pytest.mark.parametrize(("attributes", "title"), [("", "run"), (SANDBOX, "asleep")])
def test_in_chromium_a_sandbox_without_scripts_runs_none(framed, attributes, title):
    """What the test before relies on."""
    script = "<title>asleep</title><script>document.title = 'run'</script>"
    assert framed(script, "inner.title", attributes=attributes) == title


@needs_chromium
@pytest.mark.parametrize("name", ["everything", "attacked"])
def test_in_chromium_nothing_is_wider_than_a_phone(framed, name):
    width = "(inner.querySelectorAll('details').forEach(one => one.open = true), inner.documentElement.scrollWidth)"
    text = to_html(SAMPLES[name])
    assert framed(text, width) == "390"
    assert int(framed(text.replace("<h1>", '<h1 style="width:600px">'), width)) > 600


@needs_chromium
def test_in_chromium_a_phone_s_first_screen_has_the_grade_and_what_to_change(framed):
    """And the ladder has its labels."""
    expression = (
        "[...inner.querySelectorAll('.letter, .causes .fix')].map(one => one.getBoundingClientRect().bottom < 800)"
        ".concat([...inner.querySelectorAll('.ladder li')].map(one => one.getBoundingClientRect().height > 15 &&"
        " getComputedStyle(one).fontSize >= '12px'))"
    )
    assert framed(to_html(WITH_CAUSES), expression) == ",".join(["true"] * 7)


@needs_chromium
def test_in_chromium_a_finding_that_was_led_to_stands_at_the_top(framed):
    expression = "Math.round(inner.querySelector('details[open]').getBoundingClientRect().top)"
    assert 0 <= int(framed(to_html(EVERYTHING), expression, "#f-strip-ehlo-tls-required")) <= 40


@needs_chromium
def test_in_chromium_everything_that_did_not_pass_is_open_in_print(sheets):
    """A page printed has more sheets than one in which nothing opens; what passed stays closed."""
    text = to_html(EVERYTHING)
    assert sheets(text) > sheets(text.replace(":not(.passed)::details-content", ".never")) > 1


@needs_chromium
def test_in_chromium_the_first_sheet_is_a_summary(sheets):
    """What to change and the grade are on one sheet, and the rest begins on the next."""

    def with_causes(count):
        return to_html(dataclasses.replace(WITH_CAUSES, causes=WITH_CAUSES.causes * count, findings=()))

    assert sheets(with_causes(4)) == 2
    assert sheets(with_causes(40)) > 2  # which no sheet has room for
