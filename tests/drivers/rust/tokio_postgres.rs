//! What tokio-postgres needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.
//!
//! Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's.
//! Environment: as in `psycopg_claims.py`. The driver speaks binary both ways and encodes by the types that the server
//! says the parameters have.
#![expect(clippy::print_stdout, reason = "a program whose output is its answer")]

mod tls;

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use futures::channel::mpsc;
use futures::{StreamExt, TryStreamExt, stream};
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, NoTls, Notification};

const STREAMED_ROWS: i64 = 100_000;
const DEADLINE: Duration = Duration::from_secs(60);
/// Time between two requests to cancel a statement: one that comes before its statement is without effect.
const BETWEEN_CANCELS: Duration = Duration::from_millis(200);

type Claim = fn() -> Pin<Box<dyn Future<Output = Result<()>>>>;

const CLAIMS: &[(&str, Claim)] = &[
    ("connects", || Box::pin(connects())),
    ("connects_over_tls_with_scram", || Box::pin(connects_over_tls_with_scram())),
    ("types", || Box::pin(types())),
    ("raw_bytes_of_every_type", || Box::pin(raw_bytes_of_every_type())),
    ("declared_parameters", || Box::pin(declared_parameters())),
    ("error_in_transaction", || Box::pin(error_in_transaction())),
    ("savepoints", || Box::pin(savepoints())),
    ("streams_with_backpressure", || Box::pin(streams_with_backpressure())),
    ("streams_by_portal", || Box::pin(streams_by_portal())),
    ("pipeline_with_an_error_in_the_middle", || Box::pin(pipeline_with_an_error_in_the_middle())),
    ("cancel", || Box::pin(cancel())),
    ("notification_while_idle", || Box::pin(notification_while_idle())),
    ("pool_reset", || Box::pin(pool_reset())),
    ("introspection", || Box::pin(introspection())),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut failed = false;
    for (name, claim) in CLAIMS {
        match claim().await {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                failed = true;
                println!("FAILED {name}: {error:#}");
            }
        }
    }
    ExitCode::from(u8::from(failed))
}

/// The value of one of the variables that say where the server is.
fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("read {name}"))
}

async fn connect() -> Result<Client> {
    Ok(connect_and_listen().await?.0)
}

/// A client and what the server sends it unasked.
async fn connect_and_listen() -> Result<(Client, mpsc::UnboundedReceiver<Notification>)> {
    let mut config = tokio_postgres::Config::new();
    config.host(variable("PGHOST")?).port(variable("PGPORT")?.parse()?);
    config.user(variable("PGUSER")?).dbname(variable("PGDATABASE")?).options("-c timezone=UTC");
    let (client, mut connection) = config.connect(NoTls).await?;
    let (sender, receiver) = mpsc::unbounded();
    tokio::spawn(async move {
        let mut messages = pin!(stream::poll_fn(move |context| connection.poll_message(context)));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message {
                // The claim that listens may be over.
                let _ = sender.unbounded_send(notification);
            }
        }
    });
    Ok((client, receiver))
}

