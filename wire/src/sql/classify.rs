//! Statements that PostgreSQL has and this server does not: named, so that the client gets 0A000 and not a syntax error.

/// First words of such statements, longest first, as they appear in the message.
const UNSUPPORTED: &[&str] = &[
    "create table as",
    "create materialized view",
    "create or replace",
    "create unlogged",
    "create temporary",
    "create temp",
    "create aggregate",
    "create cast",
    "create collation",
    "create conversion",
    "create database",
    "create domain",
    "create event trigger",
    "create extension",
    "create foreign",
    "create function",
    "create group",
    "create language",
    "create operator",
    "create policy",
    "create procedure",
    "create publication",
    "create role",
    "create rule",
    "create schema",
    "create sequence",
    "create server",
    "create statistics",
    "create subscription",
    "create tablespace",
    "create text search",
    "create transform",
    "create trigger",
    "create type",
    "create user",
    "create view",
    "drop materialized view",
    "drop aggregate",
    "drop cast",
    "drop collation",
    "drop conversion",
    "drop database",
    "drop domain",
    "drop event trigger",
    "drop extension",
    "drop foreign",
    "drop function",
    "drop group",
    "drop language",
    "drop operator",
    "drop owned",
    "drop policy",
    "drop procedure",
    "drop publication",
    "drop role",
    "drop routine",
    "drop rule",
    "drop schema",
    "drop sequence",
    "drop server",
    "drop statistics",
    "drop subscription",
    "drop tablespace",
    "drop text search",
    "drop transform",
    "drop trigger",
    "drop type",
    "drop user",
    "drop view",
    "alter",
    "call",
    "cluster",
    "comment",
    "commit prepared",
    "copy",
    "do",
    "explain",
    "grant",
    "import foreign schema",
    "load",
    "lock",
    "merge",
    "prepare transaction",
    "reassign owned",
    "refresh materialized view",
    "reindex",
    "revoke",
    "rollback prepared",
    "security label",
    "table",
];

/// The name of the statement if PostgreSQL has it and this server does not, in capitals.
pub(crate) fn unsupported(words: &[String]) -> Option<String> {
    let matches = |name: &&&str| {
        let wanted: Vec<&str> = name.split(' ').collect();
        words.len() >= wanted.len() && wanted.iter().zip(words).all(|(wanted, word)| wanted == word)
    };
    UNSUPPORTED.iter().filter(matches).max_by_key(|name| name.len()).map(|name| name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        assert_eq!(unsupported(&words).as_deref(), expected);
    }

    #[test]
    fn statements_this_server_lacks_are_named() {
        check("create view v", Some("CREATE VIEW"));
        check("merge into t", Some("MERGE"));
        check("alter system set x", Some("ALTER"));
        check("selekt 1", None);
        check("create tablet", None);
    }
}
