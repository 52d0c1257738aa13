"""The sample mail of `smtp_message`: from faker if its pytest plugin is installed, otherwise always the same."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from faker import Faker


def sample_message(request: pytest.FixtureRequest) -> EmailMessage:
    """Return a message from and to domains that RFC 2606 reserves.

    faker is used through its own fixture, so that the user's locale and seed apply.
    """
    try:
        faker = request.getfixturevalue("faker")
    except pytest.FixtureLookupError:
        return _always_the_same()
    return _by(faker)


def _by(faker: Faker) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"{_plain(faker.name())} <{faker.unique.safe_email()}>"
    message["To"] = f"{_plain(faker.name())} <{faker.unique.safe_email()}>"
    message["Subject"] = faker.sentence(nb_words=5).rstrip(".")
    message["Message-ID"] = f"<{faker.uuid4()}@example.org>"
    message["Date"] = faker.date_time(tzinfo=UTC)
    message.set_content("\n\n".join(faker.paragraphs(nb=2)) + "\n")
    return message


def _always_the_same() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Ann Müller <ann@example.org>"
    message["To"] = "Bob Smith <bob@example.com>"
    message["Subject"] = "Your order is on its way"
    message["Message-ID"] = "<sample@example.org>"
    message["Date"] = datetime(2024, 2, 29, 12, tzinfo=UTC)
    message.set_content("Dear Bob,\n\nit left our house today: https://example.org/orders/1\n\nAnn\n")
    return message


def _plain(name: str) -> str:
    """Return a name that needs no quoting in a header."""
    return "".join(character for character in name if character not in '"(),.:;<>@[\\]')