fn refused<T>(code: &str, result: Result<T, tokio_postgres::Error>) -> Result<tokio_postgres::error::DbError> {
    let Err(error) = result else { bail!("was not refused with {code}") };
    let Some(db) = error.as_db_error() else { bail!("not the server's error: {error}") };
    ensure!(db.code().code() == code, "wanted {code}, got {}: {}", db.code().code(), db.message());
    Ok(db.clone())
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<()> {
    ensure!(found == wanted, "found {found:?}, wanted {wanted:?}");
    Ok(())
}

async fn connects() -> Result<()> {
    let client = connect().await?;
    same(client.query_one("select 1", &[]).await?.get::<_, i32>(0), 1)?;
    let shown = client.simple_query("select 1 as one, null as two").await?;
    println!("fact {shown:?}");
    Ok(())
}

async fn connect_securely(password: &str) -> Result<Result<Client, tokio_postgres::Error>> {
    let mut config = tokio_postgres::Config::new();
    config.host(variable("PGHOST")?).port(variable("SECURE_PORT")?.parse()?).dbname(variable("PGDATABASE")?);
    config.user(variable("SECURE_USER")?).password(password).ssl_mode(tokio_postgres::config::SslMode::Require);
    let connected = config.connect(tls::Trusting::authority(&variable("SECURE_CA")?)?).await;
    Ok(connected.map(|(client, connection)| {
        tokio::spawn(connection);
        client
    }))
}

async fn connects_over_tls_with_scram() -> Result<()> {
    let client = connect_securely(&variable("SECURE_PASSWORD")?).await??;
    client.batch_execute("create table secured (id int primary key, v text)").await?;
    let long = "x".repeat(100_000);
    client.execute("insert into secured values ($1, $2)", &[&1i32, &long]).await?;
    let row = client.query_one("select current_user::text, length(v) from secured", &[]).await?;
    same((row.get::<_, String>(0), row.get::<_, i32>(1)), (variable("SECURE_USER")?, 100_000))?;
    refused("28P01", connect_securely("wrong").await?).map(drop)
}

/// Writes a value, reads it and its text, writes NULL over it, deletes it.
async fn round_trip<T>(client: &Client, number: usize, kind: &str, value: T, printed: &str) -> Result<()>
where
    T: ToSql + Sync + for<'row> FromSql<'row> + PartialEq + std::fmt::Debug,
{
    let table = format!("typed_{number}");
    client.batch_execute(&format!("create table {table} (id int primary key, v {kind})")).await?;
    let insert = format!("insert into {table} values ($1, $2) returning v, v::text");
    let row = client.query_one(&insert, &[&1i32, &value]).await?;
    same(row.get::<_, String>(1).as_str(), printed)?;
    same(row.try_get::<_, T>(0)?, value)?;
    let update = format!("update {table} set v = $1 where id = $2");
    same(client.execute(&update, &[&None::<T>, &1i32]).await?, 1)?;
    same(client.query_one(&format!("select v from {table}"), &[]).await?.get::<_, Option<T>>(0), None)?;
    same(client.execute(&format!("delete from {table} where v is null"), &[]).await?, 1)?;
    same(client.query(&format!("select v from {table}"), &[]).await?.len(), 0)
}

async fn types() -> Result<()> {
    let client = connect().await?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_709_168_523_000_045);
    round_trip(&client, 1, "bool", true, "true").await?;
    round_trip(&client, 2, "int2", i16::MIN, "-32768").await?;
    round_trip(&client, 3, "int4", i32::MIN, "-2147483648").await?;
    round_trip(&client, 4, "int8", i64::MIN, "-9223372036854775808").await?;
    round_trip(&client, 5, "float4", 1.5f32, "1.5").await?;
    round_trip(&client, 6, "float8", f64::NEG_INFINITY, "-Infinity").await?;
    round_trip(&client, 7, "text", "naïve \u{1f600} 'q' \\ $1".to_owned(), "naïve \u{1f600} 'q' \\ $1").await?;
    round_trip(&client, 8, "varchar(20)", "twenty at most".to_owned(), "twenty at most").await?;
    round_trip(&client, 9, "bpchar(5)", "ab   ".to_owned(), "ab").await?;
    round_trip(&client, 10, "name", "identifier".to_owned(), "identifier").await?;
    round_trip(&client, 11, "bytea", vec![0u8, 1, 0x5c, 0xff], "\\x00015cff").await?;
    round_trip(&client, 12, "oid", u32::MAX, "4294967295").await?;
    round_trip(&client, 13, "timestamp", at, "2024-02-29 01:02:03.000045").await?;
    round_trip(&client, 14, "timestamptz", at, "2024-02-29 01:02:03.000045+00").await?;
    round_trip(&client, 15, "bool[]", vec![Some(true), None], "{t,NULL}").await?;
    round_trip(&client, 16, "int4[]", vec![Some(1), None, Some(-2)], "{1,NULL,-2}").await?;
    round_trip(&client, 17, "int8[]", vec![1i64 << 40], "{1099511627776}").await?;
    round_trip(&client, 18, "float8[]", vec![0.5, f64::INFINITY], "{0.5,Infinity}").await?;
    round_trip(&client, 19, "text[]", vec!["a,b".to_owned(), String::new()], "{\"a,b\",\"\"}").await?;
    round_trip(&client, 20, "bytea[]", vec![vec![0u8]], "{\"\\\\x00\"}").await?;
    round_trip(&client, 21, "int2[]", Vec::<i16>::new(), "{}").await
}

