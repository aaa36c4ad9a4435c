// What node-postgres needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.
//
// Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's.
// Environment: as in psycopg_claims.py.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

// The packages live where the set-up has installed them, not beside this file.
const require = createRequire(path.join(process.env.DRIVERS_NODE_DIR, "package.json"));
const pg = require("pg");
const Cursor = require("pg-cursor");
const QueryStream = require("pg-query-stream");

const STREAMED_ROWS = 100_000;
const STREAMED_SUM = (STREAMED_ROWS * (STREAMED_ROWS + 1)) / 2;

const claims = [];
const claim = (name, run) => claims.push([name, run]);
const fact = (...parts) => console.log("fact", ...parts.map((part) => JSON.stringify(part)));

async function connected(run, options = {}) {
  const client = new pg.Client(options);
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

async function refused(sqlstate, promise) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, sqlstate, error.message);
    return error;
  }
  throw new Error(`was not refused with ${sqlstate}`);
}

// Type, what is written, what the driver reads, how the server prints it.
const VALUES = [
  ["bool", true, true, "true"],
  ["int2", -32768, -32768, "-32768"],
  ["int4", 2147483647, 2147483647, "2147483647"],
  ["int8", "-9223372036854775808", "-9223372036854775808", "-9223372036854775808"],
  ["int8", 9007199254740993n, "9007199254740993", "9007199254740993"],
  ["float4", 1.5, 1.5, "1.5"],
  ["float8", 0.1, 0.1, "0.1"],
  ["float8", "-Infinity", -Infinity, "-Infinity"],
  ["numeric", "1.10", "1.10", "1.10"],
  ["numeric(10,2)", 1.1, "1.10", "1.10"],
  ["text", "naïve \u{1f600} 'quoted' \\ $1", "naïve \u{1f600} 'quoted' \\ $1", "naïve \u{1f600} 'quoted' \\ $1"],
  ["varchar(20)", "twenty at most", "twenty at most", "twenty at most"],
  ["bpchar(5)", "ab", "ab   ", "ab"],
  ["name", "identifier", "identifier", "identifier"],
  ["bytea", Buffer.from([0, 1, 0x5c, 0xff]), Buffer.from([0, 1, 0x5c, 0xff]), "\\x00015cff"],
  ["uuid", "01234567-89AB-cdef-0000-000000000000", "01234567-89ab-cdef-0000-000000000000", "01234567-89ab-cdef-0000-000000000000"],
  ["date", "2024-02-29", new Date(2024, 1, 29), "2024-02-29"],
  ["time", "23:59:59.999999", "23:59:59.999999", "23:59:59.999999"],
  ["timetz", "12:30:00+05:30", "12:30:00+05:30", "12:30:00+05:30"],
  ["timestamp", new Date(Date.UTC(2024, 1, 29, 1, 2, 3, 45)), new Date(Date.UTC(2024, 1, 29, 1, 2, 3, 45)), "2024-02-29 01:02:03.045"],
  ["timestamptz", new Date(Date.UTC(2024, 1, 29, 1, 2, 3)), new Date(Date.UTC(2024, 1, 29, 1, 2, 3)), "2024-02-29 01:02:03+00"],
  ["interval", "1 year 2 mons -3 days 04:05:06.5", { years: 1, months: 2, days: -3, hours: 4, minutes: 5, seconds: 6, milliseconds: 500 }, "1 year 2 mons -3 days +04:05:06.5"],
  ["json", { b: [1, 2.5, null] }, { b: [1, 2.5, null] }, '{"b":[1,2.5,null]}'],
  ["jsonb", { b: [1, 2.5, null], a: "ü" }, { a: "ü", b: [1, 2.5, null] }, '{"a": "ü", "b": [1, 2.5, null]}'],
  ["oid", 4294967295, 4294967295, "4294967295"],
  ["bool[]", [true, null, false], [true, null, false], "{t,NULL,f}"],
  ["int4[]", [1, null, -2], [1, null, -2], "{1,NULL,-2}"],
  ["int8[]", ["1099511627776"], ["1099511627776"], "{1099511627776}"],
  ["float8[]", [0.5, Infinity], [0.5, Infinity], "{0.5,Infinity}"],
  ["numeric[]", ["1.10", null], [1.1, null], "{1.10,NULL}"],
  ["text[]", ["a,b", 'quo"te', "", "NULL", null, "back\\"], ["a,b", 'quo"te', "", "NULL", null, "back\\"], '{"a,b","quo\\"te","","NULL",NULL,"back\\\\"}'],
  ["text[]", [], [], "{}"],
  ["uuid[]", ["00000000-0000-0000-0000-000000000001"], ["00000000-0000-0000-0000-000000000001"], "{00000000-0000-0000-0000-000000000001}"],
  ["timestamptz[]", [new Date(0)], [new Date(0)], '{"1970-01-01 00:00:00+00"}'],
  ["bytea[]", [Buffer.from([0])], [Buffer.from([0])], '{"\\\\x00"}'],
];
async function roundTrip(client, table, [kind, written, read, printed]) {
  const { rows } = await client.query(`insert into ${table} values (1, $1) returning v`, [written]);
  assert.deepEqual(normal(rows[0].v), read);
  const shown = await client.query(`select v::text as t from ${table}`);
  assert.equal(String(shown.rows[0].t), printed);
  assert.equal((await client.query(`update ${table} set v = $1 where id = $2`, [null, 1])).rowCount, 1);
  assert.equal((await client.query(`select v from ${table}`)).rows[0].v, null);
  assert.equal((await client.query(`delete from ${table} where v is null`)).rowCount, 1);
  assert.equal((await client.query(`select v from ${table}`)).rowCount, 0);
}

