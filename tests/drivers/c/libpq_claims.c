/* What a C program on libpq needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.
 *
 * Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's, the bytes of
 * every type's binary form among them. Environment: as in psycopg_claims.py; libpq reads the PG* variables itself. */

#define _POSIX_C_SOURCE 200809L
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STREAMED_ROWS 100000L
#define DEADLINE_MS 60000

static jmp_buf end_of_claim;
static char why[4096];

/* Ends the claim. Connections of a failed claim are left to the end of the process. */
static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    longjmp(end_of_claim, 1);
}

static PGconn *connect_with(const char *options) {
    PGconn *conn = PQconnectdb(options);
    if (PQstatus(conn) != CONNECTION_OK) fail("connect: %s", PQerrorMessage(conn));
    return conn;
}

static PGconn *connect_plain(void) { return connect_with(""); }

static const char *state_of(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state ? state : "none";
}

static void expect_text(const char *what, const char *found, const char *wanted) {
    if (strcmp(found, wanted) != 0) fail("%s: found `%s`, wanted `%s`", what, found, wanted);
}

static void expect_number(const char *what, long found, long wanted) {
    if (found != wanted) fail("%s: found %ld, wanted %ld", what, found, wanted);
}

static PGresult *succeeded(PGresult *result, const char *what) {
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_SINGLE_TUPLE)
        fail("%s: %s %s", what, PQresStatus(status), PQresultErrorMessage(result));
    return result;
}

static PGresult *query(PGconn *conn, const char *sql) { return succeeded(PQexec(conn, sql), sql); }

static void run(PGconn *conn, const char *sql) { PQclear(query(conn, sql)); }

static void expect_value(PGconn *conn, const char *sql, const char *wanted) {
    PGresult *result = query(conn, sql);
    expect_number("rows", PQntuples(result), 1);
    expect_text(sql, PQgetvalue(result, 0, 0), wanted);
    PQclear(result);
}

static void refused(const char *sqlstate, PGconn *conn, const char *sql) {
    PGresult *result = PQexec(conn, sql);
    expect_text(sql, state_of(result), sqlstate);
    PQclear(result);
}

