//! A worker thread's own read connection: autocommit reads run here, inline, under a time budget.

use std::sync::Arc;
use std::time::Duration;

use super::connection::{ReadConnection, watch_closing};
use super::run;
use super::shared::Shared;
use crate::error::{ExecuteError, OpenError};
use crate::store::{Flow, Interrupt, Limits, Outcome, Row, SinkStop, Statement};

/// One read connection with its statement cache. Not `Send`: it stays on the thread that made it.
///
/// No statement stays open between calls, so that the connection never keeps an old snapshot. Drop it before
/// [`crate::Store::close`], so that closing leaves no WAL behind.
#[derive(Debug)]
pub struct InlineReader {
    connection: ReadConnection,
    shared: Arc<Shared>,
    _not_send: std::marker::PhantomData<*const ()>,
}

impl InlineReader {
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Self, OpenError> {
        let connection = ReadConnection::open(shared, watch_closing(shared))?;
        Ok(Self { connection, shared: Arc::clone(shared), _not_send: std::marker::PhantomData })
    }

    /// Runs a read to its end, giving each row to `on_row`.
    ///
    /// # Errors
    /// [`ExecuteError::BudgetExceeded`] after `budget`, also when rows were already produced: discard them and run the
    /// statement on the pool ([`crate::Store::read`]). Bringing the catalog up to date is not part of the budget.
    pub fn run(
        &mut self,
        statement: &Statement,
        budget: Duration,
        interrupt: &Interrupt,
        on_row: &mut dyn FnMut(&Row<'_>) -> Result<Flow, SinkStop>,
    ) -> Result<Outcome, ExecuteError> {
        if self.shared.is_closing() {
            return Err(ExecuteError::Closed);
        }
        if statement.uses_catalog {
            self.connection.refresh_catalog(&self.shared.options.on_schema, &self.shared.schema())?;
        }
        let limits = Limits { deadline: None, interrupt: interrupt.clone() };
        self.connection.gate.arm_budget(&limits, budget)?;
        run::run(&self.connection.conn, &self.connection.gate, statement, on_row)
    }
}
