//! `corrosion user`: the users of a node, over its admin socket, or in its file while it does not run.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use server::admin::protocol::Request;
use server::config::{Config, Flags, load};
use server::users::{UserCommand, UserLine, Verifier, run_on_file};

use crate::admin_client;
use crate::args::{PasswordArgs, User};
use crate::output;

/// Holds a new user's password where there is nobody to ask.
const PASSWORD_VARIABLE: &str = "CORROSION_PASSWORD";
/// Longest line read as a password, in bytes; longer ones are refused after that.
const LINE_LEN_MAX: u64 = 4_096;

pub(crate) fn run(flags: &Flags, command: &User) -> anyhow::Result<()> {
    let config = load(flags)?;
    let command = match command {
        User::Add { name, role, password } => {
            UserCommand::Add { name: name.clone(), role: role.clone(), verifier: verifier(password, name)? }
        }
        User::List => UserCommand::List,
        User::SetRole { name, role } => UserCommand::SetRole { name: name.clone(), role: role.clone() },
        User::SetPassword { name, password } => {
            UserCommand::SetPassword { name: name.clone(), verifier: verifier(password, name)? }
        }
        User::Remove { name } => UserCommand::Remove { name: name.clone() },
    };
    let is_list = command == UserCommand::List;
    let lines = if is_served(&config.admin.path) { over_socket(&config, command)? } else { on_file(&config, command)? };
    if is_list {
        print(&lines);
    }
    Ok(())
}

/// Whether a node answers there.
fn is_served(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

fn over_socket(config: &Config, command: UserCommand) -> anyhow::Result<Vec<UserLine>> {
    let answers = admin_client::ask(&config.admin.path, &Request::User(command))?;
    answers.into_iter().map(|answer| serde_json::from_value(answer).context("read the answer")).collect()
}

fn on_file(config: &Config, command: UserCommand) -> anyhow::Result<Vec<UserLine>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(run_on_file(config, command)).context("the node does not run; change its file")
}

fn print(lines: &[UserLine]) {
    let width = lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).max("name".len());
    output::line(&format!("{:width$}  {:10}  password", "name", "role"));
    for UserLine { name, role, password } in lines {
        output::line(&format!("{name:width$}  {role:10}  {}", if *password { "yes" } else { "no" }));
    }
}

/// The password's verifier: from the variable, from a person, or from the first line of standard input. Never an argument,
/// which other users of the machine can see.
fn verifier(args: &PasswordArgs, name: &str) -> anyhow::Result<Option<Verifier>> {
    if args.no_password {
        return Ok(None);
    }
    let password = match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) => password,
        Err(std::env::VarError::NotPresent) if std::io::stdin().is_terminal() => ask(name)?,
        Err(std::env::VarError::NotPresent) => line()?,
        Err(std::env::VarError::NotUnicode(_)) => bail!("{PASSWORD_VARIABLE} is not UTF-8"),
    };
    Ok(Some(Verifier::of(&password)?))
}

fn ask(name: &str) -> anyhow::Result<String> {
    let silent = Silence::begin().context("switch off the terminal's echo")?;
    output::prompt(&format!("Password for user {name}: "));
    let password = line()?;
    output::prompt("\nOnce more: ");
    let again = line()?;
    drop(silent);
    output::note("");
    ensure!(password == again, "the passwords differ");
    Ok(password)
}

fn line() -> anyhow::Result<String> {
    use std::io::Read;
    let mut line = String::new();
    let read = std::io::stdin().lock().take(LINE_LEN_MAX).read_line(&mut line);
    read.context("read the password from standard input")?;
    Ok(line.strip_suffix('\n').map_or(&*line, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned())
}

/// While it lives the terminal does not show what is typed.
struct Silence(rustix::termios::Termios);

impl Silence {
    fn begin() -> rustix::io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Err(error) = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.0)
        {
            output::note(&format!("the terminal's echo could not be switched on again ({error}): type `stty echo`"));
        }
    }
}
