//! What a session may do: its user's role and its listener's mode, checked for every statement before it runs (I11).
//!
//! Pure. PostgreSQL's grants have no counterpart: a role is all there is. Source for the texts: `src/backend/catalog/aclchk.c`.

use storage::{Ddl, Role, Schema, User};

use crate::error::{SqlError, sqlstate};
use crate::plan::{Access, Action, Plan};

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// In the list of users when the session began.
    Listed,
    /// Somebody whom a listener trusts under a name that is not in the list.
    Trusted,
}

/// What one session may do, as of the users it has last seen.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    standing: Standing,
    role: Role,
    mode: ListenerMode,
    as_of: u64,
}

/// What a listener lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerMode {
    ReadWrite,
    ReadOnly,
}

impl Rights {
    /// Of a session that begins. `user`: its entry in the list, if it has one; who has none was let in by trust alone, and
    /// a name that anybody can give restricts nobody.
    pub(crate) fn new(user: Option<&User>, mode: ListenerMode, schema_version: u64) -> Self {
        let (standing, role) = match user {
            Some(user) => (Standing::Listed, user.role),
            None => (Standing::Trusted, Role::Admin),
        };
        Self { standing, role, mode, as_of: schema_version }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn mode(&self) -> ListenerMode {
        self.mode
    }

    /// Whether the users may have changed since this was last brought up to date.
    pub(crate) fn is_older_than(&self, schema_version: u64) -> bool {
        self.as_of < schema_version
    }

    /// Follows a change of the users: a new role counts from the next statement on.
    ///
    /// # Errors
    /// 57P01 if the user is gone, which ends the session.
    pub(crate) fn refresh(&mut self, name: &str, schema: &Schema) -> Result<(), SqlError> {
        self.as_of = schema.version;
        match (schema.users.find(name), self.standing) {
            (Some(user), Standing::Listed | Standing::Trusted) => {
                self.standing = Standing::Listed;
                self.role = user.role;
                Ok(())
            }
            (None, Standing::Trusted) => Ok(()),
            (None, Standing::Listed) => {
                let text = format!("terminating connection because user \"{name}\" was removed");
                Err(SqlError::new(sqlstate::ADMIN_SHUTDOWN, text))
            }
        }
    }

    /// Whether the session may run a plan.
    ///
    /// # Errors
    /// 42501 by the role, 25006 by the listener.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), SqlError> {
        let denied = match &plan.action {
            Action::Sql(sql) => match sql.access {
                Access::Read => return Ok(()),
                Access::Write => denied_on("table", sql.target.as_deref().unwrap_or_default()),
            },
            Action::Ddl(ddl) => denied_ddl(ddl),
            Action::Utility(_) | Action::Refused(_) | Action::Empty => return Ok(()),
        };
        self.check_listener()?;
        if self.role.may_write() { Ok(()) } else { Err(denied) }
    }

    /// The last lock: nobody who may not write gets the writer, whatever the statement.
    ///
    /// # Errors
    /// 25006 by the listener, 42501 by the role.
    pub(crate) fn check_writer(&self) -> Result<(), SqlError> {
        self.check_listener()?;
        if self.role.may_write() {
            return Ok(());
        }
        let text = format!("permission denied: the role of this user is {}", self.role);
        Err(SqlError::new(sqlstate::INSUFFICIENT_PRIVILEGE, text))
    }

    fn check_listener(&self) -> Result<(), SqlError> {
        match self.mode {
            ListenerMode::ReadWrite => Ok(()),
            ListenerMode::ReadOnly => {
                Err(SqlError::new(sqlstate::READ_ONLY_TRANSACTION, "cannot write through a read-only listener"))
            }
        }
    }
}

fn denied_on(kind: &str, name: &str) -> SqlError {
    SqlError::new(sqlstate::INSUFFICIENT_PRIVILEGE, format!("permission denied for {kind} {name}"))
}

fn denied_ddl(ddl: &Ddl) -> SqlError {
    let owner_of = |kind: &str, names: &[String]| {
        let name = names.first().map_or("", String::as_str);
        SqlError::new(sqlstate::INSUFFICIENT_PRIVILEGE, format!("must be owner of {kind} {name}"))
    };
    match ddl {
        Ddl::CreateTable { .. } => denied_on("schema", "public"),
        Ddl::Truncate { names } => denied_on("table", names.first().map_or("", String::as_str)),
        Ddl::DropTable { names, .. } => owner_of("table", names),
        Ddl::DropIndex { names, .. } => owner_of("index", names),
        Ddl::AddColumn { table, .. }
        | Ddl::AddPrimaryKey { table, .. }
        | Ddl::SetDefault { table, .. }
        | Ddl::SetNotNull { table, .. }
        | Ddl::DropNotNull { table, .. }
        | Ddl::CreateIndex { table, .. } => owner_of("table", std::slice::from_ref(table)),
        Ddl::Several(changes) => match changes.first() {
            Some(first) => denied_ddl(first),
            None => denied_on("database", "corrosion"),
        },
        Ddl::Skipped(_) => denied_on("schema", "public"),
        Ddl::Analyze { tables } if !tables.is_empty() => denied_on("table", &tables[0]),
        Ddl::Vacuum | Ddl::Analyze { .. } => denied_on("database", "corrosion"),
    }
}
