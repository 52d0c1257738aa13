"""Programs that share a PostgreSQL database, each with a page: one inbox, live, whatever happens to the database."""

from __future__ import annotations

import json
import smtplib
import threading
import urllib.error
import urllib.request

import pytest
from web_programs import BOUND, run

pytestmark = pytest.mark.slow

MESSAGES = 200
"""By each of two replicas; `python -m benchmarks --only web` sends thousands."""


def replica(url):
    return run("serve", "--listen", "plain:0", "--web", "localhost:0", "--store", url)


def send(port, *names):
    with smtplib.SMTP("localhost", port, timeout=BOUND) as client:
        for name in names:
            client.sendmail("ann@example.org", "bob@example.org", f"Subject: {name}\r\n\r\nHi\r\n")


def told(program, count):
    """Yield number and subject of so many new messages, as the page's stream tells them from the beginning."""
    with urllib.request.urlopen(f"{program.url}api/smtpfix/v1/events?since=0", timeout=BOUND) as stream:  # noqa: S310 - the program's own
        fields = {}
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
                continue
            if fields.get("event") == "new":
                yield int(fields["id"]), json.loads(fields["data"])["Subject"]
                if not (count := count - 1):
                    return
            fields = {}


def test_two_replicas_lose_nothing_and_tell_everything_in_order_on_both_pages(postgres_url):
    """Two clients each; who follows the one page sees what comes to the other."""
    written = {f"{one}-{client}-{n}" for one in range(2) for client in range(2) for n in range(MESSAGES // 2)}
    with replica(postgres_url) as first, replica(postgres_url) as second:
        seen = {}

        def follow(number, program):
            seen[number] = list(told(program, len(written)))

        threads = [threading.Thread(target=follow, args=one) for one in enumerate((first, second))]
        for number, program in enumerate((first, second)):
            for client in range(2):
                names = [f"{number}-{client}-{n}" for n in range(MESSAGES // 2)]
                threads.append(threading.Thread(target=send, args=(program.port, *names)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND)
        assert [one.fetch("api/v1/messages?limit=1")["total"] for one in (first, second)] == [len(written)] * 2
    assert seen[0] == seen[1]
    assert {name for _, name in seen[0]} == written
    assert [n for n, _ in seen[0]] == sorted({n for n, _ in seen[0]})


def test_while_the_database_is_away_clients_are_told_451_and_behind_that_everything_goes_on_by_itself(
    postgres, postgres_url
):
    with replica(postgres_url) as program, run("web", "--store", postgres_url, "--listen", "localhost:0") as page:
        send(program.port, "before")
        following = told(page, 2)
        assert next(following)[1] == "before"
        postgres.stop()
        try:
            with pytest.raises(smtplib.SMTPDataError) as caught:
                send(program.port, "away")
            assert caught.value.args == (451, b"4.3.0 The message could not be kept, try again later")
            for one in (program, page):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    one.fetch("readyz")
                assert refused.value.code == 503
                refused.value.close()
                assert one.fetch("livez") == ""
        finally:
            postgres.start()
        send(program.port, "behind")
        assert [name for _, name in following] == ["behind"]
        assert [one.fetch("api/v1/messages")["total"] for one in (program, page)] == [2, 2]
        assert page.fetch("readyz") == ""