static void pause_ms(long ms) {
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

static void connects(void) {
    PGconn *conn = connect_plain();
    expect_value(conn, "select 1", "1");
    expect_number("version", PQserverVersion(conn) / 10000, 15);
    expect_text("encoding", PQparameterStatus(conn, "server_encoding"), "UTF8");
    printf("fact %s %s %s %s\n", PQparameterStatus(conn, "standard_conforming_strings"),
           PQparameterStatus(conn, "integer_datetimes"), PQparameterStatus(conn, "DateStyle"),
           PQparameterStatus(conn, "client_encoding"));
    PQfinish(conn);
}

static PGconn *begin_securely(const char *password) {
    const char *names[] = {"port", "user", "password", "sslmode", "sslrootcert", "channel_binding", NULL};
    const char *values[] = {getenv("SECURE_PORT"), getenv("SECURE_USER"), password, "verify-full", getenv("SECURE_CA"), "require", NULL};
    return PQconnectdbParams(names, values, 0);
}

static void connects_over_tls_with_scram(void) {
    PGconn *conn = begin_securely(getenv("SECURE_PASSWORD"));
    if (PQstatus(conn) != CONNECTION_OK) fail("connect: %s", PQerrorMessage(conn));
    expect_number("encrypted", PQsslInUse(conn), 1);
    run(conn, "create table secured (id int primary key, v text)");
    run(conn, "insert into secured values (1, repeat('x', 100000))");
    expect_value(conn, "select current_user::text", getenv("SECURE_USER"));
    expect_value(conn, "select length(v) from secured", "100000");
    PQfinish(conn);
    PGconn *wrong = begin_securely("wrong");
    expect_number("status", PQstatus(wrong), CONNECTION_BAD);
    if (!strstr(PQerrorMessage(wrong), "password authentication failed for user")) fail("%s", PQerrorMessage(wrong));
    PQfinish(wrong);
}

/* A type, its OID, a value in text, and how the server prints that value. */
struct sample {
    const char *type;
    Oid oid;
    const char *written;
    const char *printed;
};

static const struct sample SAMPLES[] = {
    {"bool", 16, "true", "t"},
    {"bytea", 17, "\\x00015c78ff", "\\x00015c78ff"},
    {"name", 19, "identifier", "identifier"},
    {"int8", 20, "-9223372036854775808", "-9223372036854775808"},
    {"int2", 21, "-32768", "-32768"},
    {"int4", 23, " 2147483647 ", "2147483647"},
    {"text", 25, "na\xc3\xafve \xf0\x9f\x98\x80 'q' \\", "na\xc3\xafve \xf0\x9f\x98\x80 'q' \\"},
    {"oid", 26, "4294967295", "4294967295"},
    {"json", 114, "{\"b\" : [1]}", "{\"b\" : [1]}"},
    {"float4", 700, "1.1", "1.1"},
    {"float4", 700, "-inf", "-Infinity"},
    {"float8", 701, "1e-320", "1e-320"},
    {"float8", 701, "nan", "NaN"},
    {"bpchar(5)", 1042, "ab", "ab   "},
    {"varchar(20)", 1043, "twenty at most", "twenty at most"},
    {"date", 1082, "2024-02-29", "2024-02-29"},
    {"date", 1082, "0044-03-15 BC", "0044-03-15 BC"},
    {"date", 1082, "infinity", "infinity"},
    {"time", 1083, "23:59:59.999999", "23:59:59.999999"},
    {"timestamp", 1114, "2024-02-29 01:02:03.000045", "2024-02-29 01:02:03.000045"},
    {"timestamp", 1114, "-infinity", "-infinity"},
    {"timestamptz", 1184, "2024-02-29 01:02:03+05:30", "2024-02-28 19:32:03+00"},
    {"interval", 1186, "1 year 2 mons -3 days 04:05:06.5", "1 year 2 mons -3 days +04:05:06.5"},
    {"timetz", 1266, "12:30:00+05:30", "12:30:00+05:30"},
    {"numeric", 1700, "-12345678901234567890.000000001", "-12345678901234567890.000000001"},
    {"numeric", 1700, "NaN", "NaN"},
    {"numeric", 1700, "1e-10", "0.0000000001"},
    {"numeric(10,2)", 1700, "1.1", "1.10"},
    {"uuid", 2950, "{01234567-89ABCDEF-00000000-00000000}", "01234567-89ab-cdef-0000-000000000000"},
    {"jsonb", 3802, "{\"b\":[1],\"a\":1.0}", "{\"a\": 1.0, \"b\": [1]}"},
    {"bool[]", 1000, "{t,NULL,f}", "{t,NULL,f}"},
    {"bytea[]", 1001, "{\"\\\\x00\"}", "{\"\\\\x00\"}"},
    {"name[]", 1003, "{a,b}", "{a,b}"},
    {"int2[]", 1005, "{1,-2}", "{1,-2}"},
    {"int4[]", 1007, "{ 1, null ,-2}", "{1,NULL,-2}"},
    {"int4[]", 1007, "[0:1]={1,2}", "[0:1]={1,2}"},
    {"text[]", 1009, "{\"a,b\",\"\",\"NULL\",NULL}", "{\"a,b\",\"\",\"NULL\",NULL}"},
    {"bpchar[]", 1014, "{ab}", "{ab}"},
    {"varchar[]", 1015, "{}", "{}"},
    {"int8[]", 1016, "{1099511627776}", "{1099511627776}"},
    {"float4[]", 1021, "{0.5}", "{0.5}"},
    {"float8[]", 1022, "{0.5,Infinity}", "{0.5,Infinity}"},
    {"oid[]", 1028, "{4294967295}", "{4294967295}"},
    {"timestamp[]", 1115, "{infinity}", "{infinity}"},
    {"date[]", 1182, "{2024-02-29}", "{2024-02-29}"},
    {"time[]", 1183, "{12:00:00}", "{12:00:00}"},
    {"timestamptz[]", 1185, "{\"2024-02-29 00:00:00+00\"}", "{\"2024-02-29 00:00:00+00\"}"},
    {"interval[]", 1187, "{\"1 day\"}", "{\"1 day\"}"},
    {"numeric[]", 1231, "{1.10,NULL}", "{1.10,NULL}"},
    {"timetz[]", 1270, "{12:00:00+00}", "{12:00:00+00}"},
    {"uuid[]", 2951, "{01234567-89ab-cdef-0000-000000000000}", "{01234567-89ab-cdef-0000-000000000000}"},
    {"json[]", 199, "{\"[1]\"}", "{[1]}"},
    {"jsonb[]", 3807, "{\"[1]\"}", "{[1]}"},
};
#define SAMPLE_COUNT (sizeof SAMPLES / sizeof SAMPLES[0])

/* One parameter in one format; the result in one format. */
static PGresult *with_value(PGconn *conn, const char *sql, Oid oid, const char *value, int length, int format, int result) {
    return PQexecParams(conn, sql, 1, &oid, &value, &length, &format, result);
}

/* Writes text, reads binary, writes the same bytes as binary into a second row, reads text: the value is the same. */
static const char *round_trip(PGconn *conn, const struct sample *sample, size_t number, char *hex, size_t hex_max) {
    static char message[1024];
    char sql[256], insert[128], select[128];
    const char *wrong = NULL;
    snprintf(sql, sizeof sql, "create table typed_%zu (id int primary key, v %s)", number, sample->type);
    snprintf(insert, sizeof insert, "insert into typed_%zu select 1 + count(*), $1 from typed_%zu returning v", number, number);
    snprintf(select, sizeof select, "select v from typed_%zu order by id desc limit 1", number);
    PGresult *steps[4] = {PQexec(conn, sql), NULL, NULL, NULL};
    if (PQresultStatus(steps[0]) == PGRES_COMMAND_OK)
        steps[1] = with_value(conn, insert, 0, sample->written, 0, 0, 1);
    if (steps[1] && PQresultStatus(steps[1]) == PGRES_TUPLES_OK) {
        int length = PQgetlength(steps[1], 0, 0);
        const char *bytes = PQgetvalue(steps[1], 0, 0);
        hex[0] = 0;
        for (int at = 0; at < length && (size_t)(2 * at + 3) < hex_max; at++)
            snprintf(hex + 2 * at, 3, "%02x", (unsigned char)bytes[at]);
        steps[2] = with_value(conn, insert, sample->oid, bytes, length, 1, 0);
    }
    if (steps[2] && PQresultStatus(steps[2]) == PGRES_TUPLES_OK) steps[3] = PQexec(conn, select);
    for (int step = 0; step < 4 && !wrong; step++) {
        if (!steps[step]) continue;
        ExecStatusType status = PQresultStatus(steps[step]);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) wrong = PQresultErrorMessage(steps[step]);
        else if (step >= 2 && strcmp(PQgetvalue(steps[step], 0, 0), sample->printed) != 0)
            wrong = PQgetvalue(steps[step], 0, 0);
    }
    if (wrong) snprintf(message, sizeof message, "%s `%s`: %s; ", sample->type, sample->written, wrong);
    for (int step = 0; step < 4; step++) PQclear(steps[step]);
    return wrong ? message : NULL;
}

