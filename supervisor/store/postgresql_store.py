"""Leases and records in PostgreSQL: the tables supinit_lease and supinit_record, made if they are missing.

The lease is taken and given back in single statements, and success is recorded in the transaction that gives it back.
A lease stays in its table when it is over, so that the token never falls.
"""

from __future__ import annotations

import psycopg

from supervisor.store.claims import Done, Granted, StoreError, Taken, utc
from supervisor.store.wording import one_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.store.claims import Claimed, Request

_TABLES = """
CREATE TABLE IF NOT EXISTS supinit_lease (
  name text PRIMARY KEY, token bigint NOT NULL, owner text NOT NULL, host text NOT NULL,
  since timestamptz NOT NULL, until timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS supinit_record (
  name text NOT NULL, key text NOT NULL, "order" text, completed_at timestamptz NOT NULL,
  duration_seconds double precision NOT NULL, host text NOT NULL, token bigint NOT NULL, PRIMARY KEY (name, key));
"""
_LOCK = 0x73757069
"""The advisory lock for creating the tables. Two sessions that create a table at the same time conflict."""
_CLAIM = """
INSERT INTO supinit_lease AS held (name, token, owner, host, since, until)
VALUES (%(name)s, 1, %(owner)s, %(host)s, clock_timestamp(), clock_timestamp() + %(lease)s * interval '1 second')
ON CONFLICT (name) DO UPDATE SET token = held.token + 1, owner = excluded.owner, host = excluded.host,
  since = excluded.since, until = excluded.until
WHERE held.until <= clock_timestamp()
RETURNING token
"""
_HOLDER = "SELECT host, extract(epoch FROM since), token FROM supinit_lease WHERE name = %(name)s"
_IS_RECORDED = "SELECT 1 FROM supinit_record WHERE name = %(name)s AND key = %(key)s"
_ORDERS = 'SELECT "order" FROM supinit_record WHERE name = %(name)s AND "order" IS NOT NULL'
_RENEW = """
UPDATE supinit_lease SET until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE name = %(name)s AND owner = %(owner)s RETURNING token
"""
_END = "UPDATE supinit_lease SET until = '-infinity' WHERE name = %(name)s AND owner = %(owner)s RETURNING token"
_RECORD = """
INSERT INTO supinit_record (name, key, "order", completed_at, duration_seconds, host, token)
VALUES (%(name)s, %(key)s, %(order)s, clock_timestamp(), %(duration)s, %(host)s, %(token)s)
ON CONFLICT (name, key) DO NOTHING
"""


class PostgresqlStore:
    """One connection to PostgreSQL. `limit`: the seconds that it may take to connect."""

    def __init__(self, request: Request, password: str | None, limit: float) -> None:
        self._request = request
        self._password = password
        options: dict[str, Any] = {"password": password} if password is not None else {}
        try:
            self._connection = psycopg.connect(
                request.url,
                autocommit=True,
                connect_timeout=max(2, int(limit)),
                prepare_threshold=None,  # a pooler may give each statement another session
                application_name="supinit once",
                **options,
            )
        except (psycopg.Error, OSError, ValueError) as error:
            raise StoreError(self._sentence(error)) from None
        self._values = {
            "name": request.name,
            "key": request.key,
            "order": request.order,
            "owner": request.owner,
            "host": request.host,
            "lease": request.lease,
        }
        try:
            self._make_tables()
        except StoreError:
            self.close()
            raise

    def _sentence(self, error: BaseException) -> str:
        return one_sentence(error, self._request, self._password)

    def _make_tables(self) -> None:
        row = self._one("SELECT to_regclass('supinit_lease') IS NULL OR to_regclass('supinit_record') IS NULL")
        if row is None or not row[0]:
            return
        try:
            with self._connection.transaction():
                self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                self._connection.execute(_TABLES)
        except (psycopg.Error, OSError) as error:
            raise StoreError(
                f"cannot create the tables supinit_lease and supinit_record: {self._sentence(error)}"
            ) from None

    def _one(self, statement: str, **more: object) -> Any:
        """Return the first row of a statement, or None."""
        try:
            cursor = self._connection.execute(statement, {**self._values, **more} if "%(" in statement else None)
            return cursor.fetchone() if cursor.description is not None else None
        except (psycopg.Error, OSError) as error:
            raise StoreError(self._sentence(error)) from None

    def claim(self, seen: int) -> Claimed:
        """Take the lease first: its row is locked then, so a holder that records waits, or has recorded."""
        try:
            with self._connection.transaction():
                granted = self._one(_CLAIM)
                if self._one(_IS_RECORDED) is not None:
                    self._one(_END)
                    return Done()
                holder = self._one(_HOLDER) if granted is None else None
        except psycopg.Error as error:
            raise StoreError(self._sentence(error)) from None
        if granted is not None:
            return Granted(int(granted[0]))
        if holder is None:
            raise StoreError("its table supinit_lease has lost a row")
        return Taken(holder[0], utc(float(holder[1])), int(holder[2]))

    def recorded_orders(self) -> list[str]:
        try:
            return [str(row[0]) for row in self._connection.execute(_ORDERS, self._values).fetchall()]
        except (psycopg.Error, OSError) as error:
            raise StoreError(self._sentence(error)) from None

    def renew(self, token: int) -> bool:
        return self._one(_RENEW) is not None

    def record(self, token: int, duration: float) -> bool:
        try:
            with self._connection.transaction():
                if self._one(_END) is None:
                    return False
                self._one(_RECORD, token=token, duration=duration)
        except psycopg.Error as error:
            raise StoreError(self._sentence(error)) from None
        return True

    def release(self) -> None:
        self._one(_END)

    def close(self) -> None:
        try:
            self._connection.close()
        except (psycopg.Error, OSError):
            pass
