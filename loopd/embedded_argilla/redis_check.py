"""Owns what has to be right about a Redis before Argilla's jobs go there; must not enqueue any."""

from __future__ import annotations

from typing import Any

from loopd.embedded_argilla.addresses import RedisAddress
from loopd.errors import ServerError
from loopd.printable import one_line

_CONNECT_SECONDS = 10.0


def check_redis(address: RedisAddress) -> None:
    """Look whether a Redis answers and can be written to; ServerError if not."""
    from redis.exceptions import RedisError

    client = _client(address)
    try:
        client.ping()
        role = client.role()[0]
    except (RedisError, OSError, ValueError) as error:
        raise _unusable(address, error) from None
    finally:
        client.close()
    if role not in (b"master", "master"):
        problem = f"{address.shown} is a replica, which can only be read"
        raise ServerError(f"{problem}.", hint="Give the address of the master.")


def _client(address: RedisAddress) -> Any:
    import redis

    try:
        return redis.from_url(
            address.url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_CONNECT_SECONDS
        )
    except ValueError:  # its text may repeat what the address holds
        hint = "Write redis://:PASSWORD@HOST:6379/0, rediss:// for TLS, or unix:///PATH"
        raise ServerError(f"{address.shown} is no address of a Redis.", hint) from None


def _unusable(address: RedisAddress, error: Exception) -> ServerError:
    from redis.exceptions import AuthenticationError, ResponseError

    words = one_line(str(error)).rstrip(".")[:300]
    if isinstance(error, (AuthenticationError, ResponseError)):
        return ServerError(
            f"{address.shown} refuses the login or the command: {words}.",
            hint="Is the password in --redis right?",
        )
    return ServerError(
        f"{address.shown} cannot be reached: {words or 'no answer in time'}.",
        hint="Is Redis running there? Without --redis, loopd plays it itself.",
    )
