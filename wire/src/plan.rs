//! A translated statement: what the session executes. Immutable and shared through the plan cache.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage::{Ddl, Value};

use crate::error::SqlError;
use crate::session::settings::Formats;
use crate::types::object_name::is_object_type;
use crate::types::{self, Representation, oid};

/// One translated statement.
#[derive(Debug, Clone)]
pub struct Plan {
    pub action: Action,
    /// How CommandComplete is formed.
    pub tag: Tag,
    /// ParameterDescription: the type of `$1`, `$2`, ..
    pub param_types: Vec<u32>,
    /// RowDescription; empty means NoData.
    pub columns: Vec<ResultColumn>,
}

impl Plan {
    /// Whether it has a RowDescription, which a SELECT without columns has, too.
    pub(crate) fn returns_rows(&self) -> bool {
        !self.columns.is_empty() || (self.tag == Tag::Select && matches!(self.action, Action::Sql(_)))
    }

    /// Reads a parameter's text into the storage form of its type.
    ///
    /// # Errors
    /// The type's.
    pub(crate) fn decode_text(&self, index: usize, text: &str, formats: &Formats) -> Result<Value, SqlError> {
        let type_oid = self.param_types.get(index).copied().unwrap_or(oid::UNKNOWN);
        let loose = match &self.action {
            Action::Sql(sql) => u16::try_from(index).is_ok_and(|index| sql.loose_params.contains(&index)),
            Action::Ddl(_) | Action::Utility(_) | Action::Refused(_) | Action::Empty => false,
        };
        if loose {
            return types::bytea_or_text(text);
        }
        match types::text::decode(type_oid, text, formats) {
            // A name, or nothing of the kind: the statement looks it up in the catalog.
            Err(_) if is_object_type(type_oid) => Ok(Value::Text(text.to_owned())),
            decoded => decoded,
        }
    }

    /// What a decoded parameter is where its type itself is wanted: one that a BLOB column takes as text may stand
    /// elsewhere in the statement too.
    ///
    /// # Errors
    /// 22P02 if the text is no bytea.
    pub(crate) fn typed(&self, index: usize, value: Value) -> Result<Value, SqlError> {
        match (self.param_types.get(index), value) {
            (Some(&oid::BYTEA), Value::Text(text)) => types::text::bytea(&text).map(Value::Blob),
            (_, value) => Ok(value),
        }
    }
}

/// What executing a plan does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Run SQLite text.
    Sql(SqlAction),
    /// Change the schema. CREATE TABLE AS is refused before it gets here.
    Ddl(Ddl),
    /// The session itself acts.
    Utility(Utility),
    /// A statement whose mistake PostgreSQL tells when it runs, not when it is parsed.
    Refused(Box<SqlError>),
    /// Nothing between the semicolons: EmptyQueryResponse.
    Empty,
}

#[derive(Debug, Clone)]
pub struct SqlAction {
    /// What runs before it in the same transaction: the tables of a WITH that writes.
    pub steps: Vec<SqlStep>,
    /// Given to storage as [`storage::Statement::sql`].
    pub sql: Arc<str>,
    /// What is bound to `?1`, `?2`, .. of `sql`.
    pub slots: Vec<Slot>,
    pub access: Access,
    /// The table that it writes, as declared; named when that is denied.
    pub target: Option<String>,
    /// Reads `pg_catalog` or `information_schema`.
    pub uses_catalog: bool,
    /// Safe to run twice: may run inline under a budget. False for volatile functions.
    pub repeatable: bool,
    /// Must run on the pool from the start (whole-table scans known to be long).
    pub offload: bool,
    /// `FOR UPDATE` and its like.
    pub row_lock: Option<RowLock>,
    /// Calls functions that act on the session: notifications, settings, advisory locks.
    pub calls_session: bool,
    /// The parameters that stand somewhere as [`Slot::LooseParameter`].
    pub loose_params: BTreeSet<u16>,
    /// For an INSERT: finds the key that is there already, for 23505's detail.
    pub duplicate_probe: Option<DuplicateProbe>,
}

/// A part of a statement whose rows the parts after it take.
#[derive(Debug, Clone)]
pub struct SqlStep {
    pub sql: Arc<str>,
    pub slots: Vec<Slot>,
    pub uses_catalog: bool,
    /// The columns of its rows; 0 if it gives none.
    pub width: usize,
}

