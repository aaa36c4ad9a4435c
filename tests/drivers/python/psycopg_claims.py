"""What psycopg 3 needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.

Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's.
Reads PGHOST, PGPORT, PGUSER and PGDATABASE for the plain listener, and SECURE_* for the one with TLS and SCRAM.
"""

import datetime as dt
import os
import select
import sys
import threading
import uuid
from decimal import Decimal

import psycopg
import psycopg_pool
import sqlalchemy
from psycopg import errors, sql
from psycopg.types import TypeInfo
from psycopg.types.json import Json, Jsonb
from psycopg.types.numeric import Oid

CLAIMS = []
STREAMED_ROWS = 100_000
DEADLINE_S = 60
EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def claim(function):
    CLAIMS.append(function)
    return function


def connect(**options):
    return psycopg.connect(autocommit=True, **options)


def fact(*parts):
    print("fact", *parts)


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")


def refused(sqlstate, function, *arguments):
    try:
        function(*arguments)
    except psycopg.Error as error:
        expect(error.sqlstate, sqlstate)
        return error
    raise AssertionError(f"was not refused with {sqlstate}")


# Type, the values that are written, and what is the same for both: how the server prints the first one.
VALUES = [
    ("bool", [True, False], "true"),
    ("int2", [-32768, 32767], "-32768"),
    ("int4", [-(2**31), 2**31 - 1], "-2147483648"),
    ("int8", [-(2**63), 2**63 - 1], "-9223372036854775808"),
    ("float4", [1.5, float("inf")], "1.5"),
    ("float8", [0.1, -float("inf")], "0.1"),
    ("numeric", [Decimal("1.10"), Decimal("-12345678901234567890.000000001")], "1.10"),
    ("numeric(10,2)", [Decimal("1.1"), Decimal("-99.99")], "1.10"),
    ("text", ["naïve \U0001f600 'quoted' \\ $1", ""], "naïve \U0001f600 'quoted' \\ $1"),
    ("varchar(20)", ["twenty at most", "x"], "twenty at most"),
    ("name", ["identifier", "x"], "identifier"),
    ("bytea", [b"\x00\x01\\x\xff", b""], "\\x00015c78ff"),
    ("uuid", [uuid.UUID(int=0x0123456789ABCDEF << 64), uuid.UUID(int=0)], "01234567-89ab-cdef-0000-000000000000"),
    ("date", [dt.date(2024, 2, 29), dt.date(1, 1, 1)], "2024-02-29"),
    ("time", [dt.time(23, 59, 59, 999999), dt.time(0)], "23:59:59.999999"),
    ("timetz", [dt.time(12, 30, tzinfo=EAST), dt.time(0, tzinfo=dt.timezone.utc)], "12:30:00+05:30"),
    ("timestamp", [dt.datetime(2024, 2, 29, 1, 2, 3, 45), dt.datetime(1, 1, 1)], "2024-02-29 01:02:03.000045"),
    (
        "timestamptz",
        [dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=EAST), dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)],
        "2024-02-28 19:32:03+00",
    ),
    ("interval", [dt.timedelta(days=-3, seconds=7, microseconds=5), dt.timedelta(0)], "-3 days +00:00:07.000005"),
    ("json", [{"b": [1, 2.5, None], "a": "ü"}, []], '{"b": [1, 2.5, null], "a": "\\u00fc"}'),
    ("jsonb", [{"b": [1, 2.5, None], "a": "ü"}, []], '{"a": "ü", "b": [1, 2.5, null]}'),
    ("oid", [4294967295, 0], "4294967295"),
    ("bool[]", [[True, None, False], []], "{t,NULL,f}"),
    ("int2[]", [[1, -2], []], "{1,-2}"),
    ("int4[]", [[1, None, -2], []], "{1,NULL,-2}"),
    ("int8[]", [[2**40, 1], []], "{1099511627776,1}"),
    ("float8[]", [[0.5, float("inf")], []], "{0.5,Infinity}"),
    ("numeric[]", [[Decimal("1.10"), None], []], "{1.10,NULL}"),
    ("text[]", [["a,b", 'quo"te', "", "NULL", None, "back\\"], []], '{"a,b","quo\\"te","","NULL",NULL,"back\\\\"}'),
    ("uuid[]", [[uuid.UUID(int=1)], []], "{00000000-0000-0000-0000-000000000001}"),
    ("date[]", [[dt.date(2024, 2, 29)], []], "{2024-02-29}"),
    ("timestamptz[]", [[dt.datetime(2024, 2, 29, tzinfo=dt.timezone.utc)], []], '{"2024-02-29 00:00:00+00"}'),
    ("bytea[]", [[b"\x00", b""], []], '{"\\\\x00","\\\\x"}'),
]
WRAPPERS = {"json": Json, "jsonb": Jsonb, "oid": Oid}
# The characters' type pads, so that what is read is not what was written.
PADDED = ("bpchar(5)", "ab", "ab   ")


