"""Looks at each page of the built site: every link and anchor leads somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.typing import ExtensionMetadata

LOGGER = logging.getLogger(__name__)

LOADED = {
    "audio": "src",
    "iframe": "src",
    "img": "src",
    "link": "href",
    "script": "src",
    "source": "src",
    "video": "src",
}
"""Elements that a browser loads something for without being asked to, and which attribute says what."""


class Page(HTMLParser):
    """What a page leads to, what it loads, and where it can be led to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what an element leads to."""
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if LOADED.get(tag) in found:
            self.loaded.append(found[LOADED[tag]])


def faults(root: Path) -> list[str]:
    """Return what is wrong with the pages in a folder, each one line."""
    pages = {path.resolve(): Page(path) for path in sorted(root.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        name = path.relative_to(root.resolve())
        wrong += [f"{name} loads {one} from elsewhere" for one in page.loaded if urlsplit(one).netloc]
        for one in dict.fromkeys(page.links + page.loaded):
            target = urlsplit(one)
            if target.scheme or target.netloc:
                continue
            file = (path.parent / unquote(target.path)).resolve() if target.path else path
            if not file.is_file():
                wrong.append(f"{name} leads to {one}: there is no such file")
            elif file in pages and unquote(target.fragment) not in pages[file].anchors:
                wrong.append(f"{name} leads to {one}: there is no such anchor")
    return wrong


def check(app: Sphinx, exception: Exception | None) -> None:
    """Fail the build where a page has a fault."""
    if exception is None and app.builder.format == "html":
        for fault in faults(Path(app.outdir)):
            LOGGER.warning(fault)
            app.statuscode = 1


def setup(app: Sphinx) -> ExtensionMetadata:
    """Have the pages looked at."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
