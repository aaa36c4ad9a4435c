//! The users of this node: names, roles and what proves a password. Kept in the node's file, never replicated.
//!
//! `__corro_users` has a row for each user, `__corro_secrets` what the node alone knows. The whole list is part of the
//! published [`Schema`](crate::schema::model::Schema), so that front ends read it without a statement, and changes through
//! the writer in a transaction of its own. No statement of a client can read or write the two tables (`engine::authorizer`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{ExecuteError, UserError};

/// Users of one node; one more is refused. All of them are kept in memory, at some 300 bytes each.
pub const USERS_MAX: usize = 10_000;
/// Longest name in bytes, PostgreSQL's limit for identifiers.
pub const USER_NAME_BYTES_MAX: usize = 63;
/// Longest verifier in bytes; those of SCRAM-SHA-256 have about 130.
pub const VERIFIER_BYTES_MAX: usize = 1_024;

/// Names that mean something else where PostgreSQL takes a role.
const NAMES_TAKEN: [&str; 6] = ["public", "none", "current_role", "current_user", "session_user", "pg_database_owner"];

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads everything, changes nothing.
    ReadOnly,
    /// Reads and writes data, and changes the schema.
    ReadWrite,
    /// As [`Self::ReadWrite`]; also administers the node, and gets in when all other places are taken.
    Admin,
}

impl Role {
    /// All roles, weakest first.
    pub const ALL: [Self; 3] = [Self::ReadOnly, Self::ReadWrite, Self::Admin];

    /// As written in the file, in commands and in documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
            Self::Admin => "admin",
        }
    }

    /// Whether it may change anything.
    pub fn may_write(self) -> bool {
        match self {
            Self::ReadOnly => false,
            Self::ReadWrite | Self::Admin => true,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role \"{0}\" does not exist: it is read-only, read-write or admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// One user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub role: Role,
    /// What a password is checked against, in the form that the front end wrote; `None`: no password is right.
    pub verifier: Option<String>,
}

impl fmt::Debug for User {
    /// Never shows the verifier: who has it can guess the password at leisure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("role", &self.role).field("has_password", &self.verifier.is_some()).finish()
    }
}

/// All users at one moment.
#[derive(Clone, Default)]
pub struct Users {
    by_name: BTreeMap<String, User>,
    secret: Vec<u8>,
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.by_name).finish()
    }
}

impl Users {
    /// The user of exactly that name.
    pub fn find(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// All users in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &User)> {
        self.by_name.iter().map(|(name, user)| (name.as_str(), user))
    }

    /// Random bytes that this node drew once and keeps: what it answers for users that do not exist is made from them, so
    /// that it is the same every time and nobody else can tell it from the truth.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }
}

/// A change of the users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    Add {
        name: String,
        user: User,
    },
    SetRole {
        name: String,
        role: Role,
    },
    /// `None` takes the password away.
    SetVerifier {
        name: String,
        verifier: Option<String>,
    },
    Remove {
        name: String,
    },
}

/// Reads the users. A file without the tables, which is not a node's, has none.
pub(crate) fn load(conn: &Connection) -> Result<Users, ExecuteError> {
    let made = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = '__corro_secrets'";
    if conn.query_row(made, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Users::default());
    }
    let secret: Option<Vec<u8>> = conn
        .query_row("SELECT value FROM main.__corro_secrets WHERE name = 'authentication'", [], |row| row.get(0))
        .optional()?;
    let mut users = Users { by_name: BTreeMap::new(), secret: secret.unwrap_or_default() };
    let mut statement = conn.prepare("SELECT name, role, verifier FROM main.__corro_users")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let role: String = row.get(1)?;
        // A role of a later version gives the least that there is.
        let role = role.parse().unwrap_or(Role::ReadOnly);
        users.by_name.insert(row.get(0)?, User { role, verifier: row.get(2)? });
    }
    Ok(users)
}