static void types(void) {
    PGconn *conn = connect_plain();
    static char failures[4096], hex[512];
    failures[0] = 0;
    for (size_t number = 0; number < SAMPLE_COUNT; number++) {
        const char *wrong = round_trip(conn, &SAMPLES[number], number, hex, sizeof hex);
        if (wrong) strncat(failures, wrong, sizeof failures - strlen(failures) - 1);
        else printf("fact %s %s\n", SAMPLES[number].type, hex);
    }
    PQfinish(conn);
    expect_text("types", failures, "");
}

static void prepared(void) {
    PGconn *conn = connect_plain();
    run(conn, "create table kept (id int primary key, v numeric(8,2), s varchar(9))");
    PQclear(succeeded(PQprepare(conn, "put", "insert into kept values ($1, $2, $3)", 0, NULL), "prepare"));
    PGresult *described = succeeded(PQdescribePrepared(conn, "put"), "describe");
    printf("fact %d parameters:", PQnparams(described));
    for (int at = 0; at < PQnparams(described); at++) printf(" %u", PQparamtype(described, at));
    printf("\n");
    PQclear(described);
    const char *values[] = {"1", "1.005", NULL};
    PGresult *put = succeeded(PQexecPrepared(conn, "put", 3, values, NULL, NULL, 0), "put");
    expect_text("tag", PQcmdStatus(put), "INSERT 0 1");
    PQclear(put);
    PGresult *row = query(conn, "select id, v, s, v * 2 as twice from kept");
    for (int at = 0; at < PQnfields(row); at++)
        printf("fact %s %u %d %d %d %d\n", PQfname(row, at), PQftype(row, at), PQfmod(row, at), PQfsize(row, at),
               PQftablecol(row, at), PQftable(row, at) != 0);
    expect_text("rounded", PQgetvalue(row, 0, 1), "1.01");
    expect_number("null", PQgetisnull(row, 0, 2), 1);
    PQclear(row);
    run(conn, "deallocate put");
    PGresult *gone = PQexecPrepared(conn, "put", 3, values, NULL, NULL, 0);
    expect_text("deallocated", state_of(gone), "26000");
    PQclear(gone);
    PQfinish(conn);
}

