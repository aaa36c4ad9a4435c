//! What a listener asks of those who connect, and how many of them wait to be let in.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::tls::{Demand, Tls, TlsError};
use crate::auth::rights::ListenerMode;
use crate::config::{AddressRange, Auth, ListenerConfig, SessionLimits};

/// One listener's rules.
#[derive(Debug)]
pub(crate) struct Admission {
    pub auth: Auth,
    pub tls: Option<Tls>,
    pub demand: Demand,
    pub mode: ListenerMode,
    pub limits: SessionLimits,
    allow: Option<Vec<AddressRange>>,
    waiting: AtomicUsize,
}

impl Admission {
    /// Reads the files of its TLS.
    pub(crate) fn open(config: &ListenerConfig) -> Result<Self, TlsError> {
        let demand = if config.demands_certificate() { Demand::Certificate } else { Demand::Nothing };
        Ok(Self {
            auth: config.auth,
            tls: config.tls.as_ref().map(|files| Tls::open(files, demand)).transpose()?,
            demand,
            mode: if config.read_only { ListenerMode::ReadOnly } else { ListenerMode::ReadWrite },
            limits: config.limits,
            allow: config.allow.clone(),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Reads the files of its TLS again. After an error the old ones are served on.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.reload(self.demand))
    }

    /// Whether clients may come from an address.
    pub(crate) fn lets_in(&self, address: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(address)))
    }
}

/// A place among the connections that have not authenticated yet; given back when dropped.
#[derive(Debug)]
pub(crate) struct WaitingPlace(Arc<Admission>);

impl WaitingPlace {
    /// None: all are taken.
    pub(crate) fn take(admission: &Arc<Admission>) -> Option<Self> {
        let max = admission.limits.unauthenticated_max;
        let more = |waiting| (waiting < max).then_some(waiting + 1);
        let taken = admission.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Self(Arc::clone(admission)))
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