/// The binary form of a value of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// For the types that the driver leaves to other crates: the server's bytes, sent back, are the same value.
async fn raw_bytes_of_every_type() -> Result<()> {
    let client = connect().await?;
    for (number, (kind, text)) in [
        ("numeric", "-12345.6700"),
        ("numeric(10,2)", "1.10"),
        ("uuid", "01234567-89ab-cdef-0000-000000000000"),
        ("date", "2024-02-29"),
        ("time", "23:59:59.999999"),
        ("timetz", "12:30:00+05:30"),
        ("interval", "1 year 2 mons -3 days +04:05:06.5"),
        ("json", "{\"b\" : [1]}"),
        ("jsonb", "{\"a\": 1.0, \"b\": [1]}"),
        ("numeric[]", "{1.10,NULL}"),
        ("uuid[]", "{01234567-89ab-cdef-0000-000000000000}"),
        ("interval[]", "{\"1 day\"}"),
        ("jsonb[]", "{[1]}"),
    ]
    .into_iter()
    .enumerate()
    {
        let result = raw_round_trip(&client, number, kind, text).await;
        result.with_context(|| format!("{kind} {text}"))?;
    }
    Ok(())
}

async fn raw_round_trip(client: &Client, number: usize, kind: &str, text: &str) -> Result<()> {
    let table = format!("raw_{number}");
    client.batch_execute(&format!("create table {table} (id int primary key, v {kind})")).await?;
    client.batch_execute(&format!("insert into {table} values (1, '{text}')")).await?;
    let read = client.query_one(&format!("select v from {table} where id = 1"), &[]).await?;
    let bytes: Raw = read.get(0);
    println!("fact {kind} {:02x?}", bytes.0);
    let insert = format!("insert into {table} values (2, $1) returning v::text, v");
    let written = client.query_one(&insert, &[&bytes]).await?;
    same(written.get::<_, String>(0).as_str(), text)?;
    same(written.get::<_, Raw>(1), bytes)
}

async fn declared_parameters() -> Result<()> {
    let client = connect().await?;
    client.batch_execute("create table inferred (id int8 primary key, n numeric, s varchar(9), tags text[])").await?;
    for sql in [
        "select $1::int4 + 1 as sum",
        "insert into inferred values ($1, $2, $3, $4) returning *",
        "select * from inferred where id = any($1) and s like $2 and n between $3 and $4",
        "update inferred set s = $2, tags = array_append(tags, $3) where id = $1",
        "select id from inferred order by id limit $1 offset $2",
        "delete from inferred where id in ($1, $2)",
    ] {
        let statement = client.prepare(sql).await?;
        let columns: Vec<_> = statement.columns().iter().map(|column| (column.name(), column.type_().name())).collect();
        let parameters: Vec<_> = statement.params().iter().map(Type::name).collect();
        println!("fact {parameters:?} {columns:?}");
    }
    let sum = client.prepare_typed("select $1 + 1", &[Type::INT8]).await?;
    same(client.query_one(&sum, &[&41i64]).await?.get::<_, i64>(0), 42)?;
    let rows = client.query_typed("select $1 || 'b'", &[(&"a", Type::TEXT)]).await?;
    same(rows[0].get::<_, &str>(0), "ab")
}

async fn error_in_transaction() -> Result<()> {
    let mut client = connect().await?;
    client.batch_execute("create table failing (id int primary key)").await?;
    let transaction = client.transaction().await?;
    transaction.execute("insert into failing values ($1)", &[&1i32]).await?;
    let error = refused("23505", transaction.execute("insert into failing values ($1)", &[&1i32]).await)?;
    println!("fact {} {:?} {:?} {:?}", error.message(), error.detail(), error.constraint(), error.table());
    refused("25P02", transaction.query("select 1", &[]).await)?;
    transaction.rollback().await?;
    same(client.query_one("select count(*) from failing", &[]).await?.get::<_, i64>(0), 0)
}

async fn savepoints() -> Result<()> {
    let mut client = connect().await?;
    client.batch_execute("create table saved (id int primary key)").await?;
    let mut outer =
        client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::Serializable).start().await?;
    outer.batch_execute("insert into saved values (1)").await?;
    let inner = outer.savepoint("inner_one").await?;
    inner.batch_execute("insert into saved values (2)").await?;
    refused("23505", inner.batch_execute("insert into saved values (1)").await)?;
    inner.rollback().await?;
    outer.batch_execute("insert into saved values (3)").await?;
    outer.commit().await?;
    let ids = client.query("select id from saved order by id", &[]).await?;
    same(ids.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), vec![1, 3])?;
    let reader = client.build_transaction().read_only(true).start().await?;
    refused("25006", reader.batch_execute("insert into saved values (4)").await).map(drop)
}

