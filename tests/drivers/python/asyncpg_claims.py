"""What asyncpg needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.

Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's.
asyncpg speaks binary in both directions and prepares every statement. Environment: as in psycopg_claims.py.
"""

import asyncio
import datetime as dt
import decimal
import os
import ssl
import sys
import uuid

import asyncpg

CLAIMS = []
STREAMED_ROWS = 100_000
DEADLINE_S = 60
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))
UTC = dt.timezone.utc
D = decimal.Decimal


def claim(function):
    CLAIMS.append(function)
    return function


def fact(*parts):
    print("fact", *parts)


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


async def refused(sqlstate, awaitable):
    try:
        await awaitable
    except asyncpg.PostgresError as error:
        expect(error.sqlstate, sqlstate)
        return error
    raise AssertionError(f"was not refused with {sqlstate}")


# Type, the value written first (and how the server prints it), the value written over it.
VALUES = [
    ("bool", True, "true", False),
    ("int2", -32768, "-32768", 32767),
    ("int4", -(2**31), "-2147483648", 2**31 - 1),
    ("int8", -(2**63), "-9223372036854775808", 2**63 - 1),
    ("float4", 1.5, "1.5", float("inf")),
    ("float8", 0.1, "0.1", -float("inf")),
    ("numeric", D("1.10"), "1.10", D("-12345678901234567890.000000001")),
    ("numeric(10,2)", D("1.10"), "1.10", D("-99.99")),
    ("text", "naïve \U0001f600 'quoted' \\ $1", "naïve \U0001f600 'quoted' \\ $1", ""),
    ("varchar(20)", "twenty at most", "twenty at most", "x"),
    ("bpchar(5)", "ab   ", "ab", "x    "),
    ("name", "identifier", "identifier", "x"),
    ("bytea", b"\x00\x01\\x\xff", "\\x00015c78ff", b""),
    ("uuid", uuid.UUID(int=0x0123456789ABCDEF << 64), "01234567-89ab-cdef-0000-000000000000", uuid.UUID(int=0)),
    ("date", dt.date(2024, 2, 29), "2024-02-29", dt.date(1, 1, 1)),
    ("date", dt.date.max, "infinity", dt.date.min),
    ("time", dt.time(23, 59, 59, 999999), "23:59:59.999999", dt.time(0)),
    ("timetz", dt.time(12, 30, tzinfo=EAST), "12:30:00+05:30", dt.time(0, tzinfo=UTC)),
    ("timestamp", dt.datetime(2024, 2, 29, 1, 2, 3, 45), "2024-02-29 01:02:03.000045", dt.datetime(1, 1, 1)),
    ("timestamp", dt.datetime.max, "infinity", dt.datetime.min),
    ("timestamptz", dt.datetime(2024, 2, 28, 19, 32, 3, tzinfo=UTC), "2024-02-28 19:32:03+00", dt.datetime(1970, 1, 1, tzinfo=UTC)),
    ("interval", dt.timedelta(days=-3, seconds=7, microseconds=5), "-3 days +00:00:07.000005", dt.timedelta(0)),
    ("json", '{"b": [1, 2.5, null]}', '{"b": [1, 2.5, null]}', "[]"),
    ("jsonb", '{"a": "ü", "b": [1, 2.5, null]}', '{"a": "ü", "b": [1, 2.5, null]}', "[]"),
    ("oid", 4294967295, "4294967295", 0),
    ("bool[]", [True, None, False], "{t,NULL,f}", []),
    ("int2[]", [1, -2], "{1,-2}", []),
    ("int4[]", [1, None, -2], "{1,NULL,-2}", []),
    ("int8[]", [2**40, 1], "{1099511627776,1}", []),
    ("float4[]", [0.5], "{0.5}", []),
    ("float8[]", [0.5, float("inf")], "{0.5,Infinity}", []),
    ("numeric[]", [D("1.10"), None], "{1.10,NULL}", []),
    ("text[]", ["a,b", 'quo"te', "", "NULL", None, "back\\"], '{"a,b","quo\\"te","","NULL",NULL,"back\\\\"}', []),
    ("varchar[]", ["x"], "{x}", []),
    ("uuid[]", [uuid.UUID(int=1)], "{00000000-0000-0000-0000-000000000001}", []),
    ("bytea[]", [b"\x00", b""], '{"\\\\x00","\\\\x"}', []),
    ("date[]", [dt.date(2024, 2, 29)], "{2024-02-29}", []),
    ("timestamp[]", [dt.datetime(2024, 2, 29)], '{"2024-02-29 00:00:00"}', []),
    ("timestamptz[]", [dt.datetime(2024, 2, 29, tzinfo=UTC)], '{"2024-02-29 00:00:00+00"}', []),
    ("interval[]", [dt.timedelta(days=1)], '{"1 day"}', []),
    ("jsonb[]", ["[1]"], "{[1]}", []),
]


