"""Sample mail for `smtp_message`, made by faker; the only importer of it."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from faker import Faker

_SEED: Final = 0


def sample_message(request: pytest.FixtureRequest) -> EmailMessage:
    """Return a message made by faker's own fixture, so that the user's locale and seed count, or without it by ours."""
    faker: Faker
    try:
        faker = request.getfixturevalue("faker")
    except pytest.FixtureLookupError:
        from faker import Faker as NewFaker  # noqa: PLC0415 - its import costs tens of milliseconds

        faker = NewFaker()
        faker.seed_instance(_SEED)
    message = EmailMessage()
    message["From"] = f"{_plain(faker.name())} <{faker.unique.safe_email()}>"
    message["To"] = f"{_plain(faker.name())} <{faker.unique.safe_email()}>"
    message["Subject"] = faker.sentence(nb_words=5).rstrip(".")
    message["Message-ID"] = f"<{faker.uuid4()}@example.org>"
    message["Date"] = faker.date_time()
    message.set_content("\n\n".join(faker.paragraphs(nb=2)) + "\n")
    return message


def _plain(name: str) -> str:
    """Return a name that needs no quoting in a header."""
    return "".join(character for character in name if character not in '"(),.:;<>@[\\]')
