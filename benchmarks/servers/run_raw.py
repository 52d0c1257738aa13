"""The limit of this kind of server: asyncio, one shared read buffer, and the least that a client needs to go on.

No policy, no address is looked at, nothing is recorded but the content; TLS by `ssl.MemoryBIO`.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterable
from typing import Final

from control import Options, run

_END: Final = b"\r\n.\r\n"
_REPLIES: Final = {
    b"EHLO": b"250-mx.example.test\r\n250 STARTTLS\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
    b"STAR": b"220 go on\r\n",
}
_OK: Final = b"250 OK\r\n"


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, sink: Running) -> None:
        self._sink = sink
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._in_content = False
        self._scan = 0
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._established = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or wait for TLS."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP
        self._transport = transport
        if self._sink.is_implicit:
            self._start_tls()
        else:
            self._send(b"220 mx.example.test\r\n")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the one buffer there is."""
        return self._sink.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Go on."""
        if self._tls is None:
            self._received += self._sink.buffer[:nbytes]
            self._advance()
            return
        self._incoming.write(self._sink.buffer[:nbytes])
        try:
            if not self._established:
                self._tls.do_handshake()
                self._established = True
                if self._sink.is_implicit:
                    self._tls.write(b"220 mx.example.test\r\n")
            while data := self._tls.read(65_536):
                self._received += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._transport.abort()
            return
        self._flush()
        self._advance()

    def _advance(self) -> None:
        buffer = self._received
        replies = []
        while buffer:
            if self._in_content:
                end = buffer.find(_END, self._scan)
                if end < 0:
                    self._scan = max(0, len(buffer) - 4)
                    break
                content = bytes(memoryview(buffer)[2 : end + 2])
                if content[:1] == b"." or b"\r\n." in content:
                    content = (b"\r\n" + content).replace(b"\r\n.", b"\r\n")[2:]
                self._sink.messages.append(content)
                del buffer[: end + 5]
                self._in_content, self._scan = False, 0
                replies.append(_OK)
                continue
            end = buffer.find(b"\n")
            if end < 0:
                break
            verb = bytes(buffer[:4]).upper()
            del buffer[: end + 1]
            replies.append(_REPLIES.get(verb, _OK))
            if verb == b"DATA":
                self._in_content = True
                buffer[:0] = b"\r\n"
            elif verb == b"QUIT":
                self._send(b"".join(replies))
                self._transport.close()
                return
            elif verb == b"STAR":
                self._send(b"".join(replies))
                self._start_tls()
                return
        if replies:
            self._send(b"".join(replies))

    def _start_tls(self) -> None:
        assert self._sink.context is not None  # noqa: S101 - only asked for where there is one
        self._received.clear()
        self._tls = self._sink.context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _send(self, data: bytes) -> None:
        if self._tls is None:
            self._transport.write(data)
        else:
            self._tls.write(data)
            self._flush()

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._transport.write(data)


class Running:
    """The sink, on a loop in a thread of its own, as the peers have it."""

    def __init__(self, options: Options) -> None:
        self.is_implicit = options.mode == "implicit-tls"
        self.context: ssl.SSLContext | None = None
        if options.mode != "plain":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(options.certificate, options.key)
        self.buffer = memoryview(bytearray(262_144))
        self.messages: list[bytes] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._server: asyncio.Server
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self._ready.wait(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def _serve(self) -> None:
        create = self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=1024)
        self._server = self._loop.run_until_complete(create)
        self._ready.set()
        self._loop.run_forever()
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def contents(self) -> Iterable[bytes]:
        """Return each message's octets."""
        return self.messages

    def clear(self) -> None:
        """Forget the messages."""
        self.messages.clear()

    def close(self) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


if __name__ == "__main__":
    run(Running, packages=[], keeps="content")
