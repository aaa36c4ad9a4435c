//! A worker thread's own read connection: autocommit reads run here, inline, under a time budget.

use std::time::Duration;

use crate::error::ExecuteError;
use crate::store::{Flow, Interrupt, Outcome, Row, SinkStop, Statement};

/// One read connection with its statement cache. Not `Send`: it stays on the thread that made it.
///
/// No statement stays open between calls, so that the connection never keeps an old snapshot.
#[derive(Debug)]
pub struct InlineReader {
    _not_send: std::marker::PhantomData<*const ()>,
}

impl InlineReader {
    /// Runs a read to its end, giving each row to `on_row`.
    ///
    /// # Errors
    /// [`ExecuteError::BudgetExceeded`] after `budget`, also when rows were already produced: discard them and run the
    /// statement on the pool ([`crate::Store::read`]).
    pub fn run(
        &mut self,
        _statement: &Statement,
        _budget: Duration,
        _interrupt: &Interrupt,
        _on_row: &mut dyn FnMut(&Row<'_>) -> Result<Flow, SinkStop>,
    ) -> Result<Outcome, ExecuteError> {
        Err(ExecuteError::Closed)
    }
}