@claim
async def connects():
    connection = await asyncpg.connect()
    expect(await connection.fetchval("select 1"), 1)
    expect(connection.get_server_version().major, 15)
    expect(connection.get_settings().client_encoding.lower(), "utf8")
    await connection.close()


async def connect_securely(password):
    return await asyncpg.connect(
        port=int(os.environ["SECURE_PORT"]),
        user=os.environ["SECURE_USER"],
        password=password,
        ssl=ssl.create_default_context(cafile=os.environ["SECURE_CA"]),
    )


@claim
async def connects_over_tls_with_scram():
    connection = await connect_securely(os.environ["SECURE_PASSWORD"])
    await connection.execute("create table secured (id int primary key, v text)")
    await connection.execute("insert into secured values ($1, $2)", 1, "x" * 100_000)
    row = await connection.fetchrow("select current_user::text, length(v) from secured")
    expect(tuple(row), (os.environ["SECURE_USER"], 100_000))
    await connection.close()
    await refused("28P01", connect_securely("wrong"))


@claim
async def types():
    connection = await asyncpg.connect()
    failures = []
    for number, (kind, value, printed, other) in enumerate(VALUES):
        try:
            await one_type(connection, f"typed_{number}", kind, value, printed, other)
        except Exception as error:
            failures.append(f"{kind}: {error}")
    await connection.close()
    expect(failures, [])


async def one_type(connection, table, kind, value, printed, other):
    await connection.execute(f"create table {table} (id int primary key, v {kind})")
    row = await connection.fetchrow(f"insert into {table} values ($1, $2) returning v, v::text as t", 1, value)
    expect((row["v"], row["t"]), (value, printed))
    expect(await connection.execute(f"update {table} set v = $2 where id = $1", 1, other), "UPDATE 1")
    expect(await connection.fetchval(f"select v from {table} where id = $1", 1), other)
    expect(await connection.execute(f"update {table} set v = $1", None), "UPDATE 1")
    expect(await connection.fetchval(f"select v from {table}"), None)
    expect(await connection.execute(f"delete from {table} where v is null"), "DELETE 1")
    expect(await connection.fetch(f"select v from {table}"), [])


@claim
async def declared_and_inferred_parameters():
    connection = await asyncpg.connect()
    await connection.execute("create table inferred (id int8 primary key, n numeric, s varchar(9), at timestamptz, tags text[])")
    for query in [
        "select $1::int + 1",
        "select * from inferred where id = $1 and n > $2 and s like $3 and at < $4",
        "insert into inferred (id, n, s, at, tags) values ($1, $2, $3, $4, $5) returning id, tags",
        "select id from inferred where id = any($1)",
        "update inferred set n = n * $2, tags = tags || $3 where id = $1",
        "select coalesce($1, 'x'), $2 || 'y'",
        "select id from inferred limit $1 offset $2",
    ]:
        statement = await connection.prepare(query)
        fact([p.name for p in statement.get_parameters()], [(a.name, a.type.name) for a in statement.get_attributes()])
    await connection.executemany(
        "insert into inferred values ($1, $2, $3, $4, $5)", [(n, D(n), f"s{n}", dt.datetime(2024, 1, n, tzinfo=UTC), ["t"]) for n in range(1, 11)]
    )
    expect([r[0] for r in await connection.fetch("select id from inferred where id = any($1) order by 1", [3, 5])], [3, 5])
    await connection.close()


@claim
async def error_in_transaction():
    connection = await asyncpg.connect()
    await connection.execute("create table failing (id int primary key)")
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("insert into failing values ($1)", 1)
    error = await refused("23505", connection.execute("insert into failing values ($1)", 1))
    fact(error.message, error.detail, error.constraint_name, error.table_name, error.schema_name)
    await refused("25P02", connection.fetch("select 1"))
    await transaction.rollback()
    expect(await connection.fetchval("select count(*) from failing"), 0)
    await refused("22P02", connection.fetch("select 'x'::int"))
    await refused("42P01", connection.fetch("select * from not_there"))
    await connection.close()


@claim
async def savepoints():
    connection = await asyncpg.connect()
    await connection.execute("create table saved (id int primary key)")
    async with connection.transaction(isolation="serializable"):
        await connection.execute("insert into saved values (1)")
        try:
            async with connection.transaction():
                await connection.execute("insert into saved values (2)")
                await connection.execute("insert into saved values (1)")
        except asyncpg.UniqueViolationError:
            pass
        await connection.execute("insert into saved values (3)")
    expect([r[0] for r in await connection.fetch("select id from saved order by id")], [1, 3])
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await refused("25006", connection.execute("insert into saved values (4)"))
    await connection.close()


