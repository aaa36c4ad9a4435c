//! The listening sessions of one worker, and the notifications that wait for each.
//!
//! A session that is busy, inside a transaction, or whose client does not read, leaves its notifications in its mailbox, up to a
//! limit. Past it the mailbox is emptied and its session ends with 53400: it cannot be told what it missed, and must not go on as
//! if it had missed nothing.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Notification;
use super::hub::{Arrived, Hub, Inbox};
use super::pending::Action;
use crate::error::{SqlError, sqlstate};

/// Bytes of notifications that wait for one session. More: see the file's header.
const MAILBOX_BYTES_MAX: usize = 16 << 20;
/// Channels of one session: more are 53400.
pub(crate) const CHANNELS_MAX: usize = 10_000;

/// Mailboxes by channel and process id.
type ByChannel = BTreeMap<Box<str>, BTreeMap<i32, Rc<Mailbox>>>;

/// The listeners of one worker.
#[derive(Debug)]
pub(crate) struct Listeners {
    hub: Arc<Hub>,
    worker: usize,
    inbox: Arc<Inbox>,
    by_channel: RefCell<ByChannel>,
}

impl Listeners {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        let (worker, inbox) = hub.join();
        Self { hub, worker, inbox, by_channel: RefCell::default() }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Waits until there is something to deliver. Dropping it loses nothing.
    pub(crate) async fn arrived(&self) {
        self.inbox.arrived().await;
    }

    /// Puts what arrived into the mailboxes it is for.
    pub(crate) fn deliver(&self) {
        let Arrived { batches, overrun } = self.inbox.take();
        let by_channel = self.by_channel.borrow();
        if overrun {
            by_channel.values().flat_map(BTreeMap::values).for_each(|mailbox| mailbox.overrun());
        }
        for notification in batches.iter().flat_map(|batch| batch.iter()) {
            for mailbox in by_channel.get(&notification.channel).into_iter().flat_map(BTreeMap::values) {
                mailbox.put(notification);
            }
        }
    }

    /// Carries out what a committed transaction of the session said.
    pub(crate) fn apply(&self, pid: i32, mailbox: &Rc<Mailbox>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Listen(channel) => {
                    if mailbox.channels.borrow_mut().insert(channel.clone()) {
                        self.hub.listen(self.worker, &channel);
                        self.by_channel.borrow_mut().entry(channel).or_default().insert(pid, Rc::clone(mailbox));
                    }
                }
                Action::Unlisten(channel) => {
                    if mailbox.channels.borrow_mut().remove(&channel) {
                        self.forget(pid, &channel);
                    }
                }
                Action::UnlistenAll => self.leave(pid, mailbox),
            }
        }
    }

    /// The session listens to nothing more.
    pub(crate) fn leave(&self, pid: i32, mailbox: &Mailbox) {
        for channel in mailbox.channels.take() {
            self.forget(pid, &channel);
        }
    }

    fn forget(&self, pid: i32, channel: &str) {
        self.hub.unlisten(self.worker, channel);
        let mut by_channel = self.by_channel.borrow_mut();
        if let Some(mailboxes) = by_channel.get_mut(channel) {
            mailboxes.remove(&pid);
            if mailboxes.is_empty() {
                by_channel.remove(channel);
            }
        }
    }
}

/// What waits for one session.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: RefCell<VecDeque<Arc<Notification>>>,
    bytes: Cell<usize>,
    overrun: Cell<bool>,
    channels: RefCell<BTreeSet<Box<str>>>,
    changed: Notify,
}

impl Mailbox {
    /// Waits until its session has something to do: to send what is in it, outside of a transaction, or to end because it
    /// overran. Dropping it loses nothing.
    pub(crate) async fn wanted(&self, is_idle: bool) {
        while (!is_idle || self.is_empty()) && !self.overrun.get() {
            self.changed.notified().await;
        }
    }

    /// Waits until notifications were lost.
    pub(crate) async fn overran(&self) {
        while !self.overrun.get() {
            self.changed.notified().await;
        }
    }

    fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }

    /// The oldest notification.
    pub(crate) fn next(&self) -> Option<Arc<Notification>> {
        let next = self.waiting.borrow_mut().pop_front()?;
        self.bytes.set(self.bytes.get().saturating_sub(next.size()));
        Some(next)
    }

    /// # Errors
    /// 53400 once notifications were lost: the session ends.
    pub(crate) fn check(&self) -> Result<(), SqlError> {
        if !self.overrun.get() {
            return Ok(());
        }
        let text = format!("more than {MAILBOX_BYTES_MAX} bytes of notifications were waiting for this session");
        Err(SqlError::new(sqlstate::LIMIT_EXCEEDED, text)
            .detail("Some of them are lost.")
            .hint("Listen in a session that reads, and that keeps its transactions short."))
    }

    /// The channels listened to, in order of their names.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.channels.borrow().iter().map(|channel| String::from(&**channel)).collect()
    }

    /// # Errors
    /// 53400 if one more would be too many.
    pub(crate) fn check_room(&self) -> Result<(), SqlError> {
        if self.channels.borrow().len() < CHANNELS_MAX {
            return Ok(());
        }
        let text = format!("a session may listen to at most {CHANNELS_MAX} channels");
        Err(SqlError::new(sqlstate::LIMIT_EXCEEDED, text))
    }

    fn put(&self, notification: &Arc<Notification>) {
        if self.overrun.get() {
            return;
        }
        let bytes = self.bytes.get() + notification.size();
        if bytes > MAILBOX_BYTES_MAX {
            self.overrun();
            return;
        }
        self.bytes.set(bytes);
        self.waiting.borrow_mut().push_back(Arc::clone(notification));
        self.changed.notify_one();
    }

    fn overrun(&self) {
        self.overrun.set(true);
        self.waiting.take();
        self.bytes.set(0);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(channel: &str) -> Vec<Action> {
        vec![Action::Listen(channel.into())]
    }

    async fn publish(hub: &Arc<Hub>, channel: &str, payload: &str) {
        let notification = Notification { channel: channel.into(), payload: payload.into(), pid: 9 };
        hub.ticket().publish(vec![Arc::new(notification)].into()).await;
    }

    fn drain(mailbox: &Mailbox) -> String {
        std::iter::from_fn(|| mailbox.next()).map(|n| n.payload.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test(flavor = "current_thread")]
    async fn each_session_gets_its_channels_until_it_leaves_them() {
        let hub = Arc::new(Hub::default());
        let listeners = Listeners::new(hub.clone());
        let (a, b) = (Rc::new(Mailbox::default()), Rc::new(Mailbox::default()));
        listeners.apply(1, &a, listen("x"));
        listeners.apply(1, &a, listen("x"));
        listeners.apply(2, &b, listen("y"));
        publish(&hub, "x", "1").await;
        publish(&hub, "y", "2").await;
        listeners.arrived().await;
        listeners.deliver();
        assert_eq!((drain(&a).as_str(), drain(&b).as_str()), ("1", "2"));
        listeners.apply(1, &a, vec![Action::Unlisten("x".into())]);
        listeners.apply(2, &b, vec![Action::UnlistenAll]);
        publish(&hub, "x", "3").await;
        publish(&hub, "y", "4").await;
        listeners.deliver();
        assert_eq!((drain(&a).as_str(), drain(&b).as_str()), ("", ""));
        assert!(listeners.by_channel.borrow().is_empty());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_mailbox_is_emptied_and_ends_its_session() {
        let hub = Arc::new(Hub::default());
        let listeners = Listeners::new(hub.clone());
        let mailbox = Rc::new(Mailbox::default());
        listeners.apply(1, &mailbox, listen("x"));
        for _ in 0..20 {
            publish(&hub, "x", &"y".repeat(1 << 20)).await;
            listeners.deliver();
        }
        mailbox.overran().await;
        assert_eq!(mailbox.check().expect_err("overran").sqlstate, "53400");
        assert!(mailbox.is_empty());
    }
}
