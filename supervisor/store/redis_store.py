"""Leases and records in Redis (or Valkey): two hashes for each program, changed by scripts, which are atomic.

supinit:{NAME}:lease has token, owner, host, since and until (both in milliseconds of the server's clock). It stays when
the lease is over, so that the token never falls. supinit:{NAME}:records has one JSON record for each key. The braces
keep both in the same slot of a cluster.
"""

from __future__ import annotations

import json
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from supervisor.store.claims import Done, Forgotten, Granted, StoreError, Taken, utc
from supervisor.store.wording import one_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.store.claims import Claimed, Request

_NOW = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
_CLAIM = f"""{_NOW}
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {{'done'}} end
local token = tonumber(redis.call('HGET', KEYS[1], 'token') or '0')
if tonumber(redis.call('HGET', KEYS[1], 'until') or '0') > now then
  return {{'taken', redis.call('HGET', KEYS[1], 'host'), redis.call('HGET', KEYS[1], 'since'), token}}
end
if token < tonumber(ARGV[5]) then return {{'forgotten'}} end
redis.call('HSET', KEYS[1], 'token', token + 1, 'owner', ARGV[2], 'host', ARGV[3], 'since', now, 'until', now + ARGV[4])
return {{'granted', token + 1}}
"""
_RENEW = f"""{_NOW}
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
if not owner then redis.call('HSET', KEYS[1], 'token', ARGV[4], 'owner', ARGV[1], 'host', ARGV[2], 'since', now) end
redis.call('HSET', KEYS[1], 'until', now + ARGV[3])
return 1
"""
_RECORD = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner and owner ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'token', ARGV[4], 'until', 0)
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
"""
_RELEASE = "if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', 0) end"


class RedisStore:
    """One connection to Redis. `limit`: the seconds that it may take to connect, or to answer."""

    def __init__(self, request: Request, password: str | None, limit: float) -> None:
        self._request = request
        self._password = password
        options: dict[str, Any] = {"password": password} if password is not None else {}
        if request.url.startswith("rediss:") and "ssl_check_hostname" not in request.url:
            options["ssl_check_hostname"] = True
        try:
            self._client = redis.Redis.from_url(
                request.url,
                decode_responses=True,
                socket_timeout=limit,
                socket_connect_timeout=limit,
                retry=Retry(NoBackoff(), 0),
                client_name="supinit-once",
                **options,
            )
        except (ValueError, TypeError) as error:
            raise StoreError(one_sentence(error, request, password)) from None
        try:
            self._client.ping()
        except (redis.RedisError, OSError) as error:
            raise StoreError(_sentence(error, request, password)) from None
        self._keys = f"supinit:{{{request.name}}}:lease", f"supinit:{{{request.name}}}:records"
        self._lease = round(request.lease * 1000)

    def _run(self, script: str, *values: str | int) -> Any:
        try:
            return self._client.eval(script, 2, *self._keys, *values)
        except (redis.RedisError, OSError) as error:
            raise StoreError(_sentence(error, self._request, self._password)) from None

    def claim(self, seen: int) -> Claimed:
        request = self._request
        kind, *about = self._run(_CLAIM, request.key, request.owner, request.host, self._lease, seen)
        match kind:
            case "done":
                return Done()
            case "granted":
                return Granted(int(about[0]))
            case "taken":
                return Taken(about[0], utc(int(about[1]) / 1000), int(about[2]))
            case _:
                return Forgotten()

    def recorded_orders(self) -> list[str]:
        try:
            records = self._client.hvals(self._keys[1])
        except (redis.RedisError, OSError) as error:
            raise StoreError(_sentence(error, self._request, self._password)) from None
        try:
            orders = [json.loads(record)["order"] for record in records]
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{self._keys[1]} has a record that supinit has not written") from None
        return [str(order) for order in orders if order is not None]

    def renew(self, token: int) -> bool:
        return bool(self._run(_RENEW, self._request.owner, self._request.host, self._lease, token))

    def record(self, token: int, duration: float) -> bool:
        request = self._request
        content = {
            "program": request.program,
            "key": request.key,
            "order": request.order,
            "completed_at": utc(time.time()),
            "duration_seconds": round(duration, 3),
            "host": request.host,
            "token": token,
        }
        return bool(self._run(_RECORD, request.owner, request.key, json.dumps(content), token))

    def release(self) -> None:
        self._run(_RELEASE, self._request.owner)

    def close(self) -> None:
        try:
            self._client.close()
        except (redis.RedisError, OSError):
            pass


def _sentence(error: BaseException, request: Request, password: str | None) -> str:
    if isinstance(error, redis.TimeoutError):
        is_tls = request.url.startswith("rediss:") and "connecting" in str(error)
        return "no answer in time to TLS; perhaps this port has none" if is_tls else "no answer in time"
    text = one_sentence(error, request, password)
    _, is_connecting, reason = text.partition("connecting to ")
    return reason.partition(". ")[2] or text if is_connecting else text