/// Rows that a query reads are to stay as they are until the end of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowLock {
    /// The statement in 25006: `SELECT FOR UPDATE`, ..
    pub statement: &'static str,
    /// Not to wait for others.
    pub nowait: bool,
}

/// A read with the slots of its INSERT that yields the first key that the table has already; further columns mean nothing.
#[derive(Debug, Clone)]
pub struct DuplicateProbe {
    pub sql: Arc<str>,
    /// Name and type of the key's columns.
    pub key: Vec<(String, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Where a bound value comes from at execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Slot {
    /// `$n`, counted from 0, decoded to the storage form of its type.
    Parameter(u16),
    /// `$n` for a BLOB column of a schema file: a text that is not in hex format stays text.
    LooseParameter(u16),
    /// The n-th literal lifted from the text (see [`Planned::literals`]).
    Literal(u16),
    /// The rows of the n-th step, packed.
    Step(u16),
    /// A value of the session or transaction.
    Session(SessionValue),
    Constant(Value),
}

/// Session facts that functions like `now()` read; bound as parameters so that shared connections need no session state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionValue {
    /// `now()`: start of the transaction, timestamptz storage form.
    TransactionTimestamp,
    /// `statement_timestamp()`.
    StatementTimestamp,
    CurrentUser,
    SessionUser,
    CurrentDatabase,
    TimeZone,
    BackendPid,
    /// The number of the session's open calls, for functions that act on it.
    Calls,
    /// The channels listened to, an array of text.
    ListeningChannels,
    /// `current_setting(name)` and `SHOW`, as text; missing is NULL.
    Setting(String),
}

/// A cached plan with what this text adds to it.
#[derive(Debug, Clone)]
pub struct Planned {
    pub plan: Arc<Plan>,
    /// The values of lifted literals, in storage form.
    pub literals: Vec<Value>,
}

/// One column of a RowDescription and how its cells are encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    pub name: String,
    pub type_oid: u32,
    pub typmod: i32,
    /// 0 if the column is not a plain reference.
    pub table_oid: u32,
    pub attribute_number: i16,
    pub representation: Representation,
}

/// CommandComplete's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// `SELECT n`
    Select,
    /// `INSERT 0 n`
    Insert,
    /// `UPDATE n`
    Update,
    /// `DELETE n`
    Delete,
    /// As is: `CREATE TABLE`, `BEGIN`, ..
    Fixed(&'static str),
}

/// Statements that act on the session.
#[derive(Debug, Clone, PartialEq)]
pub enum Utility {
    Begin {
        isolation: Option<Isolation>,
        read_only: Option<bool>,
    },
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    /// SET TRANSACTION, or SET SESSION CHARACTERISTICS with `session`.
    SetTransaction {
        isolation: Option<Isolation>,
        read_only: Option<bool>,
        session: bool,
    },
    /// `None`: to the default.
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    Reset(Option<String>),
    Show(String),
    ShowAll,
    DiscardAll,
    Discard,
    /// `None`: all.
    Deallocate(Option<String>),
    /// Close a cursor; `None`: all.
    Close(Option<String>),
    /// `PREPARE name (types) AS text`.
    Prepare {
        name: String,
        types: Vec<u32>,
        text: String,
    },
    /// `EXECUTE name (args)`: argument texts as constants in text form.
    Execute {
        name: String,
        arguments: Vec<Option<String>>,
    },
    /// Open a cursor.
    Declare(Cursor),
    /// `None`: all rows. MOVE skips them.
    Fetch {
        name: String,
        rows: Option<u64>,
        moves: bool,
    },
    Listen(String),
    /// `None`: all channels.
    Unlisten(Option<String>),
    Notify {
        channel: String,
        payload: String,
    },
    /// Accepted without effect: CHECKPOINT, LOCK TABLE inside a transaction, ..
    NoOperation,
}

/// `DECLARE name CURSOR FOR text`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub name: String,
    pub binary: bool,
    /// It outlives its transaction.
    pub hold: bool,
    pub text: String,
    /// Where the query begins in the statement, in bytes.
    pub at: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}
