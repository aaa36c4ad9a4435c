//! `corrosion reload`: makes the running agent apply its schema files again.

use server::admin::protocol::Request;
use server::config::{Flags, load};

use crate::admin_client;

pub(crate) fn run(flags: &Flags) -> anyhow::Result<()> {
    let config = load(flags)?;
    admin_client::send(&config.admin.path, &Request::Reload)
}