// An interval is read as an object of the driver's own class.
function normal(value) {
  const plain = value && typeof value === "object" && value.constructor.name === "PostgresInterval";
  return plain ? Object.fromEntries(Object.entries(value)) : value;
}

claim("connects", () =>
  connected(async (client) => {
    const { rows, fields, command, rowCount } = await client.query("select 1 as one, 'x' as two");
    assert.deepEqual(rows, [{ one: 1, two: "x" }]);
    fact(fields.map((field) => [field.name, field.dataTypeID, field.dataTypeSize, field.dataTypeModifier, field.format]), command, rowCount);
  }),
);

const secured = (password) => ({
  port: Number(process.env.SECURE_PORT),
  user: process.env.SECURE_USER,
  password,
  ssl: { ca: readFileSync(process.env.SECURE_CA, "utf8"), rejectUnauthorized: true },
  enableChannelBinding: true,
});

claim("connects_over_tls_with_scram", async () => {
  await connected(async (client) => {
    await client.query("create table secured (id int primary key, v text)");
    await client.query("insert into secured values ($1, $2)", [1, "x".repeat(100_000)]);
    const { rows } = await client.query({ text: "select current_user::text, length(v) from secured", rowMode: "array" });
    assert.deepEqual(rows, [[process.env.SECURE_USER, 100_000]]);
    assert.equal(client.connection.stream.encrypted, true);
  }, secured(process.env.SECURE_PASSWORD));
  await refused("28P01", connected(() => {}, secured("wrong")));
});

// In text: the driver's own decoding of binary results is broken (it reads them as UTF-8 first).
claim("types", () =>
  connected(async (client) => {
    const failures = [];
    for (const [number, value] of VALUES.entries()) {
      try {
        await client.query(`create table typed_${number} (id int primary key, v ${value[0]})`);
        await roundTrip(client, `typed_${number}`, value);
      } catch (error) {
        failures.push(`${value[0]}: ${error.message}`);
      }
    }
    assert.deepEqual(failures, []);
  }),
);

claim("named_statements", () =>
  connected(async (client) => {
    await client.query("create table named (id int primary key, v text)");
    for (let id = 0; id < 5; id++) {
      await client.query({ name: "put", text: "insert into named values ($1, $2)", values: [id, `v${id}`] });
    }
    const { rows } = await client.query({ name: "get", text: "select v from named where id = any($1) order by id", values: [[1, 3]], rowMode: "array" });
    assert.deepEqual(rows, [["v1"], ["v3"]]);
    await refused("26000", client.query("execute no_such_statement"));
  }),
);

claim("several_statements_in_one_message", () =>
  connected(async (client) => {
    const results = await client.query("create table several (id int primary key); insert into several values (1), (2); select * from several order by id");
    fact(results.map((result) => [result.command, result.rowCount, result.rows]));
    await refused("23505", client.query("insert into several values (3); insert into several values (1)"));
    assert.equal((await client.query("select * from several")).rowCount, 2);
  }),
);