@claim
async def streams_by_portal():
    connection = await asyncpg.connect()
    async with connection.transaction():
        count = total = 0
        async for row in connection.cursor("select id, payload from streamed where id > $1", 0, prefetch=1000):
            count, total = count + 1, total + row["id"]
        expect((count, total), (STREAMED_ROWS, STREAMED_ROWS * (STREAMED_ROWS + 1) // 2))
        cursor = await connection.cursor("select id from streamed order by id")
        expect([r[0] for r in await cursor.fetch(2)], [1, 2])
        expect(await cursor.forward(10), 10)
        expect((await cursor.fetchrow())[0], 13)
    await connection.close()


@claim
async def statement_survives_schema_change():
    connection = await asyncpg.connect()
    other = await asyncpg.connect()
    await connection.execute("create table changing (id int primary key, v int)")
    await connection.execute("insert into changing values (1, 1)")
    statement = await connection.prepare("select * from changing")
    expect(len(await statement.fetchrow()), 2)
    await other.execute("alter table changing add column w text")
    await refused("0A000", statement.fetchrow())
    expect(len(await connection.fetchrow("select * from changing")), 3)
    await connection.close()
    await other.close()


@claim
async def batch_with_an_error_in_the_middle():
    connection = await asyncpg.connect()
    await connection.execute("create table batched (id int primary key)")
    # executemany sends one pipeline; all of it is one transaction.
    await refused("23505", connection.executemany("insert into batched values ($1)", [(n % 500,) for n in range(1000)]))
    expect(await connection.fetchval("select count(*) from batched"), 0)
    await refused("22012", connection.execute("insert into batched values (1); select 1 / 0; insert into batched values (2)"))
    expect(await connection.fetchval("select count(*) from batched"), 0)
    await connection.close()


@claim
async def cancel():
    connection = await asyncpg.connect()
    try:
        await connection.fetchval("select pg_sleep(60)", timeout=1)
        raise AssertionError("was not cancelled")
    except asyncio.TimeoutError:
        pass
    expect(await connection.fetchval("select 1"), 1)
    task = asyncio.ensure_future(connection.fetchval("select count(*) from generate_series(1, 300000000)"))
    # The driver asks once; the statement has begun by then.
    await asyncio.sleep(1)
    task.cancel()
    try:
        await task
        raise AssertionError("was not cancelled")
    except asyncio.CancelledError:
        pass
    expect(await connection.fetchval("select 1"), 1)
    await connection.close()


@claim
async def notification_while_idle():
    listener, sender = await asyncpg.connect(), await asyncpg.connect()
    queue = asyncio.Queue()
    await listener.add_listener("News", lambda _, pid, channel, payload: queue.put_nowait((pid, channel, payload)))
    pid = sender.get_server_pid()
    await sender.execute("select pg_notify($1, $2)", "News", "by function")
    expect(await asyncio.wait_for(queue.get(), DEADLINE_S), (pid, "News", "by function"))
    async with sender.transaction():
        await sender.execute("notify \"News\", 'one'")
        await sender.execute("notify \"News\", 'one'")
        await sender.execute("notify \"News\", 'two'")
    found = [(await asyncio.wait_for(queue.get(), DEADLINE_S))[2] for _ in range(2)]
    expect(found, ["one", "two"])
    await listener.close()
    await sender.close()


@claim
async def pool_resets_connections():
    async with asyncpg.create_pool(min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection:
            pid = connection.get_server_pid()
            await connection.execute("set application_name = 'borrowed'")
            await connection.execute("select pg_advisory_lock(7)")
            fact(connection.get_reset_query().split())
        async with pool.acquire() as connection:
            expect(connection.get_server_pid(), pid)
            expect(await connection.fetchval("show application_name"), "")
            expect(await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'"), 0)


@claim
async def introspection():
    connection = await asyncpg.connect()
    # Unknown to the driver: it asks the catalog, recursively.
    for query in ["select typname, typnamespace::regnamespace from pg_type where typname = 'regtype'", "select 1::oid::regtype as r, 'pg_class'::regclass as c"]:
        fact([tuple(row) for row in await connection.fetch(query)])
    statement = await connection.prepare("select null::regtype[] as a, indkey, indclass from pg_index")
    fact([(a.name, a.type.name, a.type.oid, a.type.kind) for a in statement.get_attributes()])
    await connection.set_type_codec("json", encoder=str, decoder=lambda text: ("decoded", text), schema="pg_catalog")
    expect(await connection.fetchval("select '[1]'::json"), ("decoded", "[1]"))
    await connection.reload_schema_state()
    expect(await connection.fetchval("select 1"), 1)
    await connection.close()


async def main():
    failed = 0
    for function in CLAIMS:
        try:
            await function()
            print("ok", function.__name__)
        except Exception as error:
            failed += 1
            print(f"FAILED {function.__name__}: {type(error).__name__}: {error}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