/// Makes a change in the open transaction, and returns the users after it.
pub(crate) fn change(conn: &Connection, users: &Users, change: &UserChange) -> Result<Users, UserError> {
    let mut after = users.clone();
    match change {
        UserChange::Add { name, user } => {
            check_name(name)?;
            check_verifier(user.verifier.as_deref())?;
            if users.by_name.contains_key(name) {
                return Err(UserError::Exists(name.clone()));
            }
            if users.by_name.len() >= USERS_MAX {
                return Err(UserError::TooMany);
            }
            after.by_name.insert(name.clone(), user.clone());
            let sql = "INSERT INTO main.__corro_users (name, role, verifier) VALUES (?1, ?2, ?3)";
            conn.execute(sql, params![name, user.role.as_str(), user.verifier])?;
        }
        UserChange::SetRole { name, role } => {
            existing(&mut after, name)?.role = *role;
            conn.execute("UPDATE main.__corro_users SET role = ?2 WHERE name = ?1", params![name, role.as_str()])?;
        }
        UserChange::SetVerifier { name, verifier } => {
            check_verifier(verifier.as_deref())?;
            existing(&mut after, name)?.verifier.clone_from(verifier);
            conn.execute("UPDATE main.__corro_users SET verifier = ?2 WHERE name = ?1", params![name, verifier])?;
        }
        UserChange::Remove { name } => {
            existing(&mut after, name)?;
            after.by_name.remove(name);
            conn.execute("DELETE FROM main.__corro_users WHERE name = ?1", [name])?;
        }
    }
    Ok(after)
}

fn existing<'a>(users: &'a mut Users, name: &str) -> Result<&'a mut User, UserError> {
    users.by_name.get_mut(name).ok_or_else(|| UserError::Unknown(name.to_owned()))
}

fn check_name(name: &str) -> Result<(), UserError> {
    let reason = if name.is_empty() {
        "a name has at least one character"
    } else if name.len() > USER_NAME_BYTES_MAX {
        "a name has at most 63 bytes"
    } else if name.chars().any(char::is_control) {
        "a name has no control characters"
    } else if name.starts_with("pg_") {
        "names that begin with pg_ are PostgreSQL's own"
    } else if NAMES_TAKEN.contains(&name) {
        "the name has a meaning of its own where PostgreSQL takes a role"
    } else {
        return Ok(());
    };
    Err(UserError::BadName { name: name.to_owned(), reason })
}

fn check_verifier(verifier: Option<&str>) -> Result<(), UserError> {
    match verifier {
        Some(text) if text.len() > VERIFIER_BYTES_MAX => Err(UserError::LongVerifier),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn engine() -> Engine {
        Engine::memory(1).expect("engine")
    }

    fn user(role: Role) -> User {
        User { role, verifier: Some("v".to_owned()) }
    }

    fn add(name: &str, role: Role) -> UserChange {
        UserChange::Add { name: name.to_owned(), user: user(role) }
    }

    /// Makes the changes one after the other, and checks after each that what is told is what the file has.
    fn after(changes: &[UserChange]) -> Result<String, UserError> {
        let engine = engine();
        let conn = engine.connection();
        let mut users = load(conn)?;
        for one in changes {
            users = change(conn, &users, one)?;
            let stored = load(conn)?;
            assert_eq!((&stored.by_name, &stored.secret), (&users.by_name, &users.secret));
        }
        Ok(users.iter().map(|(name, user)| format!("{name}:{}", user.role)).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn users_are_added_changed_and_removed() {
        let changes = [
            add("bob", Role::ReadOnly),
            add("Ann", Role::Admin),
            add("bob's \"friend\"", Role::ReadWrite),
            UserChange::SetRole { name: "bob".into(), role: Role::ReadWrite },
            UserChange::SetVerifier { name: "bob".into(), verifier: None },
            UserChange::Remove { name: "Ann".into() },
        ];
        assert_eq!(after(&changes).expect("changes"), "bob:read-write bob's \"friend\":read-write");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |changes: &[UserChange]| after(changes).expect_err("refused").to_string();
        assert_eq!(refused(&[add("a", Role::Admin), add("a", Role::Admin)]), "user \"a\" exists already");
        assert_eq!(refused(&[UserChange::Remove { name: "a".into() }]), "user \"a\" does not exist");
        for name in ["", "pg_x", "public", "none", "a\nb", &"x".repeat(64)] {
            assert!(matches!(after(&[add(name, Role::Admin)]), Err(UserError::BadName { .. })), "{name:?}");
        }
        assert!(after(&[add(&"é".repeat(31), Role::Admin)]).is_ok());
    }

    #[test]
    fn neither_a_verifier_nor_the_secret_is_ever_printed() {
        let users = Users { by_name: [("a".to_owned(), user(Role::Admin))].into(), secret: vec![77] };
        let printed = format!("{users:?}");
        assert!(printed.contains("has_password: true") && !printed.contains("\"v\"") && !printed.contains("77"));
    }

    #[test]
    fn each_node_draws_its_own_secret() {
        let secret = |seed| load(Engine::memory(seed).expect("engine").connection()).expect("load").secret().to_vec();
        let [one, other] = [secret(1), secret(2)];
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
    }
}