fn check_streamed(ids: &[i32]) -> Result<()> {
    let total: i64 = ids.iter().map(|id| i64::from(*id)).sum();
    same((ids.len() as i64, total), (STREAMED_ROWS, STREAMED_ROWS * (STREAMED_ROWS + 1) / 2))
}

/// All rows of one answer, which the server may send only as fast as they are taken.
async fn streams_with_backpressure() -> Result<()> {
    let client = connect().await?;
    let rows = client.query_raw("select id, payload from streamed where id > $1", [0i32]).await?;
    let ids: Vec<i32> = rows.map_ok(|row| row.get::<_, i32>(0)).try_collect().await?;
    check_streamed(&ids)
}

async fn streams_by_portal() -> Result<()> {
    let mut client = connect().await?;
    let transaction = client.transaction().await?;
    let portal = transaction.bind("select id, payload from streamed", &[]).await?;
    let mut ids = Vec::new();
    loop {
        let rows = transaction.query_portal(&portal, 1000).await?;
        if rows.is_empty() {
            break;
        }
        ids.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    transaction.commit().await?;
    check_streamed(&ids)
}

/// Requests that are sent without waiting for each other's answers; each is followed by a synchronisation point.
async fn pipeline_with_an_error_in_the_middle() -> Result<()> {
    let client = connect().await?;
    client.batch_execute("create table piped (id int primary key)").await?;
    let insert = client.prepare("insert into piped values ($1)").await?;
    let [a, b, c, d] = [1i32, 2, 1, 3];
    let parameters: [&(dyn ToSql + Sync); 4] = [&a, &b, &c, &d];
    let [pa, pb, pc, pd] = parameters.map(|parameter| [parameter]);
    let (a, b, c, d) = tokio::join!(
        client.execute(&insert, &pa),
        client.execute(&insert, &pb),
        client.execute(&insert, &pc),
        client.execute(&insert, &pd)
    );
    same((a?, b?, d?), (1, 1, 1))?;
    refused("23505", c)?;
    same(client.query_one("select count(*) from piped", &[]).await?.get::<_, i64>(0), 3)
}

async fn cancel() -> Result<()> {
    let client = connect().await?;
    for sql in ["select pg_sleep(60)", "select count(*) from generate_series(1, 300000000)"] {
        let token = client.cancel_token();
        let mut running = pin!(client.query(sql, &[]));
        let result = loop {
            match tokio::time::timeout(BETWEEN_CANCELS, running.as_mut()).await {
                Ok(result) => break result,
                Err(_) => token.cancel_query(NoTls).await?,
            }
        };
        refused("57014", result)?;
    }
    same(client.query_one("select 1", &[]).await?.get::<_, i32>(0), 1)
}

async fn notification_while_idle() -> Result<()> {
    let (listener, mut pushed) = connect_and_listen().await?;
    let sender = connect().await?;
    listener.batch_execute("listen news").await?;
    sender.execute("select pg_notify($1, $2)", &[&"news", &"hello"]).await?;
    let message = tokio::time::timeout(DEADLINE, pushed.next()).await?.context("the connection ended")?;
    same((message.channel(), message.payload()), ("news", "hello"))
}

async fn pool_reset() -> Result<()> {
    let client = connect().await?;
    client.batch_execute("set application_name = 'borrowed'").await?;
    // What bb8 asks before it lends a connection, and what deadpool sends when one comes back.
    client.simple_query("").await?;
    client
        .batch_execute(
            "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
             SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;",
        )
        .await?;
    same(client.query_one("show application_name", &[]).await?.get::<_, &str>(0), "")
}

/// Of a type that it does not know, the driver asks the catalog.
async fn introspection() -> Result<()> {
    let client = connect().await?;
    for sql in [
        "select null::regtype[] as a, null::oidvector as v",
        "select typname, typnamespace::regnamespace from pg_type limit 0",
    ] {
        let statement = client.prepare(sql).await?;
        for column in statement.columns() {
            let kind = if let Kind::Array(element) = column.type_().kind() {
                format!("array of {}", element.name())
            } else {
                format!("{:?}", column.type_().kind())
            };
            println!("fact {} {} {kind}", column.name(), column.type_().name());
        }
    }
    Ok(())
}
