// What pgjdbc needs of a server, one claim a line: `ok <claim>` or `FAILED <claim>: <why>`.
//
// Lines that begin with `fact` tell what the server answered; the caller compares them with PostgreSQL's.
// Environment: as in psycopg_claims.py. Run as one source file: java -cp postgresql.jar JdbcClaims.java

import java.math.BigDecimal;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PGobject;

public final class JdbcClaims {
    private static final int STREAMED_ROWS = 100_000;
    private static final long STREAMED_SUM = (long) STREAMED_ROWS * (STREAMED_ROWS + 1) / 2;
    private static final int DEADLINE_MS = 60_000;

    private interface Claim {
        void run() throws Exception;
    }

    private interface Step {
        void run() throws SQLException;
    }

    /** A type, the value that is written, what it is read as, and how the server prints it. */
    private record Sample(String type, Object written, Class<?> readAs, Object read, String printed) {
        static Sample same(String type, Object value, String printed) {
            return new Sample(type, value, value.getClass(), value, printed);
        }
    }

    public static void main(String[] arguments) {
        Map<String, Claim> claims = new LinkedHashMap<>();
        claims.put("connects", JdbcClaims::connects);
        claims.put("connects_over_tls_with_scram", JdbcClaims::connectsOverTlsWithScram);
        claims.put("types_in_text", () -> types("text", Map.of("binaryTransfer", "false", "prepareThreshold", "0")));
        claims.put("types_in_binary", () -> types("binary", Map.of("prepareThreshold", "-1")));
        claims.put("simple_protocol", () -> types("simple", Map.of("preferQueryMode", "simple")));
        claims.put("statements_prepared_by_use", JdbcClaims::statementsPreparedByUse);
        claims.put("error_in_transaction", JdbcClaims::errorInTransaction);
        claims.put("savepoints", JdbcClaims::savepoints);
        claims.put("isolation_levels", JdbcClaims::isolationLevels);
        claims.put("streams_by_fetch_size", JdbcClaims::streamsByFetchSize);
        claims.put("batch_with_an_error_in_the_middle", JdbcClaims::batchWithAnErrorInTheMiddle);
        claims.put("generated_keys", JdbcClaims::generatedKeys);
        claims.put("updatable_result", JdbcClaims::updatableResult);
        claims.put("cancel", JdbcClaims::cancel);
        claims.put("notification_while_idle", JdbcClaims::notificationWhileIdle);
        claims.put("pool_reset", JdbcClaims::poolReset);
        claims.put("introspection", JdbcClaims::introspection);
        int failed = 0;
        for (Map.Entry<String, Claim> claim : claims.entrySet()) {
            try {
                claim.getValue().run();
                System.out.println("ok " + claim.getKey());
            } catch (Exception | AssertionError error) {
                failed += 1;
                System.out.println("FAILED " + claim.getKey() + ": " + error + " at " + where(error));
            }
        }
        System.exit(failed == 0 ? 0 : 1);
    }

    private static String where(Throwable error) {
        return Arrays.stream(error.getStackTrace())
                .filter(frame -> frame.getClassName().contains("JdbcClaims"))
                .skip(error instanceof AssertionError ? 1 : 0)
                .findFirst().map(frame -> "line " + frame.getLineNumber()).orElse("unknown");
    }

    private static Connection connect(Map<String, String> options) throws SQLException {
        return connectAt(System.getenv("PGPORT"), System.getenv("PGUSER"), options);
    }

    private static Connection connectAt(String port, String user, Map<String, String> options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", user);
        options.forEach(properties::setProperty);
        String address = System.getenv("PGHOST") + ":" + port + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection("jdbc:postgresql://" + address, properties);
    }

    private static Connection connectSecurely(String password) throws SQLException {
        Map<String, String> options = Map.of("password", password, "sslmode", "verify-full", "sslrootcert", System.getenv("SECURE_CA"));
        return connectAt(System.getenv("SECURE_PORT"), System.getenv("SECURE_USER"), options);
    }

    private static Connection connect() throws SQLException {
        return connect(Map.of());
    }

