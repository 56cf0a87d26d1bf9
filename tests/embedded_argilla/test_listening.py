"""Connections of the servers, page and embedded Argilla alike."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from loopd.embedded_argilla.listening import bound_socket, listen
from loopd.ports import bound


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("opened", [bound, bound_socket])
def test_parts_of_an_answer_do_not_wait_for_each_other(
    opened: Callable[[str, int], AbstractContextManager[socket.socket]], host: str
) -> None:
    """With Nagle's algorithm each answer on a kept connection takes 40 ms longer."""

    async def option_of_a_connection(listener: socket.socket) -> int:
        option: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            option.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            writer.close()
            return await option

    with opened(host, 0) as listener:
        listen(listener)
        assert asyncio.run(option_of_a_connection(listener)) != 0
