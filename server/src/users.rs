//! The administration of users: one implementation for the running node and for its file at rest.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use storage::{OpenError, Role, Store, StoreOptions, User, UserChange, UserError};

use crate::config::Config;

/// What is asked for. Passwords come as verifiers: they do not leave the process that was told them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserCommand {
    /// `role`: see [`Role::as_str`]. Without a verifier no password is right; a client certificate may be.
    Add {
        name: String,
        role: String,
        verifier: Option<Verifier>,
    },
    List,
    SetRole {
        name: String,
        role: String,
    },
    SetPassword {
        name: String,
        verifier: Option<Verifier>,
    },
    Remove {
        name: String,
    },
}

/// The text that a password is checked against. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verifier(String);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// One line of the list of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLine {
    pub name: String,
    pub role: String,
    pub password: bool,
}

/// The command was not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum UserCommandError {
    #[error(transparent)]
    Role(#[from] storage::users::UnknownRole),
    #[error("what was sent for the password is no verifier of SCRAM-SHA-256")]
    NoVerifier,
    #[error(transparent)]
    Refused(#[from] UserError),
    /// The file is in use, for example by a node whose admin socket is elsewhere.
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("create the directory of {path}")]
    Directory {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Verifier {
    /// Of a password: takes some milliseconds.
    ///
    /// # Errors
    /// [`wire::auth::PasswordError`]
    pub fn of(password: &str) -> Result<Self, wire::auth::PasswordError> {
        wire::auth::verifier_of(password).map(Self)
    }

    fn checked(verifier: Option<Self>) -> Result<Option<String>, UserCommandError> {
        match verifier {
            Some(Self(text)) if wire::auth::is_verifier(&text) => Ok(Some(text)),
            Some(_) => Err(UserCommandError::NoVerifier),
            None => Ok(None),
        }
    }
}

/// Carries out a command; a list has lines, in the order of the names. Dropping the future does not undo it.
///
/// # Errors
/// [`UserCommandError`]
pub async fn run(store: &Store, command: UserCommand) -> Result<Vec<UserLine>, UserCommandError> {
    let change = match command {
        UserCommand::List => return Ok(list(store)),
        UserCommand::Add { name, role, verifier } => {
            let user = User { role: role.parse::<Role>()?, verifier: Verifier::checked(verifier)? };
            UserChange::Add { name, user }
        }
        UserCommand::SetRole { name, role } => UserChange::SetRole { name, role: role.parse()? },
        UserCommand::SetPassword { name, verifier } => {
            UserChange::SetVerifier { name, verifier: Verifier::checked(verifier)? }
        }
        UserCommand::Remove { name } => UserChange::Remove { name },
    };
    store.change_user(change).await?;
    Ok(Vec::new())
}

/// The same on the file of a node that does not run, made if it is not there yet: a node can have users before its first
/// start.
///
/// # Errors
/// [`UserCommandError`]
pub async fn run_on_file(config: &Config, command: UserCommand) -> Result<Vec<UserLine>, UserCommandError> {
    let path = config.db.path.clone();
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
        let failed = |source| UserCommandError::Directory { path: path.clone(), source };
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    // A short visit: defaults of the engine, no front end's functions, the fewest threads.
    let store = Store::open(StoreOptions {
        path,
        cache_size: -2_000,
        wal_size_max: config.perf.wal_size_max,
        lease_idle_max: Duration::from_secs(1),
        lease_held_max: Duration::from_secs(1),
        pool_threads: 1,
        on_open: Vec::new(),
        on_schema: Vec::new(),
    })?;
    let result = run(&store, command).await;
    store.close().await;
    result
}

fn list(store: &Store) -> Vec<UserLine> {
    let line = |(name, user): (&str, &User)| UserLine {
        name: name.to_owned(),
        role: user.role.to_string(),
        password: user.verifier.is_some(),
    };
    store.schema().users.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_sent_as_json_and_printed_without_its_secret() {
        let verifier = Some(Verifier("SCRAM-SHA-256$4096:x".to_owned()));
        let command = UserCommand::SetPassword { name: "ann".into(), verifier };
        let json = serde_json::to_string(&command).expect("JSON");
        assert_eq!(json, r#"{"SetPassword":{"name":"ann","verifier":"SCRAM-SHA-256$4096:x"}}"#);
        assert_eq!(serde_json::from_str::<UserCommand>(&json).expect("the same"), command);
        assert_eq!(format!("{command:?}"), r#"SetPassword { name: "ann", verifier: Some(Verifier(..)) }"#);
    }

    #[test]
    fn what_is_no_verifier_is_refused() {
        let given = |text: &str| Verifier::checked(Some(Verifier(text.to_owned())));
        assert!(matches!(given("secret"), Err(UserCommandError::NoVerifier)));
        let verifier = Verifier::of("secret").expect("a password");
        assert!(matches!(Verifier::checked(Some(verifier)), Ok(Some(_))));
    }
}
