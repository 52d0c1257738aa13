"""Calls the methods of pytest-mailpit's client, and prints what each returned as JSON. Argument: the server's URL."""

import json
import sys

from pytest_mailpit.chaos import ChaosTriggers
from pytest_mailpit.client import MailpitClient

with MailpitClient(sys.argv[1]) as client:
    first = client.messages().messages[0]
    message = client.get_message(first.id)
    results = {
        "version": client.info().version,
        "is_ready": client.is_ready(),
        "server_time": client.server_time().year,
        "subject": message.subject,
        "search": len(client.search("subject:hello").messages),
        "search_all": len(client.search_all("subject:hello")),
        "headers": client.get_headers(first.id)["Subject"],
        "raw": client.get_raw(first.id).decode(),
        "waited": client.wait_for_message(subject="hello", timeout=5).id == first.id,
        "waited_many": len(client.wait_for_messages(1, subject="hello", timeout=5)),
        "html_url": client.html_url(first.id),
        "chaos": repr(client.chaos()),
        "set_chaos": repr(client.set_chaos(ChaosTriggers())),
    }
    client.assert_no_message(subject="other", within=0.1)
    client.mark_read([first.id], read=False)
    client.set_tags([first.id], ["one"])
    results["tags"] = list(client.get_message(first.id).tags)
    client.delete_messages(["unknown"])
    client.delete_search("subject:other")
    results["left"] = client.messages().total
    client.delete_all()
    results["at_the_end"] = client.messages().total
sys.stdout.write(json.dumps(results))
