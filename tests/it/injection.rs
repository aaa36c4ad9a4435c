//! The injection corpus: texts made of quotes, backslashes, dollar quotes, comments and Unicode escapes, written as every
//! kind of literal and identifier, in every position, through both protocols. The stored value is the value meant, on the
//! node as on PostgreSQL 15.
//!
//! Texts are generated: each fragment, each pair of fragments, and seeded longer ones.

use std::fmt::Write as _;

use tests::node::Setup;
use tests::oracle::Oracle;
use tests::raw::{Answer, Client, Parameter, Request};
use tests::rng::Rng;

/// What has a meaning somewhere between a client and a table.
const FRAGMENTS: [&str; 24] = [
    "'",
    "''",
    "\"",
    "\"\"",
    "\\",
    "\\\\",
    "\\'",
    "$$",
    "$a$",
    "$1",
    "?",
    "--",
    "/*",
    "*/",
    ";",
    "\n",
    "U&'",
    "E'",
    "\\0041",
    "!",
    "é",
    "\u{1F600}",
    "); drop table corpus; --",
    " ",
];
/// Longer texts, of three to eight fragments.
const LONGER: usize = 60;
const SEED: u64 = 6;
/// PostgreSQL's longest identifier in bytes; longer ones are cut.
const IDENTIFIER_MAX: usize = 63;

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = FRAGMENTS.iter().map(|fragment| (*fragment).to_owned()).collect();
    texts.extend(FRAGMENTS.iter().flat_map(|first| FRAGMENTS.iter().map(move |second| format!("{first}{second}"))));
    let mut rng = Rng::new(SEED);
    for _ in 0..LONGER {
        let length = rng.between(3, 8);
        texts.push((0..length).map(|_| *rng.pick(&FRAGMENTS)).collect());
    }
    texts
}

fn doubled(text: &str, quote: char) -> String {
    text.replace(quote, &format!("{quote}{quote}"))
}

/// The characters beyond ASCII as escapes of a U& literal or identifier.
fn unicode_escaped(text: &str, escape: char, quote: char) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let code = u32::from(c);
        match c {
            c if c == escape => out.extend([c, c]),
            c if c == quote => out.extend([c, c]),
            _ if c.is_ascii() => out.push(c),
            _ if code > 0xFFFF => write!(out, "{escape}+{code:06X}").expect("a String takes it"),
            _ => write!(out, "{escape}{code:04X}").expect("a String takes it"),
        }
    }
    out
}

/// The literals that mean this text.
fn literals(text: &str) -> Vec<String> {
    let backslashes = text.replace('\\', "\\\\");
    let mut forms = vec![
        format!("'{}'", doubled(text, '\'')),
        format!("E'{}'", doubled(&backslashes, '\'')),
        format!("E'{}'", backslashes.replace('\'', "\\'").replace('\n', "\\n")),
        format!("E'{}'", text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>()),
        format!("E'{}'", text.bytes().map(|byte| format!("\\{byte:03o}")).collect::<String>()),
        format!("E'{}'", text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<String>()),
        format!("U&'{}'", unicode_escaped(text, '\\', '\'')),
        format!("U&'{}' UESCAPE '!'", unicode_escaped(text, '!', '\'')),
        format!("/* a ' /* nested \" */ -- */ '{}'", doubled(text, '\'')),
        format!("-- $$ ' \" /*\n'{}'", doubled(text, '\'')),
    ];
    let tag = (0..).map(|number| format!("$t{number}$")).find(|tag| !text.contains(tag.as_str()));
    let tag = tag.expect("some tag does not occur");
    // A dollar at the end would begin the closing tag.
    if !text.ends_with('$') {
        forms.push(format!("{tag}{text}{tag}"));
        if !text.contains("$$") {
            forms.push(format!("$${text}$$"));
        }
    }
    // Two literals on two lines are one.
    if let Some((at, _)) = text.char_indices().nth(1) {
        let (head, tail) = text.split_at(at);
        forms.push(format!("'{}'\n  '{}'", doubled(head, '\''), doubled(tail, '\'')));
    }
    forms
}

/// The identifiers that mean this text.
fn identifiers(text: &str) -> Vec<String> {
    if text.len() > IDENTIFIER_MAX {
        return Vec::new();
    }
    vec![
        format!("\"{}\"", doubled(text, '"')),
        format!("U&\"{}\"", unicode_escaped(text, '\\', '"')),
        format!("U&\"{}\" UESCAPE '!'", unicode_escaped(text, '!', '"')),
    ]
}

fn cells(answer: &Answer) -> Vec<Vec<u8>> {
    match answer {
        Answer::Rows { rows, .. } => rows.iter().flatten().map(|cell| cell.clone().unwrap_or_default()).collect(),
        Answer::Error { sqlstate, message } => vec![format!("{sqlstate} {message}").into_bytes()],
    }
}

/// A server under test and the differences found on it.
struct Subject {
    name: &'static str,
    client: Client,
    wrong: Vec<String>,
}