def round_trip(connection, placeholder, binary):
    for number, (kind, values, printed) in enumerate(VALUES):
        table = sql.Identifier(f"typed_{placeholder}_{binary}_{number}".lower())
        wrap = WRAPPERS.get(kind, lambda value: value)
        with connection.cursor(binary=binary) as cursor:
            try:
                cursor.execute(sql.SQL("create table {} (id int primary key, v {})").format(table, sql.SQL(kind)))
                insert = sql.SQL(f"insert into {{}} values (1, %{placeholder}) returning v, v::text").format(table)
                expect(cursor.execute(insert, [wrap(values[0])]).fetchone(), (values[0], printed))
                update = sql.SQL(f"update {{}} set v = %{placeholder} where id = 1").format(table)
                expect(cursor.execute(update, [wrap(values[1])]).rowcount, 1)
                expect(cursor.execute(sql.SQL("select v from {}").format(table)).fetchone(), (values[1],))
                expect(cursor.execute(update, [None]).rowcount, 1)
                expect(cursor.execute(sql.SQL("select v from {}").format(table)).fetchone(), (None,))
                expect(cursor.execute(sql.SQL("delete from {} where v is null").format(table)).rowcount, 1)
                expect(cursor.execute(sql.SQL("select v from {}").format(table)).fetchall(), [])
            except Exception as error:
                raise AssertionError(f"{kind} %{placeholder} binary={binary}: {error}") from error


