//! The arguments of `corrosion`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use server::config::Flags;

/// A database server you reach with any PostgreSQL driver, replicated between nodes.
#[derive(Debug, Parser)]
#[command(name = "corrosion", version, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Configuration file, which must exist [default: /etc/corrosion/config.toml if it exists, else built-in defaults
    /// with everything below ./corrosion-data]
    #[arg(short, long, global = true, value_name = "CONFIG_PATH")]
    config: Option<PathBuf>,
    /// Address of the HTTP API; overrides api.addr
    #[arg(long, global = true)]
    api_addr: Option<SocketAddr>,
    /// Path of the database; overrides db.path
    #[arg(long, global = true)]
    db_path: Option<PathBuf>,
    /// Path of the administration socket; overrides admin.path
    #[arg(long, global = true)]
    admin_path: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Launches the agent
    Agent,
    /// Makes the running agent read its certificates and apply its schema files again
    Reload,
    /// Lists and changes the users who may connect to this node
    User {
        #[command(subcommand)]
        command: User,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Adds a user
    Add {
        name: String,
        /// What the user may do: read-only, read-write or admin
        #[arg(long, value_parser = ROLES)]
        role: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Lists the users
    List,
    /// Gives a user another role
    SetRole {
        name: String,
        #[arg(value_parser = ROLES)]
        role: String,
    },
    /// Gives a user another password
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Removes a user; its sessions end with their next statement
    Remove { name: String },
}

/// The password is asked for; without a terminal it is CORROSION_PASSWORD or the first line of standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct PasswordArgs {
    /// No password is right: the user needs a client certificate
    #[arg(long)]
    pub(crate) no_password: bool,
}

const ROLES: [&str; 3] = ["read-only", "read-write", "admin"];

impl Args {
    /// What the configuration is overridden with.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            api_addr: self.api_addr,
            db_path: self.db_path.clone(),
            admin_path: self.admin_path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn global_flags_are_taken_on_both_sides_of_the_command() {
        for line in [["corrosion", "-c", "x", "agent"], ["corrosion", "agent", "--config", "x"]] {
            let args = Args::try_parse_from(line).expect("valid");
            assert_eq!(args.flags().config, Some("x".into()));
        }
    }
}
