//! Small relations about the server: namespaces, the database, roles, comments; and the constant columns of the facts.
//!
//! Pure. There is one database. Roles are the node's users, the one that owns everything, and PostgreSQL's predefined
//! ones, to which users belong by what they may do. Access privileges of other objects are NULL, which PostgreSQL reads as
//! the defaults.

use std::collections::BTreeSet;

use storage::Role;
use storage::schema::{OID_USER_MAX, OID_USER_MIN, oid_of};

use super::build::{OWNER, Options, Source};
use super::builtin::string;
use super::relation::{INFORMATION_SCHEMA_NAMESPACE, PG_CATALOG_NAMESPACE, PUBLIC_NAMESPACE, named};
use super::rows::{Rows, count, flag, int, text};
use crate::function::quote_identifier;

/// `pg_database.oid` of the one database.
pub(super) const DATABASE: u32 = 5;
/// `pg_database_owner`, which owns schema public.
const DATABASE_OWNER: u32 = 6171;
/// UTF8 as `pg_encoding_to_char` numbers it.
const UTF8: u32 = 6;

const READ_ALL_DATA: u32 = 6181;
const WRITE_ALL_DATA: u32 = 6182;

/// Predefined roles: OID and name.
const PREDEFINED_ROLES: [(u32, &str); 6] = [
    (DATABASE_OWNER, "pg_database_owner"),
    (READ_ALL_DATA, "pg_read_all_data"),
    (WRITE_ALL_DATA, "pg_write_all_data"),
    (3373, "pg_monitor"),
    (3374, "pg_read_all_settings"),
    (3375, "pg_read_all_stats"),
];

/// Fills the columns that are the same in all rows of a relation of the facts.
pub(super) fn complete(rows: &mut Rows) {
    let relation = rows.relation;
    for (position, column) in relation.columns.iter().enumerate() {
        let value = match column.name {
            name if name.ends_with("namespace") && relation.name != "pg_class" => int(PG_CATALOG_NAMESPACE),
            name if name.ends_with("owner") => int(OWNER),
            "typisdefined" => flag(true),
            "typtypmod" => int(-1),
            _ => continue,
        };
        rows.rows.iter_mut().for_each(|row| row[position] = value.clone());
    }
    if relation.name == "pg_proc" {
        complete_functions(rows);
    }
}

fn complete_functions(rows: &mut Rows) {
    let relation = rows.relation;
    for at in 0..rows.rows.len() {
        let arguments = string(rows, &rows.rows[at], "proargtypes").split_whitespace().count();
        let name = string(rows, &rows.rows[at], "proname");
        for (column, value) in [("pronargs", count(arguments)), ("prosrc", text(name))] {
            if let Some(position) = relation.position(column) {
                rows.rows[at][position] = value;
            }
        }
    }
}

/// Relations that depend on how the server was started.
pub(super) fn server(options: &Options) -> Vec<Rows> {
    vec![namespaces(options), database(options), comments()]
}

fn namespaces(options: &Options) -> Rows {
    let mut rows = Rows::new(named("pg_namespace"));
    let owner = options.owner.as_str();
    for (oid, name, owner_oid, owner) in [
        (PG_CATALOG_NAMESPACE, "pg_catalog", OWNER, owner),
        (PUBLIC_NAMESPACE, "public", DATABASE_OWNER, "pg_database_owner"),
        (INFORMATION_SCHEMA_NAMESPACE, "information_schema", OWNER, owner),
    ] {
        // Everybody may use a schema; only its owner may create in it.
        let owner = quote_identifier(owner);
        rows.push([
            ("oid", int(oid)),
            ("nspname", text(name)),
            ("nspowner", int(owner_oid)),
            ("nspacl", text(format!("{{{owner}=UC/{owner},=U/{owner}}}"))),
        ]);
    }
    rows
}

fn database(options: &Options) -> Rows {
    let mut rows = Rows::new(named("pg_database"));
    rows.push([
        ("oid", int(DATABASE)),
        ("datname", text(&options.database)),
        ("datdba", int(OWNER)),
        ("encoding", int(UTF8)),
        ("datlocprovider", text("c")),
        ("datallowconn", flag(true)),
        ("datconnlimit", int(-1)),
        ("dattablespace", int(1663)),
        // Text is compared by its bytes, which is what this collation does.
        ("datcollate", text("C.UTF-8")),
        ("datctype", text("C.UTF-8")),
    ]);
    rows
}