static void error_in_transaction(void) {
    PGconn *conn = connect_plain();
    run(conn, "create table failing (id int primary key)");
    run(conn, "begin; insert into failing values (1)");
    PGresult *result = PQexec(conn, "insert into failing values (1)");
    expect_text("state", state_of(result), "23505");
    printf("fact %s | %s | %s | %s | %s\n", PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED),
           PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL),
           PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME), PQresultErrorField(result, PG_DIAG_TABLE_NAME));
    PQclear(result);
    expect_number("in error", PQtransactionStatus(conn), PQTRANS_INERROR);
    refused("25P02", conn, "select 1");
    run(conn, "rollback");
    expect_number("idle", PQtransactionStatus(conn), PQTRANS_IDLE);
    expect_value(conn, "select count(*) from failing", "0");
    run(conn, "begin; insert into failing values (1); savepoint inner_one");
    refused("23505", conn, "insert into failing values (1)");
    run(conn, "rollback to inner_one; insert into failing values (2); commit");
    expect_value(conn, "select count(*) from failing", "2");
    PQfinish(conn);
}

/* Statements of one message are one transaction, which a BEGIN among them takes over. */
static void begin_inside_a_message(void) {
    PGconn *conn = connect_plain();
    run(conn, "create table taken (id int primary key); begin; insert into taken values (1)");
    expect_number("in transaction", PQtransactionStatus(conn), PQTRANS_INTRANS);
    run(conn, "rollback");
    refused("42P01", conn, "select * from taken");
    PQfinish(conn);
}

static void streams_row_by_row(void) {
    PGconn *conn = connect_plain();
    if (!PQsendQuery(conn, "select id, payload from streamed") || !PQsetSingleRowMode(conn))
        fail("send: %s", PQerrorMessage(conn));
    long count = 0, total = 0;
    for (PGresult *result; (result = PQgetResult(conn)) != NULL; PQclear(result)) {
        succeeded(result, "row");
        for (int row = 0; row < PQntuples(result); row++) {
            count += 1;
            total += atol(PQgetvalue(result, row, 0));
        }
    }
    expect_number("count", count, STREAMED_ROWS);
    expect_number("sum", total, STREAMED_ROWS * (STREAMED_ROWS + 1) / 2);
    PQfinish(conn);
}

static void streams_by_sql_cursor(void) {
    PGconn *conn = connect_plain();
    run(conn, "begin; declare many cursor for select id, payload from streamed");
    long count = 0, total = 0;
    for (int fetched = 1; fetched > 0;) {
        PGresult *result = query(conn, "fetch 1000 from many");
        fetched = PQntuples(result);
        for (int row = 0; row < fetched; row++) total += atol(PQgetvalue(result, row, 0));
        count += fetched;
        PQclear(result);
    }
    run(conn, "close many; commit");
    expect_number("count", count, STREAMED_ROWS);
    expect_number("sum", total, STREAMED_ROWS * (STREAMED_ROWS + 1) / 2);
    PQfinish(conn);
}

static void send_insert(PGconn *conn, const char *id) {
    if (!PQsendQueryParams(conn, "insert into piped values ($1)", 1, NULL, &id, NULL, NULL, 0))
        fail("send: %s", PQerrorMessage(conn));
}

static void pipeline_with_an_error_in_the_middle(void) {
    PGconn *conn = connect_plain();
    run(conn, "create table piped (id int primary key)");
    if (!PQenterPipelineMode(conn)) fail("pipeline mode");
    const char *ids[] = {"1", "2", "1", "3", NULL, "4", NULL};
    for (size_t at = 0; at < sizeof ids / sizeof ids[0]; at++) {
        if (ids[at]) send_insert(conn, ids[at]);
        else if (!PQpipelineSync(conn)) fail("sync: %s", PQerrorMessage(conn));
    }
    /* The statements before the failing one are undone with it: one transaction until the synchronisation point. */
    const char *wanted[] = {"00", "00", "23505", "aborted", "sync", "00", "sync"};
    for (size_t at = 0; at < sizeof wanted / sizeof wanted[0]; at++) {
        PGresult *result = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(result);
        const char *found = status == PGRES_COMMAND_OK         ? "00"
                            : status == PGRES_PIPELINE_SYNC    ? "sync"
                            : status == PGRES_PIPELINE_ABORTED ? "aborted"
                                                               : state_of(result);
        expect_text("result", found, wanted[at]);
        PQclear(result);
        if (status != PGRES_PIPELINE_SYNC && PQgetResult(conn) != NULL) fail("a result too many");
    }
    if (!PQexitPipelineMode(conn)) fail("exit: %s", PQerrorMessage(conn));
    expect_value(conn, "select string_agg(id::text, ',') from piped", "4");
    PQfinish(conn);
}

