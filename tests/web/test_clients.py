"""The client libraries that people use drive the server: npm's mailpit-api and mailhog, and pytest-mailpit's client."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfix.web.outgoing import Outgoing, Relay

BOUND = 120
"""Seconds after which an installation, or a program, hangs."""
HERE = Path(__file__).parent
NPM = ("mailpit-api@2.1.0", "mailhog@4.16.0")
PYTHON = "pytest-mailpit==0.4.1"

pytestmark = [pytest.mark.slow, pytest.mark.once]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_node_s_clients_call_each_of_their_methods(open_site, tmp_path, start_smtp_server):
    if shutil.which("npm") is None:
        pytest.skip("npm is missing: whether mailpit-api and mailhog still work is not known")
    relay = start_smtp_server()
    outgoing = Outgoing(relay=Relay(host=relay.host, port=relay.port), check_links=True)
    site = open_site(chaos=True, outgoing=outgoing)
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(tmp_path), *NPM)
    got = json.loads(run("node", str(HERE / "clients.mjs"), str(tmp_path), site.web.url.rstrip("/")))
    id_ = got["sendMessage"]["ID"]
    refused = {name: value["thrown"] for name, value in got.items() if isinstance(value, dict) and "thrown" in value}
    assert sorted(refused) == ["spamAssassinCheck"]  # what is not there
    assert (got["releaseMessage"], relay.inbox.one().envelope.recipients) == ("ok", ("a@example.org",))
    assert (got["linkCheck"]["Errors"], got["htmlCheck"]["Total"]["Supported"]) == (0, 100)
    assert got["getInfo"]["Version"].startswith("v1.")
    assert got["getConfiguration"]["ChaosEnabled"] is True
    assert got["getMessageSummary"]["Text"] == "your code is 4711"
    assert got["getMessageHeaders"]["Subject"] == ["from node"]
    assert (got["getMessageAttachment"], got["getAttachmentThumbnail"]) == ("hello", "image/jpeg")
    assert "Subject: from node" in got["getMessageSource"]
    assert [one["ID"] for one in got["listMessages"]["messages"]] == [id_]
    assert got["setReadStatus"] == got["setTags"] == got["renameTag"] == got["deleteTag"] == "ok"
    assert got["searchMessages"]["messages_count"] == 1
    assert got["waitForMessage"]["ID"] == id_
    assert got["getTags"] == ["one"]
    assert got["setChaosTriggers"]["Sender"] == {"ErrorCode": 451, "Probability": 5}
    assert (got["renderMessageHTML"], got["renderMessageText"]) == ("<p>hi</p>", "your code is 4711")
    assert got["getChaosTriggers"]["Authentication"]["ErrorCode"] == 535
    assert [got[f"hog.{name}"] for name in ("messages", "search", "latestFrom", "latestTo")] == [
        *(2, 1, "from node", "your code is 4711")
    ]
    assert (got["hog.latestContaining"], got["hog.attachments"]) == ("carl@example.org", "a.txt")
    assert got["hog.releaseMessage"] == 400
    assert (got["hog.deleteMessage"], got["hog.deleteAll"]) == (200, 200)
    assert got["deleteMessagesBySearch"] == got["deleteMessages"] == "ok"
    assert got["leftOver"] == 0


def test_pytest_mailpit_s_client_calls_its_methods(open_site, tmp_path):
    site = open_site(chaos=True)
    site.send()
    run(sys.executable, "-m", "pip", "install", "-q", "--target", str(tmp_path), PYTHON)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    got = json.loads(run(sys.executable, str(HERE / "clients.py"), site.web.url.rstrip("/"), env=environment))
    assert got["version"].startswith("v1.")
    assert (got["is_ready"], got["subject"], got["headers"]) == (True, "hello", ["hello"])
    assert (got["search"], got["search_all"], got["waited"], got["waited_many"]) == (1, 1, True, 1)
    assert (got["tags"], got["left"], got["at_the_end"]) == (["one"], 1, 0)
