"""A channel sends no more often than it has to, and holds nothing longer."""

import asyncio
import ssl
from weakref import ref

import pytest

from smtpfix.tls.side import TLS, TLSSide
from smtpfix.wire.channel import Channel, Reads


class Transport(asyncio.Transport):
    """Keeps what it is told to send, write by write."""

    def __init__(self):
        super().__init__()
        self.sent = []
        self.is_closed = False

    def write(self, data):
        assert not self.is_closed
        self.sent.append(bytes(data))

    def close(self):
        self.is_closed = True

    def is_closing(self):
        return self.is_closed


class Marking(TLSSide):
    """Encrypts nothing, and shows what it was asked for."""

    def __init__(self):
        super().__init__()
        self.established = True
        self._said = b""

    def write(self, data):
        self._said += b"<" + data + b">"

    def close(self):
        self._said += b"<close_notify>"

    def to_send(self):
        said, self._said = self._said, b""
        return said

    receive = handshake = read_into = info = None


class Silent:
    """Listens, and says nothing."""

    def connected(self):
        pass

    def lost(self, error):
        pass

    def tls_failed(self, tls, failure, *, clear_text):
        pass


@pytest.fixture
def channel():
    channel = Channel(Reads(), lambda _: Silent())
    channel.connection_made(Transport())
    return channel


@pytest.mark.parametrize(
    ("notify", "sent"), [(True, b"<221 Bye\r\n><close_notify>"), (False, b"<221 Bye\r\n>")], ids=["with", "without"]
)
def test_the_last_reply_and_close_notify_leave_in_one_write(channel, notify, sent):
    channel.start_tls(Marking())
    channel.write(b"221 Bye\r\n")
    channel.close(notify=notify)
    assert channel._transport.sent == [sent]


def test_in_clear_the_last_reply_leaves_before_the_end(channel):
    channel.write(b"221 Bye\r\n")
    channel.close()
    assert channel._transport.sent == [b"221 Bye\r\n"]
    assert channel._transport.is_closed


def test_what_openssl_holds_goes_with_the_connection_though_the_record_stays(channel):
    tls = TLS(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    channel.start_tls(tls)
    held = ref(tls._object)
    channel.connection_lost(None)
    assert held() is None
    assert tls.alerts == []
