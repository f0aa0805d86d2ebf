"""The socket that the server listens on."""

from __future__ import annotations

import asyncio
import socket

from kumo.cli.server import _listen
from kumo.settings import Settings


async def test_asyncio_knows_that_it_is_tcp_and_sends_without_delay(settings: Settings) -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    with _listen(settings) as listening:
        assert listening.proto == socket.IPPROTO_TCP
        assert not listening.get_inheritable()
        async with await asyncio.start_server(lambda _reader, writer: accepted.put_nowait(writer), sock=listening):
            _reader, client = await asyncio.open_connection(*listening.getsockname())
            server_side = await accepted.get()
            assert server_side.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for writer in (client, server_side):
                writer.close()
                await writer.wait_closed()
