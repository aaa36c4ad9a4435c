//! Run-time settings of a session (PostgreSQL's GUCs), and the part of them that binding and encoding read.
//!
//! Pure. `SET` takes effect at once and is undone by rollback, also to a savepoint; `SET LOCAL` ends with the transaction.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::guc::{self, Kind, PARAMETERS, Parameter};
use crate::error::{SqlError, sqlstate};
use crate::plan::Isolation;

/// Most parameters of the user's own (`myapp.name`) in one session: more are 53400.
pub const CUSTOM_PARAMETERS_MAX: usize = 256;
/// Longest value of a parameter in bytes: more is 22023.
pub const VALUE_LEN_MAX: usize = 64 * 1024;

/// Settings that change what a text means or how a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formats {
    /// IANA name or fixed offset.
    pub time_zone: String,
    /// `ISO, MDY`: only the order part changes how input is read.
    pub date_order: DateOrder,
    pub extra_float_digits: i32,
    pub bytea_output: ByteaOutput,
}

impl Default for Formats {
    fn default() -> Self {
        Self {
            time_zone: "UTC".into(),
            date_order: DateOrder::Mdy,
            extra_float_digits: 1,
            bytea_output: ByteaOutput::Hex,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    Mdy,
    Dmy,
    Ymd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteaOutput {
    Hex,
    Escape,
}

/// Values that differ from the defaults. Shared with the snapshots that rollback returns to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Values {
    session: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
}

/// The settings of one session. Transaction calls come in this order: [`Self::begin`], any of [`Self::savepoint`],
/// [`Self::rollback_to`], [`Self::release`], then [`Self::commit`] or [`Self::rollback`].
#[derive(Debug, Clone)]
pub struct Settings {
    values: Arc<Values>,
    /// What RESET returns to where it differs from the table: values of the start-up packet, and the session's own facts.
    base: Arc<BTreeMap<&'static str, String>>,
    /// The values at the transaction's start, then at each of its savepoints.
    saved: Vec<Arc<Values>>,
    formats: Arc<Formats>,
    timeouts: Timeouts,
    /// What the client was last told, in the order of [`PARAMETERS`].
    told: Vec<(&'static str, String)>,
    /// The values may differ from `told`.
    untold: bool,
}

/// The session's timeouts; None: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    pub statement: Option<Duration>,
    pub lock: Option<Duration>,
    pub idle_in_transaction: Option<Duration>,
    pub idle: Option<Duration>,
}

impl Settings {
    /// A session's settings at its start.
    ///
    /// # Errors
    /// As [`Self::set`], for the pairs of the start-up packet.
    pub fn new(user: &str, startup: &[(String, String)]) -> Result<Self, SqlError> {
        let mut settings = Self {
            values: Arc::default(),
            base: Arc::default(),
            saved: Vec::new(),
            formats: Arc::default(),
            timeouts: Timeouts::default(),
            told: Vec::new(),
            untold: true,
        };
        let mut base = BTreeMap::from([("session_authorization", user.to_owned())]);
        for (name, value) in startup {
            match guc::find(name) {
                Some(parameter) => {
                    let current = base.get(parameter.name).map_or(parameter.default, String::as_str);
                    let value = checked(parameter, value, current)?;
                    base.insert(parameter.name, value);
                }
                None => settings.set(name, Some(value))?,
            }
        }
        settings.base = Arc::new(base);
        settings.changed();
        Ok(settings)
    }

    /// Says what the server has found out about the session: the value that RESET returns to.
    pub(crate) fn set_fact(&mut self, name: &'static str, value: &str) {
        Arc::make_mut(&mut self.base).insert(name, value.to_owned());
        self.changed();
    }

    /// The value as SHOW writes it; None for a name that is no parameter.
    pub fn value(&self, name: &str) -> Option<&str> {
        let Some(parameter) = guc::find(name) else {
            let key = name.to_ascii_lowercase();
            return self.changed_value(&key);
        };
        self.changed_value(parameter.name).or_else(|| Some(self.reset_value(parameter)))
    }

    fn changed_value(&self, key: &str) -> Option<&str> {
        self.values.local.get(key).or_else(|| self.values.session.get(key)).map(String::as_str)
    }

    fn reset_value(&self, parameter: &Parameter) -> &str {
        self.base.get(parameter.name).map_or(parameter.default, String::as_str)
    }

    /// Every parameter with its value and description, as `SHOW ALL` lists them.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
        PARAMETERS.iter().map(|p| (p.name, self.value(p.name).unwrap_or(p.default), p.description))
    }

    /// `SET name = value`; None sets to the default.
    ///
    /// # Errors
    /// 42704 for an unknown name, 22023 for a value it does not take, 55P02 for what cannot be set, 53400 at a limit.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), SqlError> {
        let (key, value) = self.canonical(name, value)?;
        let values = Arc::make_mut(&mut self.values);
        values.local.remove(&key);
        match value {
            Some(value) => values.session.insert(key, value),
            None => values.session.remove(&key),
        };
        self.changed();
        Ok(())
    }