fn comments() -> Rows {
    let mut rows = Rows::new(named("pg_description"));
    let namespace_class = named("pg_namespace").oid;
    for (oid, comment) in
        [(PG_CATALOG_NAMESPACE, "system catalog schema"), (PUBLIC_NAMESPACE, "standard public schema")]
    {
        rows.push([("objoid", int(oid)), ("classoid", int(namespace_class)), ("description", text(comment))]);
    }
    rows
}

/// A row of `pg_authid`.
struct Known {
    oid: u32,
    name: String,
    kind: Kind,
}

enum Kind {
    /// One of PostgreSQL's own, which nobody is.
    Predefined,
    User(Role),
}

/// All roles. The one that owns everything is always there: trusted sessions may be anybody.
fn known(source: &Source<'_>) -> Vec<Known> {
    let users = &source.schema.users;
    let owner = source.options.owner.as_str();
    let role = users.find(owner).map_or(Role::Admin, |user| user.role);
    let mut known = vec![Known { oid: OWNER, name: owner.to_owned(), kind: Kind::User(role) }];
    let predefined = |(oid, name): (u32, &str)| Known { oid, name: name.to_owned(), kind: Kind::Predefined };
    known.extend(PREDEFINED_ROLES.into_iter().map(predefined));
    let mut taken = BTreeSet::new();
    for (name, user) in users.iter().filter(|(name, _)| *name != owner) {
        // A collision moves the later name to the next OID.
        let mut oid = oid_of(name);
        while !taken.insert(oid) {
            oid = if oid == OID_USER_MAX { OID_USER_MIN } else { oid + 1 };
        }
        known.push(Known { oid, name: name.to_owned(), kind: Kind::User(user.role) });
    }
    known
}

/// `pg_authid`, its views, and who belongs to which role. Passwords are never shown.
pub(super) fn roles(source: &Source<'_>) -> Vec<Rows> {
    let mut authid = Rows::new(named("pg_authid"));
    let mut roles = Rows::new(named("pg_roles"));
    let mut users = Rows::new(named("pg_user"));
    let mut shadow = Rows::new(named("pg_shadow"));
    let mut groups = Rows::new(named("pg_group"));
    let mut members = Rows::new(named("pg_auth_members"));
    let hidden_password = || text("********");
    for Known { oid, name, kind } in known(source) {
        let (may_log_in, is_super) = match kind {
            Kind::Predefined => (false, false),
            Kind::User(role) => (true, role == Role::Admin),
        };
        let common = [
            ("oid", int(oid)),
            ("rolname", text(&name)),
            ("rolsuper", flag(is_super)),
            ("rolinherit", flag(true)),
            ("rolcreaterole", flag(is_super)),
            ("rolcreatedb", flag(is_super)),
            ("rolcanlogin", flag(may_log_in)),
            ("rolreplication", flag(is_super)),
            ("rolbypassrls", flag(is_super)),
            ("rolconnlimit", int(-1)),
        ];
        authid.push(common.clone());
        roles.push(common);
        roles.amend("rolpassword", hidden_password());
        let Kind::User(role) = kind else {
            groups.push([("groname", text(name)), ("grosysid", int(oid)), ("grolist", text("{}"))]);
            continue;
        };
        let user = [
            ("usename", text(name)),
            ("usesysid", int(oid)),
            ("usecreatedb", flag(is_super)),
            ("usesuper", flag(is_super)),
            ("userepl", flag(is_super)),
            ("usebypassrls", flag(is_super)),
        ];
        shadow.push(user.clone());
        users.push(user);
        users.amend("passwd", hidden_password());
        let groups_of: &[u32] = match role {
            Role::ReadOnly => &[READ_ALL_DATA],
            Role::ReadWrite => &[READ_ALL_DATA, WRITE_ALL_DATA],
            Role::Admin => &[],
        };
        for group in groups_of {
            members.push([("roleid", int(*group)), ("member", int(oid)), ("grantor", int(OWNER))]);
        }
    }
    vec![authid, roles, users, shadow, groups, members]
}
