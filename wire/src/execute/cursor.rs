//! SQL cursors: DECLARE opens a portal, FETCH and MOVE take rows from it.
//!
//! A cursor sees the data of its declaration: the query is started then, and its first rows are waited for. Rows are encoded as
//! they are produced, so a cursor has the one format it was declared with.

use std::sync::Arc;

use super::executor::{Executor, Failure, Job};
use super::run::{Execution, Progress, Source};
use crate::error::{SqlError, sqlstate};
use crate::plan::{Action, Cursor, Plan, Tag, Utility};
use crate::protocol::Format;
use crate::session::portal::{Portal, State};
use crate::session::statement::Prepared;
use crate::session::transaction::{Class, Command};

/// Rows that MOVE passes over at a time: a bound on what it keeps of them.
const MOVE_STEP: usize = 1_000;

/// A FETCH or MOVE.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetch<'a> {
    pub name: &'a str,
    /// `None`: all.
    pub rows: Option<u64>,
    pub moves: bool,
}

impl Executor {
    /// DECLARE: plans the query and starts it.
    ///
    /// # Errors
    /// 25P01 outside of a block, 42P03 if the name is taken, and the query's.
    pub(super) async fn declare(&mut self, cursor: &Cursor, execution: &Execution<'_>) -> Result<Progress, Failure> {
        self.decide(&Command::Statement(Class::Session))?;
        if !cursor.hold && !self.tx.in_block() {
            let text = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(SqlError::new(sqlstate::NO_ACTIVE_TRANSACTION, text).into());
        }
        if self.portals.find(&cursor.name).is_ok() {
            let text = format!("cursor \"{}\" already exists", cursor.name);
            return Err(SqlError::new(sqlstate::DUPLICATE_CURSOR, text).into());
        }
        let schema = self.schema();
        let declared = execution.planned.plan.param_types.clone();
        let planned = self.plan(&cursor.text, &declared, &schema)?;
        let text = Arc::from(cursor.text.as_str());
        let statement = Arc::new(Prepared { text, declared, planned, schema_version: schema.version });
        let format = if cursor.binary { Format::Binary } else { Format::Text };
        let formats: Arc<[Format]> = vec![format; statement.planned.plan.columns.len()].into();
        let start = Execution {
            planned: &statement.planned,
            source: Source::from(&*statement),
            params: execution.params,
            formats: formats.clone(),
            max_rows: Some(0),
            alone: false,
            job: execution.job,
        };
        let Progress::Suspended(mut rows) = Box::pin(self.run(start)).await? else {
            return Err(SqlError::new(sqlstate::INTERNAL_ERROR, "a cursor's query was not suspended").into());
        };
        if cursor.hold {
            let kept = rows.keep_whole(self.buffered_result_size_max).await;
            kept.map_err(|error| self.stream_failure(error))?;
        }
        let portal = Portal {
            statement,
            statement_name: String::new(),
            params: Vec::new(),
            number: 0,
            hold: cursor.hold,
            formats,
            state: State::Suspended(rows),
        };
        self.portals.insert(&cursor.name, portal)?;
        Ok(Progress::Complete("DECLARE CURSOR".to_owned()))
    }

    /// FETCH and MOVE.
    ///
    /// # Errors
    /// 34000 for a cursor that does not exist, 0A000 for another format than the cursor's, and the query's.
    pub(super) async fn fetch_cursor(
        &mut self,
        fetch: Fetch<'_>,
        formats: &[Format],
        job: &Job,
    ) -> Result<Progress, Failure> {
        self.decide(&Command::Statement(Class::Session))?;
        let portal = self.portals.find(fetch.name).map_err(|_| undefined_cursor(fetch.name))?;
        if !fetch.moves && *portal.formats != *formats && !portal.is_binary() {
            return Err(SqlError::unsupported("a cursor is fetched in text format unless it is declared BINARY").into());
        }
        let before = std::mem::replace(&mut portal.state, State::Exhausted);
        let rows = match before {
            State::Ready => Some(self.start_portal(fetch.name, job).await?),
            State::Suspended(rows) => Some(rows),
            State::Exhausted => None,
            State::Completed => {
                let text = format!("portal \"{}\" cannot be run", fetch.name);
                return Err(SqlError::new(sqlstate::NOT_IN_PREREQUISITE_STATE, text).into());
            }
        };
        let (fetched, state) = match rows {
            Some(rows) => {
                self.slot.resume(&rows.interrupt);
                self.take_rows(rows, fetch, job).await?
            }
            None => (0, State::Exhausted),
        };
        if let Ok(portal) = self.portals.find(fetch.name) {
            portal.state = state;
        }
        let word = if fetch.moves { "MOVE" } else { "FETCH" };
        Ok(Progress::Complete(format!("{word} {fetched}")))
    }