    /// `SET LOCAL`: until the end of the transaction. The caller sees to it that there is one.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_local(&mut self, name: &str, value: Option<&str>) -> Result<(), SqlError> {
        let (key, value) = self.canonical(name, value)?;
        let value = match value {
            Some(value) => value,
            None => guc::find(&key).map_or_else(String::new, |p| self.reset_value(p).to_owned()),
        };
        Arc::make_mut(&mut self.values).local.insert(key, value);
        self.changed();
        Ok(())
    }

    /// `RESET ALL`.
    pub fn reset_all(&mut self) {
        self.values = Arc::default();
        self.changed();
    }

    /// The map key of a name, and the checked value (None: default).
    fn canonical(&self, name: &str, value: Option<&str>) -> Result<(String, Option<String>), SqlError> {
        if let Some(parameter) = guc::find(name) {
            let value = match value {
                Some(value) => Some(checked(parameter, value, self.value(name).unwrap_or(parameter.default))?),
                None if parameter.kind == Kind::Internal => {
                    return Err(guc::check(parameter, "", "").err().unwrap_or_else(|| guc::unknown(name)));
                }
                None => None,
            };
            return Ok((parameter.name.to_owned(), value));
        }
        let key = name.to_ascii_lowercase();
        if !is_custom_name(&key) {
            return Err(guc::unknown(name));
        }
        let count = self.values.session.keys().chain(self.values.local.keys()).filter(|k| k.contains('.')).count();
        if count >= CUSTOM_PARAMETERS_MAX && self.changed_value(&key).is_none() {
            return Err(SqlError::new(
                sqlstate::LIMIT_EXCEEDED,
                format!("a session may have at most {CUSTOM_PARAMETERS_MAX} custom parameters"),
            ));
        }
        let value = value.unwrap_or_default();
        check_len(name, value)?;
        Ok((key, Some(value.to_owned())))
    }

    /// A transaction starts.
    pub fn begin(&mut self) {
        self.saved = vec![self.values.clone()];
    }

    /// A savepoint is made; they are counted by the caller from 0.
    pub fn savepoint(&mut self) {
        self.saved.push(self.values.clone());
    }

    /// Back to the savepoint of that number, which stays.
    pub fn rollback_to(&mut self, savepoint: usize) {
        if let Some(values) = self.saved.get(savepoint + 1).cloned() {
            self.saved.truncate(savepoint + 2);
            self.restore(values);
        }
    }

    /// Forgets the savepoint of that number and later ones.
    pub fn release(&mut self, savepoint: usize) {
        self.saved.truncate(savepoint + 1);
    }

    /// The transaction ended well: what `SET LOCAL` said is forgotten.
    pub fn commit(&mut self) {
        self.saved.clear();
        if !self.values.local.is_empty() {
            Arc::make_mut(&mut self.values).local.clear();
            self.changed();
        }
    }

    /// The transaction was undone, and its settings with it.
    pub fn rollback(&mut self) {
        let saved = std::mem::take(&mut self.saved);
        if let Some(values) = saved.into_iter().next() {
            self.restore(values);
        }
    }

    fn restore(&mut self, values: Arc<Values>) {
        if !Arc::ptr_eq(&self.values, &values) {
            self.values = values;
            self.changed();
        }
    }

    /// The settings that values are read and written with.
    pub fn formats(&self) -> &Arc<Formats> {
        &self.formats
    }

    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Isolation of transactions that do not name one.
    pub fn default_isolation(&self) -> Isolation {
        match self.value("default_transaction_isolation") {
            Some("serializable") => Isolation::Serializable,
            Some("repeatable read") => Isolation::RepeatableRead,
            Some(_) | None => Isolation::ReadCommitted,
        }
    }

    /// Whether transactions that do not say are READ ONLY.
    pub fn default_read_only(&self) -> bool {
        self.value("default_transaction_read_only") == Some("on")
    }

    /// What the client must be told: reported parameters whose value it does not know yet. Tells each change once.
    pub fn poll_reports(&mut self) -> Vec<(&'static str, String)> {
        if !std::mem::take(&mut self.untold) {
            return Vec::new();
        }
        let now: Vec<(&'static str, String)> = PARAMETERS
            .iter()
            .filter(|p| p.reported)
            .map(|p| (p.name, self.value(p.name).unwrap_or(p.default).to_owned()))
            .collect();
        let news = now.iter().filter(|pair| !self.told.contains(pair)).cloned().collect();
        self.told = now;
        news
    }

    fn changed(&mut self) {
        self.untold = true;
        let timeout = |name| {
            let ms = self.value(name).map_or(0, guc::milliseconds);
            (ms > 0).then(|| Duration::from_millis(ms))
        };
        self.timeouts = Timeouts {
            statement: timeout("statement_timeout"),
            lock: timeout("lock_timeout"),
            idle_in_transaction: timeout("idle_in_transaction_session_timeout"),
            idle: timeout("idle_session_timeout"),
        };
        let formats = Formats {
            time_zone: self.value("TimeZone").unwrap_or("UTC").to_owned(),
            date_order: match self.value("DateStyle") {
                Some("ISO, DMY") => DateOrder::Dmy,
                Some("ISO, YMD") => DateOrder::Ymd,
                Some(_) | None => DateOrder::Mdy,
            },
            extra_float_digits: self.value("extra_float_digits").and_then(|v| v.parse().ok()).unwrap_or(1),
            bytea_output: match self.value("bytea_output") {
                Some("escape") => ByteaOutput::Escape,
                Some(_) | None => ByteaOutput::Hex,
            },
        };
        if *self.formats != formats {
            self.formats = Arc::new(formats);
        }
    }
}

