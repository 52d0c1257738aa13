"""What Prometheus reads, and what tells a container's supervisor how the program is."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

from smtpfix.errors import StoreError

LINE = re.compile(r'[a-z_]+(\{tag="(?:[^"\\\n]|\\["\\n])*"\})? [0-9]+(\.[0-9]+)?')
"""A sample, as the text format has it."""


def test_prometheus_reads_the_numbers_under_the_names_that_dashboards_for_mailpit_have(site):
    site.send(b"Subject: one\r\nX-Tags: news\r\nFrom: a@example.org\r\n\r\n")
    site.send(b"Subject: two\r\nFrom: a@example.org\r\n\r\n")
    site.ask("/api/v1/message/latest")
    answer = site.ask("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    said = {line for line in answer.text.splitlines() if not line.startswith("#")}
    assert {one for one in said if not LINE.fullmatch(one)} == set()
    assert {"mailpit_messages 2", "mailpit_messages_unread 1", 'mailpit_tag_messages{tag="news"} 1.0'} <= said
    assert {"mailpit_smtp_accepted_total 2", "mailpit_smtp_rejected_total 0"} <= said
    names = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    assert {re.split("[{ ]", one)[0] for one in said} == names
    site.ask("/api/v1/messages", "DELETE")
    assert "mailpit_messages_deleted_total 2" in site.ask("/metrics").text


def test_a_program_is_alive_and_not_ready_while_its_store_is_away(site, monkeypatch):
    def away():
        raise StoreError("cannot read it: it is away")

    assert (site.ask("/livez").status, site.ask("/readyz").status) == (200, 200)
    monkeypatch.setattr(site.store, "last_change", away)
    assert (site.ask("/livez").status, site.ask("/readyz").status) == (200, 503)


def test_messages_that_are_deleted_at_the_same_moment_are_all_counted(site, monkeypatch):
    ids = [site.send(), site.send()]
    delete, both = site.store.delete, threading.Barrier(2)

    def delete_both(which):
        both.wait(10)
        return delete(which)

    monkeypatch.setattr(site.store, "delete", delete_both)
    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(lambda id_: site.ask("/api/v1/messages", "DELETE", {"IDs": [id_]}), ids)
        assert [answer.status for answer in answers] == [200, 200]
    assert "mailpit_messages_deleted_total 2" in site.ask("/metrics").text
