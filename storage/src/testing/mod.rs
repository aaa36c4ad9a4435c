//! For tests: a disk that crashes, running futures without a runtime, waiting for conditions.

mod disk;
mod vfs;

pub use disk::Fault;
pub use vfs::CrashVfs;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not within `patience`.
pub fn wait_until(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let until = now() + patience;
    while !condition() {
        assert!(now() < until, "waited {patience:?} for: {what}");
        std::thread::yield_now();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
fn now() -> Instant {
    Instant::now()
}