fn checked(parameter: &Parameter, value: &str, current: &str) -> Result<String, SqlError> {
    check_len(parameter.name, value)?;
    guc::check(parameter, value, current)
}

fn check_len(name: &str, value: &str) -> Result<(), SqlError> {
    if value.len() <= VALUE_LEN_MAX {
        return Ok(());
    }
    Err(SqlError::new(
        sqlstate::INVALID_PARAMETER_VALUE,
        format!("value of parameter \"{name}\" is longer than {VALUE_LEN_MAX} bytes"),
    ))
}

/// A name with a dot between identifiers: PostgreSQL keeps such values for extensions and applications.
fn is_custom_name(name: &str) -> bool {
    let identifier = |part: &str| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    };
    name.len() <= 128 && name.contains('.') && name.split('.').all(identifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new("ann", &[]).expect("defaults are good")
    }

    fn code(result: Result<(), SqlError>) -> String {
        result.expect_err("refused").sqlstate.into_owned()
    }

    #[test]
    fn start_up_values_are_what_reset_returns_to() {
        let mut settings =
            Settings::new("ann", &[("application_name".into(), "psql".into()), ("TIMEZONE".into(), "utc".into())])
                .expect("good");
        settings.set("application_name", Some("x")).expect("good");
        assert_eq!(settings.value("application_name"), Some("x"));
        settings.reset_all();
        assert_eq!(settings.value("application_name"), Some("psql"));
        assert_eq!(settings.value("session_authorization"), Some("ann"));
    }

    #[test]
    fn unknown_and_fixed_parameters_are_refused() {
        assert_eq!(code(settings().set("no_such", Some("1"))), "42704");
        assert_eq!(code(settings().set("server_version", Some("1"))), "55P02");
        assert_eq!(code(settings().set("server_version", None)), "55P02");
        assert!(Settings::new("a", &[("no_such".into(), "1".into())]).is_err());
    }

    #[test]
    fn custom_parameters_are_kept_and_bounded() {
        let mut settings = settings();
        settings.set("MyApp.User", Some("7")).expect("good");
        assert_eq!(settings.value("myapp.user"), Some("7"));
        assert_eq!(settings.value("myapp.other"), None);
        assert_eq!(code(settings.set("a..b", Some("1"))), "42704");
        for i in 0..CUSTOM_PARAMETERS_MAX - 1 {
            settings.set(&format!("a.p{i}"), Some("1")).expect("below the limit");
        }
        assert_eq!(code(settings.set("a.more", Some("1"))), "53400");
        settings.set("a.p0", Some("2")).expect("a known one may change at the limit");
        assert_eq!(code(settings.set("a.p0", Some(&"x".repeat(VALUE_LEN_MAX + 1)))), "22023");
    }

    #[test]
    fn set_is_undone_by_rollback_and_kept_by_commit() {
        let mut settings = settings();
        settings.begin();
        settings.set("DateStyle", Some("DMY")).expect("good");
        assert_eq!(settings.formats().date_order, DateOrder::Dmy);
        settings.rollback();
        assert_eq!(settings.value("datestyle"), Some("ISO, MDY"));
        assert_eq!(settings.formats().date_order, DateOrder::Mdy);
        settings.begin();
        settings.set("DateStyle", Some("DMY")).expect("good");
        settings.commit();
        assert_eq!(settings.value("datestyle"), Some("ISO, DMY"));
    }

    #[test]
    fn set_local_ends_with_the_transaction_and_set_after_it_stays() {
        let mut settings = settings();
        settings.set("extra_float_digits", Some("2")).expect("good");
        settings.begin();
        settings.set_local("extra_float_digits", Some("0")).expect("good");
        assert_eq!(settings.formats().extra_float_digits, 0);
        settings.commit();
        assert_eq!(settings.formats().extra_float_digits, 2);
        settings.begin();
        settings.set_local("extra_float_digits", Some("0")).expect("good");
        settings.set("extra_float_digits", Some("3")).expect("good");
        settings.commit();
        assert_eq!(settings.formats().extra_float_digits, 3);
    }

    #[test]
    fn rollback_to_a_savepoint_restores_what_held_there() {
        let mut settings = settings();
        settings.begin();
        settings.set("a.b", Some("1")).expect("good");
        settings.savepoint();
        settings.set("a.b", Some("2")).expect("good");
        settings.savepoint();
        settings.set("a.b", Some("3")).expect("good");
        settings.rollback_to(0);
        assert_eq!(settings.value("a.b"), Some("1"));
        settings.set("a.b", Some("4")).expect("good");
        settings.rollback_to(0);
        assert_eq!(settings.value("a.b"), Some("1"), "the savepoint stays usable");
        settings.release(0);
        settings.commit();
        assert_eq!(settings.value("a.b"), Some("1"));
    }

    #[test]
    fn the_client_is_told_each_change_once_and_of_rollback() {
        let mut settings = settings();
        assert_eq!(settings.poll_reports().len(), 13);
        assert_eq!(settings.poll_reports(), []);
        settings.begin();
        settings.set("application_name", Some("x")).expect("good");
        assert_eq!(settings.poll_reports(), [("application_name", "x".to_owned())]);
        settings.set("statement_timeout", Some("5s")).expect("good");
        assert_eq!(settings.poll_reports(), []);
        settings.rollback();
        assert_eq!(settings.poll_reports(), [("application_name", String::new())]);
        assert_eq!(settings.timeouts().statement, None);
    }
}
