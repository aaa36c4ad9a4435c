//! The value matrix: every type's edge values, written and read through every door, are one row, one key, one printed value.
//!
//! Writers: a literal in `psql`, a parameter in text format, one in binary format, and the SQLite shell with the extension on
//! a stopped node. Readers: the same four, and the SQLite shell without the extension. PostgreSQL 15 says what each value
//! prints and its binary form; [`VALUES`] says how it is stored, which docs/src/reference/types.md promises.

use tests::node::{Node, Setup};
use tests::oracle::Oracle;
use tests::raw::{Answer, Client, Parameter, Request};
use tests::shell::{Shell, quoted};

/// Tables declared over the wire: type, the value as PostgreSQL prints it, the stored value as SQLite writes it.
#[rustfmt::skip]
const VALUES: &[(&str, &str, &str)] = &[
    ("bool", "t", "1"),
    ("bool", "f", "0"),
    ("int2", "-32768", "-32768"),
    ("int2", "32767", "32767"),
    ("int4", "-2147483648", "-2147483648"),
    ("int4", "2147483647", "2147483647"),
    ("int8", "-9223372036854775808", "-9223372036854775808"),
    ("int8", "9223372036854775807", "9223372036854775807"),
    ("float4", "0.1", "1.00000001490116119384e-01"),
    ("float4", "-3.4028235e+38", "-3.40282346638528859772e+38"),
    ("float4", "NaN", "'NaN'"),
    ("float4", "Infinity", "9e999"),
    ("float8", "5", "5.0"),
    ("float8", "1e+300", "1.0e+300"),
    ("float8", "2.2250738585072014e-308", "2.2250738585072014e-308"),
    ("float8", "NaN", "'NaN'"),
    ("float8", "-Infinity", "-9e999"),
    ("numeric", "1.10", "'1.10'"),
    ("numeric", "0.00", "'0.00'"),
    ("numeric", "-12345678901234567890.123456789", "'-12345678901234567890.123456789'"),
    ("numeric", "NaN", "'NaN'"),
    ("numeric", "-Infinity", "'-Infinity'"),
    ("numeric", "0.00000000000000000001", "'0.00000000000000000001'"),
    ("numeric(6,2)", "1.10", "'1.10'"),
    ("text", "", "''"),
    ("text", "o'k \"q\" \\ %", "'o''k \"q\" \\ %'"),
    ("text", "😀 äöü", "'😀 äöü'"),
    ("text", "2024-02-29", "'2024-02-29'"),
    ("varchar(5)", "ab  ", "'ab  '"),
    ("char(4)", "ab  ", "'ab  '"),
    ("name", "Name", "'Name'"),
    ("bytea", "\\x", "X''"),
    ("bytea", "\\x00ff27", "X'00FF27'"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
    ("date", "2024-02-29", "'2024-02-29'"),
    ("date", "0044-03-15 BC", "'/9956-03-15'"),
    ("date", "0001-12-31 BC", "'/9999-12-31'"),
    ("date", "12345-06-07", "'Y0012345-06-07'"),
    ("date", "infinity", "'infinity'"),
    ("date", "-infinity", "'-infinity'"),
    ("time", "00:00:00", "'00:00:00'"),
    ("time", "24:00:00", "'24:00:00'"),
    ("time", "12:34:56.000001", "'12:34:56.000001'"),
    ("timetz", "12:34:56.789+02", "'12:34:56.789+02'"),
    ("timetz", "24:00:00-15:59:59", "'24:00:00-15:59:59'"),
    ("timestamp", "2024-02-29 12:34:56.000001", "'2024-02-29 12:34:56.000001'"),
    ("timestamp", "4713-01-01 00:00:00 BC", "'/5287-01-01 00:00:00'"),
    ("timestamp", "294276-12-31 23:59:59.999999", "'Y0294276-12-31 23:59:59.999999'"),
    ("timestamp", "infinity", "'infinity'"),
    ("timestamptz", "2024-02-29 12:34:56.5+00", "'2024-02-29 12:34:56.5+00'"),
    ("timestamptz", "0044-03-15 12:00:00+00 BC", "'/9956-03-15 12:00:00+00'"),
    ("timestamptz", "-infinity", "'-infinity'"),
    ("interval", "00:00:00", "'00:00:00'"),
    ("interval", "1 year 2 mons 3 days 04:05:06.789", "'1 year 2 mons 3 days 04:05:06.789'"),
    ("interval", "-1 mons +30 days -00:00:01", "'-1 mons +30 days -00:00:01'"),
    ("interval", "-178000000 years", "'-178000000 years'"),
    ("json", "{\"b\" : 1.50, \"a\":[null,\"\\u00e4\"], \"b\":2}", "'{\"b\" : 1.50, \"a\":[null,\"\\u00e4\"], \"b\":2}'"),
    ("json", " null", "' null'"),
    ("jsonb", "{\"b\": 1.50, \"aa\": [null, \"ä\", {\"deep\": [[[]]]}]}", "'{\"b\": 1.50, \"aa\": [null, \"ä\", {\"deep\": [[[]]]}]}'"),
    ("jsonb", "null", "'null'"),
    ("oid", "0", "0"),
    ("oid", "4294967295", "4294967295"),
    ("\"char\"", "a", "'a'"),
    ("\"char\"", "\\303", "'\\303'"),
    ("bool[]", "{t,NULL,f}", "'{t,NULL,f}'"),
    ("int2[]", "{-1,32767}", "'{-1,32767}'"),
    ("int4[]", "{}", "'{}'"),
    ("int4[]", "{NULL,1}", "'{NULL,1}'"),
    ("int8[]", "{9223372036854775807}", "'{9223372036854775807}'"),
    ("float4[]", "{0.1,NaN}", "'{0.1,NaN}'"),
    ("float8[]", "{1e+300,-Infinity}", "'{1e+300,-Infinity}'"),
    ("numeric[]", "{1.10,NaN,NULL}", "'{1.10,NaN,NULL}'"),
    ("text[]", "{}", "'{}'"),
    ("text[]", "{NULL,\"NULL\",\"a\\\"b\\\\c\",\"\",\"d,e\",\"{f}\"}", "'{NULL,\"NULL\",\"a\\\"b\\\\c\",\"\",\"d,e\",\"{f}\"}'"),
    ("varchar[]", "{ab,NULL}", "'{ab,NULL}'"),
    ("bpchar[]", "{\"ab  \"}", "'{\"ab  \"}'"),
    ("name[]", "{Name}", "'{Name}'"),
    ("bytea[]", "{\"\\\\x00ff\",NULL}", "'{\"\\\\x00ff\",NULL}'"),
    ("uuid[]", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"),
    ("date[]", "{2024-02-29,\"0044-03-15 BC\",infinity}", "'{2024-02-29,/9956-03-15,infinity}'"),
    ("time[]", "{12:34:56.000001}", "'{12:34:56.000001}'"),
    ("timetz[]", "{12:34:56+02}", "'{12:34:56+02}'"),
    ("timestamp[]", "{\"2024-02-29 12:34:56.000001\"}", "'{\"2024-02-29 12:34:56.000001\"}'"),
    ("timestamptz[]", "{\"2024-02-29 12:34:56.5+00\",NULL}", "'{\"2024-02-29 12:34:56.5+00\",NULL}'"),
    ("interval[]", "{\"1 mon\",-00:00:01}", "'{\"1 mon\",-00:00:01}'"),
    ("json[]", "{\"{\\\"a\\\" : 1}\"}", "'{\"{\\\"a\\\" : 1}\"}'"),
    ("jsonb[]", "{\"{\\\"a\\\": 1}\",NULL}", "'{\"{\\\"a\\\": 1}\",NULL}'"),
    ("oid[]", "{4294967295}", "'{4294967295}'"),
];

/// Tables of a schema file: the column's type there, the type that the wire reports, printed and stored value.
const FILE_VALUES: &[(&str, &str, &str, &str)] = &[
    ("INTEGER", "int8", "42", "42"),
    ("INT", "int8", "-9223372036854775808", "-9223372036854775808"),
    ("REAL", "float8", "1.5", "1.5"),
    ("REAL", "float8", "1e+300", "1e300"),
    ("TEXT", "text", "o'k \"q\" \\ 😀", "'o''k \"q\" \\ 😀'"),
    ("TEXT", "text", "", "''"),
    ("BLOB", "bytea", "\\x00ff27", "X'00FF27'"),
    ("BOOLEAN", "bool", "t", "1"),
    ("DATE", "date", "2024-02-29", "'2024-02-29'"),
    ("", "text", "anything", "'anything'"),
];

/// What every writer over the wire is refused: type, value, SQLSTATE.
const REFUSED: &[(&str, &str, &str)] = &[
    ("bool", "perhaps", "22P02"),
    ("int2", "32768", "22003"),
    ("int4", "-2147483649", "22003"),
    ("int4", "1.0", "22P02"),
    ("int8", "9223372036854775808", "22003"),
    ("float4", "1e39", "22003"),
    ("float8", "1e400", "22003"),
    ("float8", "x", "22P02"),
    ("numeric(6,2)", "10000", "22003"),
    ("numeric", "1.1.1", "22P02"),
    ("varchar(3)", "abcd", "22001"),
    ("char(3)", "abcd", "22001"),
    ("bytea", "\\xg0", "22023"),
    ("uuid", "a0eebc99", "22P02"),
    ("date", "2024-02-30", "22008"),
    ("date", "someday", "22007"),
    ("time", "24:00:01", "22008"),
    ("timetz", "10:00+17", "22009"),
    ("timestamp", "294277-01-01", "22008"),
    ("interval", "1 fortnight", "22007"),
    ("interval", "99999999999 years", "22015"),
    ("json", "{", "22P02"),
    ("jsonb", "[1,]", "22P02"),
    ("jsonb", "\"\\u0000\"", "22P05"),
    ("oid", "4294967296", "22003"),
    ("int4[]", "{1,x}", "22P02"),
    ("int4[]", "1", "22P02"),
    ("text[]", "{a", "22P02"),
];

/// One row of the matrix on its way.
struct Cell {
    table: String,
    /// The wire's type.
    type_name: &'static str,
    oid: u32,
    printed: &'static str,
    stored: &'static str,
    binary: Vec<u8>,
    /// json has no equality, so that it cannot be a key.
    is_key: bool,
}

impl Cell {
    fn new(
        oracle: &mut Client,
        table: String,
        type_name: &'static str,
        printed: &'static str,
        stored: &'static str,
    ) -> Self {
        let (oid, binary) = facts(oracle, type_name, printed);
        let is_key = !matches!(type_name, "json" | "json[]");
        Self { table, type_name, oid, printed, stored, binary, is_key }
    }

    fn definition(&self) -> String {
        let columns = if self.is_key { "v " } else { "k int primary key, v " };
        let key = if self.is_key { " primary key" } else { "" };
        format!("create table {} ({columns}{}{key})", self.table, self.type_name)
    }

    fn insert(&self, value: &str) -> String {
        let key = if self.is_key { "" } else { "1, " };
        format!("insert into {} values ({key}{value}) on conflict do nothing", self.table)
    }

    fn parameter(&self, binary: bool) -> Parameter {
        let value = if binary { self.binary.clone() } else { self.printed.as_bytes().to_vec() };
        Parameter { type_oid: self.oid, binary, value: Some(value) }
    }
}

/// The OID of a type, and the binary form of a value, by PostgreSQL, which must print it as given.
fn facts(oracle: &mut Client, type_name: &str, printed: &str) -> (u32, Vec<u8>) {
    let sql = format!("select {}::{type_name}", quoted(printed));
    let shown = oracle.extended(&Request { sql: sql.clone(), ..Request::default() });
    assert_eq!(shown.shown(), printed, "{sql} on PostgreSQL");
    let sent = oracle.extended(&Request { sql, binary: true, ..Request::default() });
    let Answer::Rows { columns, .. } = &sent else { panic!("{sent:?}") };
    (columns[0].1, sent.value().expect("not NULL").to_vec())
}

fn cells(oracle: &mut Client, prefix: &str) -> Vec<Cell> {
    let rows = VALUES.iter().enumerate();
    rows.map(|(at, &(type_name, printed, stored))| {
        Cell::new(oracle, format!("{prefix}{at}"), type_name, printed, stored)
    })
    .collect()
}

fn file_cells(oracle: &mut Client, prefix: &str) -> Vec<Cell> {
    let rows = FILE_VALUES.iter().enumerate();
    rows.map(|(at, &(_, type_name, printed, stored))| {
        Cell::new(oracle, format!("{prefix}{at}"), type_name, printed, stored)
    })
    .collect()
}

/// The schema file with the tables of both prefixes.
fn schema_file() -> String {
    let tables = FILE_VALUES.iter().enumerate().flat_map(|(at, (declared, ..))| {
        ["file_", "shell_file_"]
            .map(|prefix| format!("CREATE TABLE {prefix}{at} (v {declared} NOT NULL PRIMARY KEY);\n"))
    });
    tables.collect()
}

fn write_over_the_wire(node: &Node, client: &mut Client, cells: &[Cell], wrong: &mut Vec<String>) {
    let script: String = cells.iter().map(|cell| format!("{};\n", cell.insert(&quoted(cell.printed)))).collect();
    let printed = node.server().script(&["-q"], &script);
    if !printed.stderr.is_empty() {
        wrong.push(format!("psql writes: {}", printed.stderr));
    }
    for cell in cells {
        for binary in [false, true] {
            let request = Request { sql: cell.insert("$1"), parameters: vec![cell.parameter(binary)], binary };
            if let Answer::Error { sqlstate, message } = client.extended(&request) {
                wrong.push(format!("{} {:?} binary {binary}: {sqlstate} {message}", cell.type_name, cell.printed));
            }
        }
    }
}

fn read_over_the_wire(node: &Node, client: &mut Client, cells: &[Cell], writer: &str, wrong: &mut Vec<String>) {
    const MARK: &str = "@@";
    let select = |cell: &Cell| format!("select v from {}", cell.table);
    let script: String = cells.iter().map(|cell| format!("{};\n\\echo {MARK}\n", select(cell))).collect();
    let printed = node.server().script(&["-Atq"], &script);
    let shown: Vec<&str> = printed.stdout.split(&format!("{MARK}\n")).collect();
    for (cell, shown) in cells.iter().zip(shown) {
        let mut check = |reader: &str, got: String, wanted: String| {
            if got != wanted {
                let name = format!("{} {:?}", cell.type_name, cell.printed);
                wrong.push(format!("{name}, {writer} wrote, {reader} reads: {got:?}, wanted {wanted:?}"));
            }
        };
        check("psql", shown.to_owned(), format!("{}\n", cell.printed));
        let text = client.extended(&Request { sql: select(cell), ..Request::default() });
        check("text", text.shown(), cell.printed.to_owned());
        let binary = client.extended(&Request { sql: select(cell), binary: true, ..Request::default() });
        let rows = match binary {
            Answer::Rows { rows, .. } => rows,
            Answer::Error { sqlstate, message } => vec![vec![Some(format!("{sqlstate} {message}").into_bytes())]],
        };
        check("binary", format!("{rows:?}"), format!("{:?}", [[Some(&cell.binary)]]));
    }
}

/// Reads by SQLite: one row, of the value and the storage class listed.
fn read_by_shell(shell: &Shell, cells: &[Cell], name: &str, wrong: &mut Vec<String>) {
    let read = |cell: &Cell| {
        let (table, stored) = (&cell.table, cell.stored);
        let same = format!("v is {stored} and typeof(v) = typeof({stored})");
        format!("select count(*), min({same}), group_concat(quote(v)) from {table};")
    };
    let statements: Vec<String> = cells.iter().map(read).collect();
    for (cell, answer) in cells.iter().zip(shell.run(&statements)) {
        if !answer.starts_with("1|1|") {
            wrong.push(format!("{} {:?} read by {name}: {answer}wanted {}", cell.type_name, cell.printed, cell.stored));
        }
    }
}

fn write_by_shell(shell: &Shell, cells: &[Cell]) {
    let write = |cell: &Cell| {
        let key = if cell.is_key { "" } else { "1, " };
        format!("insert or ignore into {} values ({key}{});", cell.table, cell.stored)
    };
    shell.run(&cells.iter().map(write).collect::<Vec<_>>());
}

#[test]
fn a_value_is_one_row_one_key_and_one_text_through_every_door() {
    let setup = Setup::built_in();
    let schema = setup.path("corrosion-data/schema");
    std::fs::create_dir_all(&schema).expect("the schema directory");
    std::fs::write(schema.join("matrix.sql"), schema_file()).expect("the schema file");
    let oracle = Oracle::start();
    let mut oracle = Client::connect(&oracle.server());
    // Written by all, and written by the shell only.
    let mut shared = cells(&mut oracle, "wire_");
    let mut by_shell = cells(&mut oracle, "shell_");
    let mut wrong = Vec::new();

    let node = setup.start();
    let mut client = Client::connect(&node.server());
    client.simple("set timezone = 'UTC'");
    for cell in shared.iter().chain(&by_shell) {
        let made = client.simple(&cell.definition()).pop();
        assert!(matches!(made, Some(Answer::Rows { .. })), "{}: {made:?}", cell.definition());
    }
    shared.extend(file_cells(&mut oracle, "file_"));
    by_shell.extend(file_cells(&mut oracle, "shell_file_"));
    write_over_the_wire(&node, &mut client, &shared, &mut wrong);
    read_over_the_wire(&node, &mut client, &shared, "the wire", &mut wrong);
    drop(client);
    node.stop();

    let database = setup.path("corrosion-data/corrosion.db");
    let (plain, extended) = (Shell::plain(&database), Shell::with_extension(&database));
    read_by_shell(&plain, &shared, "sqlite3", &mut wrong);
    write_by_shell(&extended, &shared);
    write_by_shell(&extended, &by_shell);
    for cells in [&shared, &by_shell] {
        read_by_shell(&extended, cells, "sqlite3 with the extension", &mut wrong);
        read_by_shell(&plain, cells, "sqlite3", &mut wrong);
    }

    let node = setup.start();
    let mut client = Client::connect(&node.server());
    client.simple("set timezone = 'UTC'");
    read_over_the_wire(&node, &mut client, &shared, "everyone", &mut wrong);
    read_over_the_wire(&node, &mut client, &by_shell, "the shell", &mut wrong);
    assert!(wrong.is_empty(), "{} cells differ:\n{}", wrong.len(), wrong.join("\n"));
    node.stop();
}

#[test]
fn values_that_do_not_fit_are_refused_as_on_postgresql() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let mut clients = [("node", Client::connect(&node.server())), ("PostgreSQL", Client::connect(&oracle.server()))];
    let mut wrong = Vec::new();
    for (at, (type_name, value, sqlstate)) in REFUSED.iter().enumerate() {
        for (name, client) in &mut clients {
            client.simple(&format!("create table refused{at} (k int primary key, v {type_name})"));
            let insert = format!("insert into refused{at} values (1, ");
            let literal = client.simple(&format!("{insert}{})", quoted(value))).pop().expect("an answer");
            let parameter = Parameter { type_oid: 0, binary: false, value: Some(value.as_bytes().to_vec()) };
            let request = Request { sql: format!("{insert}$1)"), parameters: vec![parameter], binary: false };
            for (writer, answer) in [("literal", literal), ("text", client.extended(&request))] {
                if answer.shown() != format!("ERROR {sqlstate}") {
                    wrong.push(format!("{name} {type_name} {value:?} as {writer}: {answer:?}, wanted {sqlstate}"));
                }
            }
        }
    }
    // What no text is: a zero byte, and bytes that are no UTF-8.
    for bytes in [&b"a\0b"[..], b"caf\xe9"] {
        for (name, client) in &mut clients {
            for binary in [false, true] {
                let parameter = Parameter { type_oid: 25, binary, value: Some(bytes.to_vec()) };
                let request = Request { sql: "select $1".into(), parameters: vec![parameter], binary };
                let answer = client.extended(&request);
                if answer.shown() != "ERROR 22021" {
                    wrong.push(format!("{name} {bytes:?} binary {binary}: {answer:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    node.stop();
}
