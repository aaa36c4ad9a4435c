//! What a listener asks of those who connect.

use std::net::IpAddr;
use std::sync::Arc;

use super::tls::{Demand, Tls, TlsError};
use super::waiting::Waiting;
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
    pub waiting: Arc<Waiting>,
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
            waiting: Waiting::new(config.limits.unauthenticated_max),
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