@claim
def connects():
    with connect() as connection:
        expect(connection.execute("select 1").fetchone(), (1,))
        expect(connection.info.server_version // 10000, 15)
        expect(connection.info.encoding, "utf-8")
        expect(connection.info.parameter_status("integer_datetimes"), "on")


def connect_securely(password):
    return connect(
        port=os.environ["SECURE_PORT"],
        user=os.environ["SECURE_USER"],
        password=password,
        sslmode="verify-full",
        sslrootcert=os.environ["SECURE_CA"],
        channel_binding="require",
    )


@claim
def connects_over_tls_with_scram():
    with connect_securely(os.environ["SECURE_PASSWORD"]) as connection:
        expect(connection.pgconn.ssl_in_use, True)
        connection.execute("create table secured (id int primary key, v text)")
        connection.execute("insert into secured values (%s, %s)", [1, "x" * 100_000])
        row = connection.execute("select current_user::text, length(v) from secured").fetchone()
        expect(row, (os.environ["SECURE_USER"], 100_000))
    try:
        connect_securely("wrong")
        raise AssertionError("a wrong password was taken")
    except psycopg.OperationalError as error:
        # The driver keeps no SQLSTATE of a connection that failed.
        expect("password authentication failed for user" in str(error), True)


@claim
def types_in_text():
    with connect() as connection:
        round_trip(connection, "t", False)


@claim
def types_in_binary():
    with connect() as connection:
        round_trip(connection, "b", True)


@claim
def types_chosen_by_the_driver():
    with connect() as connection:
        round_trip(connection, "s", False)
        kind, written, read = PADDED
        query = f"select %s::{kind}"
        expect(connection.execute(query, [written]).fetchone(), (read,))


@claim
def statements_prepared_by_use():
    with connect() as connection:
        connection.execute("create table used (id int primary key, v text)")
        for number in range(20):
            connection.execute("insert into used values (%s, %s)", [number, f"v{number}"])
        for number in range(20):
            row = connection.execute("select v from used where id = %s", [number]).fetchone()
            expect(row, (f"v{number}",))
        prepared = "select count(*) > 1 from pg_prepared_statements where name like '\\_pg3\\_%'"
        expect(connection.execute(prepared).fetchone(), (True,))
        with connection.cursor() as cursor:
            cursor.executemany("insert into used values (%s, %s) returning id", [(n, "m") for n in range(20, 30)], returning=True)
            ids = [cursor.fetchone()[0]]
            while cursor.nextset():
                ids.append(cursor.fetchone()[0])
            expect(ids, list(range(20, 30)))
        connection.execute("update used set v = v || '!' where id = any(%s)", [[1, 2]])
        expect(connection.execute("select v from used where id in (1, 2, 3) order by id").fetchall(), [("v1!",), ("v2!",), ("v3",)])


@claim
def error_in_transaction():
    with connect() as connection:
        connection.execute("create table failing (id int primary key)")
        connection.execute("begin")
        connection.execute("insert into failing values (1)")
        error = refused("23505", connection.execute, "insert into failing values (1)")
        fact(error.diag.message_primary, error.diag.message_detail, error.diag.constraint_name, error.diag.table_name)
        refused("25P02", connection.execute, "select 1")
        expect(connection.info.transaction_status, psycopg.pq.TransactionStatus.INERROR)
        connection.execute("rollback")
        expect(connection.execute("select count(*) from failing").fetchone(), (0,))


@claim
def savepoints():
    with psycopg.connect() as connection:
        connection.execute("create table saved (id int primary key)")
        with connection.transaction():
            connection.execute("insert into saved values (1)")
            try:
                with connection.transaction():
                    connection.execute("insert into saved values (2)")
                    connection.execute("insert into saved values (1)")
            except errors.UniqueViolation:
                pass
            connection.execute("insert into saved values (3)")
        connection.commit()
        expect(connection.execute("select id from saved order by id").fetchall(), [(1,), (3,)])


@claim
def isolation_levels():
    with psycopg.connect() as connection:
        for level in psycopg.IsolationLevel:
            if level == psycopg.IsolationLevel.READ_UNCOMMITTED:
                continue
            connection.isolation_level = level
            (found,) = connection.execute("show transaction_isolation").fetchone()
            fact(level.name, found)
            connection.rollback()
        connection.read_only = True
        refused("25006", connection.execute, "create table not_here (id int primary key)")
        connection.rollback()


@claim
def streams_row_by_row():
    with connect() as connection, connection.cursor() as cursor:
        total = sum(row[0] for row in cursor.stream("select id, payload from streamed", size=1))
        expect(total, STREAMED_ROWS * (STREAMED_ROWS + 1) // 2)


@claim
def streams_by_server_side_cursor():
    with psycopg.connect() as connection:
        with connection.cursor(name="hundred thousand") as cursor:
            cursor.itersize = 1000
            cursor.execute("select id, payload from streamed where id > %s", [0])
            expect([column.name for column in cursor.description], ["id", "payload"])
            count = total = 0
            for row in cursor:
                count, total = count + 1, total + row[0]
            expect((count, total), (STREAMED_ROWS, STREAMED_ROWS * (STREAMED_ROWS + 1) // 2))
        with connection.cursor(name="skipping") as cursor:
            cursor.execute("select id from streamed order by id")
            expect(cursor.fetchone(), (1,))
            cursor.scroll(10)
            expect(cursor.fetchmany(2), [(12,), (13,)])


@claim
def pipeline_with_an_error_in_the_middle():
    with connect() as connection:
        connection.execute("create table piped (id int primary key)")
        with connection.pipeline() as pipeline:
            first = connection.execute("insert into piped values (1) returning id")
            pipeline.sync()
            second = connection.execute("insert into piped values (2) returning id")
            broken = connection.execute("insert into piped values (1) returning id")
            after = connection.execute("insert into piped values (3) returning id")
            refused("23505", pipeline.sync)
            last = connection.execute("insert into piped values (4) returning id")
            pipeline.sync()
            expect((first.fetchone(), last.fetchone()), ((1,), (4,)))
            del second, broken, after
        # What stands between two synchronisation points is one transaction.
        expect(connection.execute("select id from piped order by id").fetchall(), [(1,), (4,)])


def cancel_until(ended, connection):
    # A request that comes before its statement is without effect.
    while not ended.wait(0.2):
        connection.cancel_safe()


@claim
def cancel():
    with connect() as connection:
        for query in ["select pg_sleep(60)", "select count(*) from generate_series(1, 300000000)"]:
            ended = threading.Event()
            thread = threading.Thread(target=cancel_until, args=(ended, connection))
            thread.start()
            try:
                refused("57014", connection.execute, query)
            finally:
                ended.set()
                thread.join()
        expect(connection.execute("select 1").fetchone(), (1,))


@claim
def notification_while_idle():
    with connect() as listener, connect() as sender:
        listener.execute("listen news")
        sender.execute("select pg_notify('news', %s)", ["by function"])
        sender.execute("notify news, 'by statement'")
        found = [(n.channel, n.payload, n.pid == sender.info.backend_pid) for n in listener.notifies(timeout=DEADLINE_S, stop_after=2)]
        expect(found, [("news", "by function", True), ("news", "by statement", True)])
        # Pushed: the socket becomes readable though nothing was asked.
        sender.execute("notify news, 'pushed'")
        readable, _, _ = select.select([listener.fileno()], [], [], DEADLINE_S)
        expect(len(readable), 1)
        expect([n.payload for n in listener.notifies(timeout=DEADLINE_S, stop_after=1)], ["pushed"])


@claim
def pool_takes_connections_back():
    pool = psycopg_pool.ConnectionPool(
        min_size=1,
        max_size=2,
        open=True,
        check=psycopg_pool.ConnectionPool.check_connection,
        reset=lambda connection: connection.execute("discard all") and connection.commit(),
        kwargs={"autocommit": True},
    )
    with pool:
        with pool.connection() as connection:
            connection.execute("set application_name = 'borrowed'")
            connection.execute("prepare kept as select 1")
        with pool.connection() as connection:
            expect(connection.execute("show application_name").fetchone(), ("",))
            expect(connection.execute("select count(*) from pg_prepared_statements").fetchone(), (0,))
        for statement in ["close all", "unlisten *", "reset all", "deallocate all", "select pg_advisory_unlock_all()"]:
            with pool.connection() as connection:
                connection.execute(statement)


@claim
def introspection():
    with connect() as connection:
        for name in ["int4", "text", "timestamptz", "jsonb", "uuid", "numeric"]:
            info = TypeInfo.fetch(connection, name)
            fact(info.name, info.oid, info.array_oid, info.regtype, info.delimiter)
        expect(TypeInfo.fetch(connection, "no_such_type"), None)
        cursor = connection.execute("select 1::numeric(10,2) as n, 'x'::varchar(7) as s, now() as t")
        for column in cursor.description:
            fact(column.name, column.type_code, column.precision, column.scale, column.display_size, column.internal_size)


@claim
def sqlalchemy_reflects_and_writes():
    engine = sqlalchemy.create_engine("postgresql+psycopg://")
    metadata = sqlalchemy.MetaData()
    author = sqlalchemy.Table(
        "author",
        metadata,
        sqlalchemy.Column("id", sqlalchemy.BigInteger, primary_key=True, autoincrement=False),
        sqlalchemy.Column("name", sqlalchemy.String(40), nullable=False, index=True),
        sqlalchemy.Column("born", sqlalchemy.Date),
        sqlalchemy.Column("score", sqlalchemy.Numeric(10, 2), server_default="0"),
    )
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(author.insert(), [{"id": n, "name": f"a{n}", "born": dt.date(2000, 1, n)} for n in range(1, 4)])
        found = connection.execute(sqlalchemy.select(author.c.name, author.c.score).where(author.c.id.in_([1, 3])).order_by(author.c.id))
        expect(found.all(), [("a1", Decimal("0.00")), ("a3", Decimal("0.00"))])
    inspector = sqlalchemy.inspect(engine)
    fact("schemas", sorted(set(inspector.get_schema_names()) & {"public", "information_schema"}))
    expect("author" in inspector.get_table_names(), True)
    for column in inspector.get_columns("author"):
        fact(column["name"], column["type"], column["nullable"], column["default"])
    fact(inspector.get_pk_constraint("author"))
    fact([(index["name"], index["column_names"], index["unique"]) for index in inspector.get_indexes("author")])
    fact(inspector.get_foreign_keys("author"), inspector.get_unique_constraints("author"))
    metadata.drop_all(engine)
    engine.dispose()


def main():
    failed = 0
    for function in CLAIMS:
        try:
            function()
            print("ok", function.__name__)
        except Exception as error:
            failed += 1
            print(f"FAILED {function.__name__}: {type(error).__name__}: {error}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    os.environ.setdefault("PGTZ", "UTC")
    sys.exit(main())