claim("error_in_transaction", () =>
  connected(async (client) => {
    await client.query("create table failing (id int primary key)");
    await client.query("begin");
    await client.query("insert into failing values ($1)", [1]);
    const error = await refused("23505", client.query("insert into failing values ($1)", [1]));
    fact(error.message, error.detail, error.constraint, error.table, error.schema, error.severity);
    await refused("25P02", client.query("select 1"));
    await client.query("rollback");
    assert.deepEqual((await client.query("select count(*) as n from failing")).rows, [{ n: "0" }]);
    fact((await refused("42703", client.query("select missing from failing"))).position);
  }),
);

claim("savepoints", () =>
  connected(async (client) => {
    await client.query("create table saved (id int primary key)");
    await client.query("begin");
    await client.query("insert into saved values (1)");
    await client.query("savepoint inner_one");
    await client.query("insert into saved values (2)");
    await refused("23505", client.query("insert into saved values (1)"));
    await client.query("rollback to savepoint inner_one");
    await client.query("insert into saved values (3)");
    await client.query("release savepoint inner_one");
    await client.query("commit");
    assert.deepEqual((await client.query({ text: "select id from saved order by id", rowMode: "array" })).rows, [[1], [3]]);
  }),
);

claim("streams_by_portal", () =>
  connected(async (client) => {
    await client.query("begin");
    let [count, total] = [0, 0];
    for await (const row of client.query(new QueryStream("select id, payload from streamed where id > $1", [0], { batchSize: 1000 }))) {
      count += 1;
      total += row.id;
    }
    assert.deepEqual([count, total], [STREAMED_ROWS, STREAMED_SUM]);
    const cursor = client.query(new Cursor("select id from streamed order by id"));
    assert.deepEqual(await cursor.read(2), [{ id: 1 }, { id: 2 }]);
    assert.deepEqual(await cursor.read(1), [{ id: 3 }]);
    await cursor.close();
    await client.query("commit");
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  }),
);

// The driver sends a query after the other's answer; what is queued at once still comes back in order.
claim("queue_with_an_error_in_the_middle", () =>
  connected(async (client) => {
    await client.query("create table queued (id int primary key)");
    const results = await Promise.allSettled([1, 2, 1, 3].map((id) => client.query("insert into queued values ($1)", [id])));
    assert.deepEqual(results.map((result) => result.reason?.code ?? result.value.rowCount), [1, 1, "23505", 1]);
    assert.equal((await client.query("select * from queued")).rowCount, 3);
  }),
);

claim("cancel", () =>
  connected(async (client) => {
    for (const text of ["select pg_sleep(60)", "select count(*) from generate_series(1, 300000000)"]) {
      let request;
      const ended = new Promise((resolve) => {
        const query = client.query(new pg.Query(text, (error) => resolve(error?.code)));
        // The driver's own request: a connection that sends the key, and which the server closes. Repeated, as one that
        // comes before its statement is without effect.
        request = setInterval(() => new pg.Client().cancel(client, query), 200);
      }).finally(() => clearInterval(request));
      assert.equal(await ended, "57014");
    }
    assert.deepEqual((await client.query("select 1 as one")).rows, [{ one: 1 }]);
  }),
);

claim("notification_while_idle", () =>
  connected((listener) =>
    connected(async (sender) => {
      await listener.query("listen news");
      const pushed = once(listener, "notification");
      await sender.query("select pg_notify($1, $2)", ["news", "hello"]);
      const [message] = await pushed;
      assert.deepEqual([message.channel, message.payload, message.processId === sender.processID], ["news", "hello", true]);
      await listener.query("unlisten *");
    }),
  ),
);

claim("notices", () =>
  connected(async (client) => {
    const noticed = once(client, "notice");
    await client.query("drop table if exists not_there");
    const [notice] = await noticed;
    fact(notice.severity, notice.code, notice.message);
  }),
);

claim("pool", async () => {
  const pool = new pg.Pool({ max: 2, idleTimeoutMillis: 0 });
  try {
    await pool.query("create table pooled (id int primary key)");
    await Promise.all([...Array(20).keys()].map((id) => pool.query("insert into pooled values ($1)", [id])));
    assert.equal((await pool.query("select * from pooled")).rowCount, 20);
    const client = await pool.connect();
    try {
      await client.query("discard all");
      await client.query("select pg_advisory_unlock_all()");
    } finally {
      client.release();
    }
    assert.equal(pool.totalCount <= 2, true);
  } finally {
    await pool.end();
  }
});

let failed = 0;
for (const [name, run] of claims) {
  try {
    await run();
    console.log("ok", name);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${error.stack ?? error}`);
  }
}
process.exitCode = failed ? 1 : 0;