struct canceller {
    PGconn *conn;
    atomic_bool ended;
};

/* Asks again and again: a request that comes before its statement is without effect. */
static void *cancel_until_ended(void *argument) {
    struct canceller *canceller = argument;
    for (char error[256]; pause_ms(200), !canceller->ended;) {
        PGcancel *cancel = PQgetCancel(canceller->conn);
        PQcancel(cancel, error, sizeof error);
        PQfreeCancel(cancel);
    }
    return NULL;
}

static void cancel(void) {
    PGconn *conn = connect_plain();
    const char *slow[] = {"select pg_sleep(60)", "select count(*) from generate_series(1, 300000000)"};
    for (int at = 0; at < 2; at++) {
        pthread_t thread;
        struct canceller canceller = {conn, false};
        if (pthread_create(&thread, NULL, cancel_until_ended, &canceller) != 0) fail("thread");
        PGresult *result = PQexec(conn, slow[at]);
        canceller.ended = true;
        pthread_join(thread, NULL);
        expect_text(slow[at], state_of(result), "57014");
        PQclear(result);
    }
    expect_value(conn, "select 1", "1");
    PQfinish(conn);
}

static void notification_while_idle(void) {
    PGconn *listener = connect_plain(), *sender = connect_plain();
    run(listener, "listen news");
    run(sender, "notify news, 'hello'");
    struct pollfd socket = {PQsocket(listener), POLLIN, 0};
    PGnotify *notify = NULL;
    while (!notify) {
        if (poll(&socket, 1, DEADLINE_MS) != 1) fail("nothing was pushed");
        if (!PQconsumeInput(listener)) fail("%s", PQerrorMessage(listener));
        notify = PQnotifies(listener);
    }
    expect_text("channel", notify->relname, "news");
    expect_text("payload", notify->extra, "hello");
    expect_number("sender", notify->be_pid, PQbackendPID(sender));
    PQfreemem(notify);
    PQfinish(listener);
    PQfinish(sender);
}

/* What poolers such as pgbouncer send between two users of a connection, and what they set for the next. */
static void pool_reset(void) {
    PGconn *conn = connect_plain();
    run(conn, "set application_name = 'borrowed'");
    expect_text("reported", PQparameterStatus(conn, "application_name"), "borrowed");
    PQclear(succeeded(PQprepare(conn, "kept", "select 1", 0, NULL), "prepare"));
    run(conn, "discard all");
    expect_text("reported", PQparameterStatus(conn, "application_name"), "");
    PGresult *gone = PQdescribePrepared(conn, "kept");
    expect_text("discarded", state_of(gone), "26000");
    PQclear(gone);
    run(conn, "select pg_advisory_unlock_all(); close all; unlisten *; reset all");
    expect_value(conn, "select 1", "1");
    PQfinish(conn);
}

static const struct {
    const char *name;
    void (*run)(void);
} CLAIMS[] = {
    {"connects", connects},
    {"connects_over_tls_with_scram", connects_over_tls_with_scram},
    {"types", types},
    {"prepared", prepared},
    {"error_in_transaction", error_in_transaction},
    {"begin_inside_a_message", begin_inside_a_message},
    {"streams_row_by_row", streams_row_by_row},
    {"streams_by_sql_cursor", streams_by_sql_cursor},
    {"pipeline_with_an_error_in_the_middle", pipeline_with_an_error_in_the_middle},
    {"cancel", cancel},
    {"notification_while_idle", notification_while_idle},
    {"pool_reset", pool_reset},
};

int main(void) {
    volatile int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (volatile size_t at = 0; at < sizeof CLAIMS / sizeof CLAIMS[0]; at++) {
        if (setjmp(end_of_claim) == 0) {
            CLAIMS[at].run();
            printf("ok %s\n", CLAIMS[at].name);
        } else {
            failed += 1;
            printf("FAILED %s: %s\n", CLAIMS[at].name, why);
        }
    }
    return failed != 0;
}
