//! How the tasks of a node are told to end, and how long they may take.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, warn};

/// Longest time that the helper tasks of a node (administration, metrics) have to end. Then they are dropped.
pub(crate) const TASK_DRAIN_MAX: Duration = Duration::from_secs(5);
/// Pause after a failed accept, so that running out of descriptors does not become a busy loop.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Tells tasks to end. Dropping it tells them too.
#[derive(Debug)]
pub(crate) struct ShutdownTrigger(watch::Sender<bool>);

/// A task's view of the same.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

impl ShutdownTrigger {
    pub(crate) fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    pub(crate) fn trigger(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Resolves when shutdown was asked for. Cancelling it leaves nothing behind.
    pub(crate) async fn requested(&mut self) {
        // An error means that the trigger is gone, which asks for the same.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

/// Waits a moment after a failed accept.
pub(crate) async fn pause_after_accept_error() {
    tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
}

/// Waits for tasks to end; what is left at the deadline is dropped.
pub(crate) async fn drain(tasks: &mut JoinSet<()>, deadline: Duration) {
    let drained = tokio::time::timeout(deadline, async {
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a task of the node failed");
            }
        }
    });
    if drained.await.is_err() {
        warn!(tasks = tasks.len(), "tasks did not end in time and are dropped");
        tasks.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trigger_and_its_loss_both_end_tasks() {
        let (trigger, mut shutdown) = ShutdownTrigger::new();
        trigger.trigger();
        shutdown.requested().await;
        let (trigger, mut shutdown) = ShutdownTrigger::new();
        drop(trigger);
        shutdown.requested().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_dropped_at_the_deadline() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        drain(&mut tasks, Duration::from_secs(1)).await;
        assert!(tasks.join_next().await.is_some_and(|ended| ended.is_err_and(|error| error.is_cancelled())));
    }
}