    /// Starts the query of a portal that the protocol has bound and not executed.
    async fn start_portal(&mut self, name: &str, job: &Job) -> Result<Rows, Failure> {
        let portal = self.portals.find(name)?;
        let (statement, formats) = (portal.statement.clone(), portal.formats.clone());
        let params = std::mem::take(&mut portal.params);
        let start = Execution {
            planned: &statement.planned,
            source: Source::from(&*statement),
            params: &params,
            formats,
            max_rows: Some(0),
            alone: false,
            job,
        };
        match Box::pin(self.run(start)).await? {
            Progress::Suspended(rows) => Ok(rows),
            Progress::Complete(_) | Progress::Empty => {
                Err(SqlError::new(sqlstate::NOT_IN_PREREQUISITE_STATE, format!("portal \"{name}\" cannot be run"))
                    .into())
            }
        }
    }

    /// Takes rows from a running query: how many, and what it is then.
    async fn take_rows(&mut self, rows: Rows, fetch: Fetch<'_>, job: &Job) -> Result<(u64, State<Rows>), Failure> {
        let (mut rows, mut fetched) = (rows, 0_u64);
        loop {
            let left = fetch.rows.map_or(u64::MAX, |wanted| wanted - fetched);
            if left == 0 {
                return Ok((fetched, State::Suspended(rows)));
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(MOVE_STEP);
            let mark = self.outbox.buf.len();
            let progress = self.fetch(rows, Some(step), job, &Tag::Select).await?;
            if fetch.moves {
                self.outbox.buf.truncate(mark);
            } else {
                self.outbox.flush_full().await?;
            }
            match progress {
                Progress::Suspended(rest) => {
                    fetched += step as u64;
                    rows = rest;
                }
                Progress::Complete(tag) => return Ok((fetched + rows_in(&tag), State::Exhausted)),
                Progress::Empty => return Ok((fetched, State::Exhausted)),
            }
        }
    }

    /// For FETCH: the plan of the cursor's query, whose columns it returns.
    ///
    /// # Errors
    /// 34000 if there is no such cursor.
    pub(super) fn fetched_plan(&mut self, plan: &Plan) -> Result<Option<Arc<Plan>>, SqlError> {
        let Action::Utility(Utility::Fetch { name, moves: false, .. }) = &plan.action else { return Ok(None) };
        let portal = self.portals.find(name).map_err(|_| undefined_cursor(name))?;
        Ok(Some(portal.statement.planned.plan.clone()))
    }

    /// The formats in which a FETCH returns its rows where the client has not said: those of its cursor.
    pub(super) fn fetched_formats(&mut self, plan: &Plan) -> Option<Arc<[Format]>> {
        let Action::Utility(Utility::Fetch { name, .. }) = &plan.action else { return None };
        self.portals.find(name).ok().filter(|portal| portal.is_binary()).map(|portal| portal.formats.clone())
    }
}

type Rows = Box<super::stream::RowStream<'static>>;

/// The number in `SELECT n`.
fn rows_in(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

pub(super) fn undefined_cursor(name: &str) -> SqlError {
    SqlError::new(sqlstate::UNDEFINED_CURSOR, format!("cursor \"{name}\" does not exist"))
}