    private static void fact(Object... parts) {
        System.out.println("fact " + Arrays.deepToString(parts));
    }

    private static void expect(Object found, Object wanted) {
        if (!Objects.deepEquals(found, wanted)) {
            throw new AssertionError("found " + shown(found) + ", wanted " + shown(wanted));
        }
    }

    private static String shown(Object value) {
        return Arrays.deepToString(new Object[] {value});
    }

    private static SQLException refused(String sqlstate, Step step) {
        try {
            step.run();
        } catch (SQLException error) {
            if (!sqlstate.equals(error.getSQLState())) {
                throw new AssertionError("wanted " + sqlstate + ", got " + error.getSQLState() + ": " + error.getMessage());
            }
            return error;
        }
        throw new AssertionError("was not refused with " + sqlstate);
    }

    private static int execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return statement.executeUpdate(sql);
        }
    }

    private static List<List<Object>> rows(ResultSet result) throws SQLException {
        try (result) {
            List<List<Object>> rows = new ArrayList<>();
            while (result.next()) {
                List<Object> row = new ArrayList<>();
                for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
                    row.add(result.getObject(column));
                }
                rows.add(row);
            }
            return rows;
        }
    }

    private static List<List<Object>> query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return rows(statement.executeQuery(sql));
        }
    }

    private static void connects() throws SQLException {
        try (Connection connection = connect()) {
            expect(query(connection, "select 1, 'x'"), List.of(List.of(1, "x")));
            expect(connection.getMetaData().getDatabaseMajorVersion(), 15);
            expect(connection.isValid(10), true);
        }
    }

    private static void connectsOverTlsWithScram() throws SQLException {
        try (Connection connection = connectSecurely(System.getenv("SECURE_PASSWORD"))) {
            execute(connection, "create table secured (id int primary key, v text)");
            try (PreparedStatement insert = connection.prepareStatement("insert into secured values (1, ?)")) {
                insert.setString(1, "x".repeat(100_000));
                expect(insert.executeUpdate(), 1);
            }
            List<Object> row = List.of(System.getenv("SECURE_USER"), 100_000);
            expect(query(connection, "select current_user::text, length(v) from secured"), List.of(row));
        }
        refused("28P01", () -> connectSecurely("wrong").close());
    }

    private static PGobject typed(String type, String value) throws SQLException {
        PGobject object = new PGobject();
        object.setType(type);
        object.setValue(value);
        return object;
    }

    private static List<Sample> samples(Connection connection) throws SQLException {
        OffsetDateTime moment = OffsetDateTime.of(2024, 2, 29, 1, 2, 3, 0, ZoneOffset.UTC);
        PGInterval interval = new PGInterval(1, 2, -3, 4, 5, 6.5);
        UUID uuid = UUID.fromString("01234567-89ab-cdef-0000-000000000000");
        return List.of(
                Sample.same("bool", true, "true"),
                new Sample("int2", (short) -32768, Integer.class, -32768, "-32768"),
                Sample.same("int4", Integer.MIN_VALUE, "-2147483648"),
                Sample.same("int8", Long.MIN_VALUE, "-9223372036854775808"),
                Sample.same("float4", 1.5f, "1.5"),
                Sample.same("float8", 0.1, "0.1"),
                Sample.same("float8", Double.NaN, "NaN"),
                Sample.same("float8", Double.NEGATIVE_INFINITY, "-Infinity"),
                Sample.same("numeric", new BigDecimal("-12345678901234567890.000000001"), "-12345678901234567890.000000001"),
                new Sample("numeric(10,2)", new BigDecimal("1.1"), BigDecimal.class, new BigDecimal("1.10"), "1.10"),
                Sample.same("text", "naïve \ud83d\ude00 'quoted' \\ ?", "naïve \ud83d\ude00 'quoted' \\ ?"),
                Sample.same("varchar(20)", "twenty at most", "twenty at most"),
                new Sample("bpchar(5)", "ab", String.class, "ab   ", "ab"),
                Sample.same("name", "identifier", "identifier"),
                Sample.same("bytea", new byte[] {0, 1, 0x5c, (byte) 0xff}, "\\x00015cff"),
                Sample.same("uuid", uuid, uuid.toString()),
                Sample.same("date", LocalDate.of(2024, 2, 29), "2024-02-29"),
                Sample.same("time", LocalTime.of(23, 59, 59, 999_999_000), "23:59:59.999999"),
                Sample.same("timetz", OffsetTime.of(12, 30, 0, 0, ZoneOffset.ofHours(5)), "12:30:00+05"),
                Sample.same("timestamp", LocalDateTime.of(2024, 2, 29, 1, 2, 3, 45_000), "2024-02-29 01:02:03.000045"),
                Sample.same("timestamptz", moment, "2024-02-29 01:02:03+00"),
                Sample.same("interval", interval, "1 year 2 mons -3 days +04:05:06.5"),
                new Sample("json", typed("json", "{\"b\": [1]}"), String.class, "{\"b\": [1]}", "{\"b\": [1]}"),
                new Sample("jsonb", typed("jsonb", "{\"b\":[1],\"a\":\"ü\"}"), String.class, "{\"a\": \"ü\", \"b\": [1]}", "{\"a\": \"ü\", \"b\": [1]}"),
                Sample.same("oid", 4_294_967_295L, "4294967295"),
                array(connection, "bool", "{t,NULL,f}", true, null, false),
                array(connection, "int2", "{1,-2}", (short) 1, (short) -2),
                array(connection, "int4", "{1,NULL,-2}", 1, null, -2),
                array(connection, "int8", "{1099511627776}", 1L << 40),
                array(connection, "float4", "{0.5}", 0.5f),
                array(connection, "float8", "{0.5,Infinity}", 0.5, Double.POSITIVE_INFINITY),
                array(connection, "numeric", "{1.10,NULL}", new BigDecimal("1.10"), null),
                array(connection, "text", "{\"a,b\",\"quo\\\"te\",\"\",\"NULL\",NULL,\"back\\\\\"}", "a,b", "quo\"te", "", "NULL", null, "back\\"),
                array(connection, "varchar", "{}"),
                array(connection, "uuid", "{" + uuid + "}", uuid));
    }

    private static Sample array(Connection connection, String element, String printed, Object... values) throws SQLException {
        return new Sample(element + "[]", connection.createArrayOf(element, values), Array.class, values, printed);
    }

    private static void types(String prefix, Map<String, String> options) throws SQLException {
        try (Connection connection = connect(options)) {
            List<String> failures = new ArrayList<>();
            int number = 0;
            for (Sample sample : samples(connection)) {
                number += 1;
                if (sample.type().equals("bytea") && "simple".equals(options.get("preferQueryMode"))) {
                    continue; // The driver writes no valid literal.
                }
                try {
                    roundTrip(connection, "typed_" + prefix + "_" + number, sample);
                } catch (SQLException | AssertionError error) {
                    failures.add(sample.type() + ": " + error.getMessage());
                }
            }
            expect(failures, List.of());
        }
    }

    private static void roundTrip(Connection connection, String table, Sample sample) throws SQLException {
        execute(connection, "create table " + table + " (id int primary key, v " + sample.type() + ")");
        // setObject of an OffsetDateTime or an array names its type; what is left open the server infers.
        try (PreparedStatement insert = connection.prepareStatement("insert into " + table + " values (?, ?)")) {
            insert.setInt(1, 1);
            insert.setObject(2, sample.written());
            expect(insert.executeUpdate(), 1);
            insert.setInt(1, 2);
            insert.setNull(2, Types.NULL);
            expect(insert.executeUpdate(), 1);
        }
        try (PreparedStatement select = connection.prepareStatement("select v, v::text from " + table + " where id = ?")) {
            for (int use = 0; use < 3; use++) {
                select.setInt(1, 1);
                try (ResultSet result = select.executeQuery()) {
                    expect(result.next(), true);
                    expect(result.getString(2), sample.printed());
                    expect(read(result, sample), sample.read());
                    expect(result.next(), false);
                }
            }
            select.setInt(1, 2);
            try (ResultSet result = select.executeQuery()) {
                expect(result.next(), true);
                expect(result.getObject(1), null);
            }
        }
        expect(execute(connection, "update " + table + " set v = null where v is not null"), 1);
        expect(execute(connection, "delete from " + table), 2);
    }

    private static Object read(ResultSet result, Sample sample) throws SQLException {
        if (sample.readAs() == Array.class) {
            return result.getArray(1).getArray();
        }
        if (sample.readAs() == byte[].class) {
            return result.getBytes(1);
        }
        if (sample.readAs() == String.class) {
            return result.getString(1);
        }
        return result.getObject(1, sample.readAs());
    }

    private static void statementsPreparedByUse() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table used (id int primary key, v text)");
            try (PreparedStatement insert = connection.prepareStatement("insert into used values (?, ?)");
                    PreparedStatement select = connection.prepareStatement("select v from used where id = ?")) {
                for (int id = 0; id < 12; id++) {
                    insert.setInt(1, id);
                    insert.setString(2, "v" + id);
                    expect(insert.executeUpdate(), 1);
                    select.setInt(1, id);
                    expect(rows(select.executeQuery()), List.of(List.of("v" + id)));
                }
                execute(connection, "alter table used add column w int default 7");
                select.setInt(1, 3);
                expect(rows(select.executeQuery()), List.of(List.of("v3")));
            }
            try (PreparedStatement any = connection.prepareStatement("select count(*) from used where id = any(?)")) {
                any.setArray(1, connection.createArrayOf("int4", new Object[] {1, 2, 99}));
                expect(rows(any.executeQuery()), List.of(List.of(2L)));
            }
        }
    }

    private static void errorInTransaction() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table failing (id int primary key)");
            connection.setAutoCommit(false);
            execute(connection, "insert into failing values (1)");
            SQLException error = refused("23505", () -> execute(connection, "insert into failing values (1)"));
            fact((Object) error.getMessage().split("\\s+"));
            refused("25P02", () -> query(connection, "select 1"));
            connection.rollback();
            expect(query(connection, "select count(*) from failing"), List.of(List.of(0L)));
            connection.commit();
        }
    }

    private static void savepoints() throws SQLException {
        // autosave puts a savepoint before each statement, as ORMs are told to.
        try (Connection connection = connect(Map.of("autosave", "always"))) {
            execute(connection, "create table saved (id int primary key)");
            connection.setAutoCommit(false);
            execute(connection, "insert into saved values (1)");
            Savepoint savepoint = connection.setSavepoint("inner one");
            execute(connection, "insert into saved values (2)");
            refused("23505", () -> execute(connection, "insert into saved values (1)"));
            connection.rollback(savepoint);
            execute(connection, "insert into saved values (3)");
            connection.releaseSavepoint(savepoint);
            connection.commit();
            expect(query(connection, "select id from saved order by id"), List.of(List.of(1), List.of(3)));
        }
    }

    private static void isolationLevels() throws SQLException {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            for (int level : new int[] {Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE}) {
                connection.setTransactionIsolation(level);
                expect(connection.getTransactionIsolation(), level);
                fact(query(connection, "show transaction_isolation"));
                connection.rollback();
            }
            connection.setReadOnly(true);
            refused("25006", () -> execute(connection, "create table not_here (id int primary key)"));
            connection.rollback();
        }
    }

    private static void streamsByFetchSize() throws SQLException {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            try (PreparedStatement select = connection.prepareStatement("select id, payload from streamed where id > ?")) {
                select.setFetchSize(1000);
                select.setInt(1, 0);
                long count = 0;
                long total = 0;
                try (ResultSet result = select.executeQuery()) {
                    while (result.next()) {
                        count += 1;
                        total += result.getInt(1);
                    }
                }
                expect(List.of(count, total), List.of((long) STREAMED_ROWS, STREAMED_SUM));
            }
            try (Statement select = connection.createStatement()) {
                select.setFetchSize(10);
                try (ResultSet left = select.executeQuery("select id from streamed order by id")) {
                    expect(left.next(), true);
                }
                select.setMaxRows(5);
                expect(rows(select.executeQuery("select id from streamed order by id")).size(), 5);
            }
            connection.commit();
        }
    }

    private static void batchWithAnErrorInTheMiddle() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table batched (id int primary key, v text)");
            try (PreparedStatement insert = connection.prepareStatement("insert into batched values (?, ?)")) {
                for (int id : new int[] {1, 2, 1, 3}) {
                    insert.setInt(1, id);
                    insert.setString(2, "v");
                    insert.addBatch();
                }
                try {
                    insert.executeBatch();
                    throw new AssertionError("was not refused");
                } catch (BatchUpdateException error) {
                    expect(error.getSQLState(), "23505");
                    fact(error.getUpdateCounts());
                }
            }
            fact(query(connection, "select id from batched order by id"));
            try (PreparedStatement insert = connection.prepareStatement("insert into batched values (?, ?)")) {
                for (int id = 100; id < 1100; id++) {
                    insert.setInt(1, id);
                    insert.setString(2, "v" + id);
                    insert.addBatch();
                }
                expect(Arrays.stream(insert.executeBatch()).sum(), 1000);
            }
        }
        // As bulk loaders do: several rows are made one statement.
        try (Connection connection = connect(Map.of("reWriteBatchedInserts", "true"))) {
            try (PreparedStatement insert = connection.prepareStatement("insert into batched values (?, ?)")) {
                for (int id = 2000; id < 2100; id++) {
                    insert.setInt(1, id);
                    insert.setString(2, "v" + id);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            expect(query(connection, "select count(*) from batched where id >= 2000"), List.of(List.of(100L)));
        }
    }

    private static void generatedKeys() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table keyed (id int primary key, v text default 'given')");
            try (PreparedStatement insert = connection.prepareStatement("insert into keyed (id) values (?)", Statement.RETURN_GENERATED_KEYS)) {
                insert.setInt(1, 7);
                expect(insert.executeUpdate(), 1);
                expect(rows(insert.getGeneratedKeys()), List.of(List.of(7, "given")));
            }
            try (PreparedStatement upsert = connection.prepareStatement("insert into keyed values (?, ?) on conflict (id) do update set v = excluded.v", new String[] {"v"})) {
                upsert.setInt(1, 7);
                upsert.setString(2, "anew");
                expect(upsert.executeUpdate(), 1);
                expect(rows(upsert.getGeneratedKeys()), List.of(List.of("anew")));
            }
        }
    }

    private static void updatableResult() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table editable (id int primary key, v text)");
            execute(connection, "insert into editable values (1, 'a'), (2, 'b')");
            try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                    ResultSet result = statement.executeQuery("select id, v from editable order by id")) {
                expect(result.absolute(2), true);
                result.updateString("v", "edited");
                result.updateRow();
                expect(result.first(), true);
                result.deleteRow();
            }
            expect(query(connection, "select * from editable"), List.of(List.of(2, "edited")));
        }
    }

    private static void cancel() throws Exception {
        try (Connection connection = connect(); Statement statement = connection.createStatement()) {
            for (String sql : List.of("select pg_sleep(60)", "select count(*) from generate_series(1, 300000000)")) {
                // Repeated, as a request that comes before its statement is without effect.
                ScheduledExecutorService requests = Executors.newSingleThreadScheduledExecutor();
                requests.scheduleWithFixedDelay(() -> cancelled(statement), 200, 200, TimeUnit.MILLISECONDS);
                refused("57014", () -> statement.executeQuery(sql));
                requests.shutdown();
                expect(requests.awaitTermination(DEADLINE_MS, TimeUnit.MILLISECONDS), true);
            }
            statement.setQueryTimeout(1);
            refused("57014", () -> statement.executeQuery("select pg_sleep(60)"));
            statement.setQueryTimeout(0);
            expect(rows(statement.executeQuery("select 1")), List.of(List.of(1)));
        }
    }

    private static void cancelled(Statement statement) {
        try {
            statement.cancel();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void notificationWhileIdle() throws SQLException {
        try (Connection listener = connect(); Connection sender = connect()) {
            execute(listener, "listen news");
            execute(sender, "notify news, 'hello'");
            PGNotification[] found = listener.unwrap(PGConnection.class).getNotifications(DEADLINE_MS);
            expect(found.length, 1);
            expect(List.of(found[0].getName(), found[0].getParameter()), List.of("news", "hello"));
            expect(found[0].getPID(), sender.unwrap(PGConnection.class).getBackendPID());
        }
    }

    /** What pools such as HikariCP do with a connection that is given back: they undo what the user has set. */
    private static void poolReset() throws SQLException {
        try (Connection connection = connect()) {
            connection.setAutoCommit(false);
            connection.setReadOnly(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            connection.setSchema("information_schema");
            expect(query(connection, "select 1"), List.of(List.of(1)));
            connection.rollback();
            connection.setReadOnly(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            connection.setSchema("public");
            connection.setNetworkTimeout(Runnable::run, DEADLINE_MS);
            connection.setAutoCommit(true);
            connection.setClientInfo("ApplicationName", "returned");
            connection.clearWarnings();
            expect(connection.isValid(10), true);
            expect(connection.getSchema(), "public");
            expect(query(connection, "show application_name"), List.of(List.of("returned")));
            execute(connection, "discard all");
            expect(connection.isValid(10), true);
        }
    }

    private static void introspection() throws SQLException {
        try (Connection connection = connect()) {
            execute(connection, "create table described (id bigint, part int, name varchar(40) not null, price numeric(10,2) default 0, at timestamptz, tags text[], doc jsonb, primary key (id, part))");
            execute(connection, "create index described_name on described (name)");
            DatabaseMetaData data = connection.getMetaData();
            fact(data.getDatabaseProductName(), data.getMaxColumnNameLength(), data.supportsTransactions(), data.getIdentifierQuoteString());
            columns("tables", data.getTables(null, "public", "described", new String[] {"TABLE"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
            columns("columns", data.getColumns(null, "public", "described", "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NULLABLE", "ORDINAL_POSITION", "IS_AUTOINCREMENT");
            columns("keys", data.getPrimaryKeys(null, "public", "described"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME");
            columns("indexes", data.getIndexInfo(null, "public", "described", false, true), "INDEX_NAME", "NON_UNIQUE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC");
            columns("imported", data.getImportedKeys(null, "public", "described"), "FK_NAME");
            columns("exported", data.getExportedKeys(null, "public", "described"), "FK_NAME");
            columns("best", data.getBestRowIdentifier(null, "public", "described", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME", "DATA_TYPE");
            columns("table types", data.getTableTypes(), "TABLE_TYPE");
            expect(rows(data.getSchemas()).stream().anyMatch(row -> row.get(0).equals("public")), true);
            rows(data.getTypeInfo());
            rows(data.getCatalogs());
            rows(data.getFunctions(null, "pg_catalog", "abs"));
            rows(data.getTablePrivileges(null, "public", "described"));
            try (PreparedStatement select = connection.prepareStatement("select d.*, price * ? as product from described d where id = ?")) {
                ResultSetMetaData columns = select.getMetaData();
                for (int column = 1; column <= columns.getColumnCount(); column++) {
                    fact(columns.getColumnLabel(column), columns.getColumnTypeName(column), columns.getPrecision(column), columns.getScale(column), columns.isNullable(column), columns.getTableName(column), columns.getColumnClassName(column));
                }
                fact(select.getParameterMetaData().getParameterTypeName(1), select.getParameterMetaData().getParameterTypeName(2));
            }
        }
    }

    private static void columns(String what, ResultSet result, String... names) throws SQLException {
        try (result) {
            while (result.next()) {
                Object[] row = new Object[names.length];
                for (int column = 0; column < names.length; column++) {
                    row[column] = result.getObject(names[column]);
                }
                fact(what, row);
            }
        }
    }
}