impl Subject {
    /// Runs a statement through both protocols; every cell must be the text.
    fn check(&mut self, sql: &str, text: &str, count: usize) {
        let simple = self.client.simple(sql).pop().expect("an answer");
        let extended = self.client.extended(&Request { sql: sql.to_owned(), ..Request::default() });
        for (protocol, answer) in [("simple", simple), ("extended", extended)] {
            self.compare(protocol, sql, text, count, &answer);
        }
    }

    fn compare(&mut self, protocol: &str, sql: &str, text: &str, count: usize, answer: &Answer) {
        let cells = cells(answer);
        if cells.len() != count || cells.iter().any(|cell| cell != text.as_bytes()) {
            let shown: Vec<_> = cells.iter().map(|cell| String::from_utf8_lossy(cell)).collect();
            self.wrong.push(format!("{} {protocol}: {sql}\n  wanted {count} x {text:?}, got {shown:?}", self.name));
        }
    }

    /// Every literal in every position: written, compared, nested in calls, updated, deleted by.
    fn check_literals(&mut self, text: &str) {
        let forms = literals(text);
        let rows: Vec<String> = forms.iter().enumerate().map(|(at, form)| format!("({at}, {form}\n)")).collect();
        let count = forms.len();
        self.check(
            &format!(
                "insert into corpus values {} on conflict (k) do update set v = excluded.v returning v",
                rows.join(", ")
            ),
            text,
            count,
        );
        for form in &forms {
            let f = format!("{form}\n");
            let nested = format!(
                "select coalesce(nullif({f}, 'no'), case when v = {f} then {f} end) from corpus \
                 where v = {f} and v in ({f}, 'x') and {f} || v = v || {f} and k = 0 order by {f} || v limit 1"
            );
            self.check(&nested, text, 1);
        }
        let first = &forms[0];
        self.check(&format!("update corpus set v = {first} where v = {first} and k < 2 returning v"), text, 2);
        self.check("select v from corpus order by k", text, count);
        self.client.simple(&format!("delete from corpus where v = {first}"));
        let left = self.client.simple("select count(*)::text from corpus").pop().expect("an answer");
        self.compare("simple", "select count(*) from corpus", "0", 1, &left);
    }

    /// As a parameter, in both formats, beside literals that look like parameters.
    fn check_parameters(&mut self, text: &str) {
        for binary in [false, true] {
            let parameter = Parameter { type_oid: 25, binary, value: Some(text.as_bytes().to_vec()) };
            let sql = "insert into corpus values (0, $1) on conflict (k) do update set v = $1 returning v, $1 || ''";
            let request = Request { sql: sql.to_owned(), parameters: vec![parameter], binary };
            let answer = self.client.extended(&request);
            self.compare("extended", sql, text, 2, &answer);
        }
    }

    /// Every identifier in every position: columns, tables, their aliases; and as a column's name in the answer.
    fn check_identifiers(&mut self, text: &str) {
        for id in identifiers(text) {
            let literal = format!("'{}'", doubled(text, '\''));
            let id = format!("{id}\n");
            let sql = format!(
                "with {id} as (select {literal} as {id}) select t.{id} as {id} from {id} as t group by t.{id} order by t.{id}"
            );
            self.check(&sql, text, 1);
            let answer = self.client.simple(&sql).pop().expect("an answer");
            if let Answer::Rows { columns, .. } = answer
                && columns.first().is_none_or(|(name, _)| name != text)
            {
                self.wrong.push(format!("{}: {sql}\n  column named {columns:?}", self.name));
            }
        }
    }

    /// A table whose name, column and constraint are this text.
    fn check_table(&mut self, text: &str) {
        let Some(id) = identifiers(text).into_iter().next() else { return };
        let literal = format!("'{}'", doubled(text, '\''));
        for sql in [
            format!("create table {id} ({id} text primary key)"),
            format!("insert into {id} ({id}) values ({literal})"),
        ] {
            let answer = self.client.simple(&sql).pop().expect("an answer");
            if let Answer::Error { sqlstate, message } = answer {
                self.wrong.push(format!("{}: {sql}\n  {sqlstate} {message}", self.name));
            }
        }
        self.check(&format!("select {id}.{id} from {id} where {id} = {literal}"), text, 1);
        self.check(&format!("select relname from pg_class where relname = {literal} and relkind = 'r'"), text, 1);
        self.client.simple(&format!("drop table {id}"));
    }
}

#[test]
fn the_stored_value_is_the_value_meant() {
    let node = Setup::built_in().start();
    let oracle = Oracle::start();
    let subject = |name, server| Subject { name, client: Client::connect(server), wrong: Vec::new() };
    let mut subjects = [subject("node", &node.server()), subject("PostgreSQL", &oracle.server())];
    for subject in &mut subjects {
        subject.client.simple("create table corpus (k int primary key, v text)");
        for text in texts() {
            subject.check_literals(&text);
            subject.check_parameters(&text);
            subject.check_identifiers(&text);
        }
        for text in FRAGMENTS {
            subject.check_table(text);
        }
    }
    let wrong: Vec<String> = subjects.into_iter().flat_map(|subject| subject.wrong).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    node.stop();
}
