//! Text to plan: lexer, cache, parser, binder, emitter in order.
//!
//! A plan is cached under the token skeleton of its text (literals replaced by their class), the parameter types, the
//! schema's version, the search path and the formats. On a hit only literals are converted. Literals whose value shaped
//! the plan (ordinals, type modifiers, setting names) are compared before an entry is used.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use storage::schema::model::Table;
use storage::{Schema, Value};

use crate::bind::{self, Binder};
use crate::emit::{self, LiteralUse};
use crate::error::SqlError;
use crate::ir;
use crate::plan::{
    Access, Action, Cursor, DuplicateProbe, Plan, Planned, ResultColumn, SessionValue, Slot, SqlAction, SqlStep, Tag,
    Utility,
};
use crate::session::settings::Formats;
use crate::sql::ast::Statement;
use crate::sql::lexer::{self, Kind, Token};
use crate::sql::{literal, parse};
use crate::types::{Representation, oid, text};

/// Plans kept by one planner. When full, those not used for longest go. A plan costs a few KiB.
const PLANS_MAX: usize = 1_000;
/// Keys longer than this are planned each time: one-off scripts must not push out what repeats.
const KEY_BYTES_MAX: usize = 64 << 10;
/// Plans under one key that differ in the literals that shaped them. When full, the oldest goes.
const VARIANTS_MAX: usize = 8;

/// Literals of one statement: beyond it 54000. They are counted in 16 bits, and SQLite binds fewer values.
const LITERALS_MAX: usize = 65_000;

/// Declares that a text has no parameters, as in the simple protocol: `$n` is then 42P02.
pub const NO_PARAMETERS: &[u32] = &[u32::MAX];

/// What a statement is planned against.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    pub schema: &'a Schema,
    pub formats: &'a Formats,
    /// As the setting is written: names separated by commas.
    pub search_path: &'a str,
    pub user: &'a str,
    pub database: &'a str,
}

/// Plans statements; one for each worker thread.
#[derive(Debug, Default)]
pub struct Planner {
    plans: HashMap<Vec<u8>, Vec<Entry>>,
    count: usize,
    /// Counts uses; an entry remembers its last.
    clock: u64,
    schema_version: Option<u64>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    plan: Arc<Plan>,
    literals: Vec<LiteralUse>,
    /// Literals that must have the same text.
    pinned: Vec<(u16, String)>,
}

impl Planner {
    /// Splits a text at its semicolons. The whole text must be free of syntax errors, as in PostgreSQL's simple protocol.
    ///
    /// # Errors
    /// 42601 with its position in `text`; 0A000 for statements this server lacks.
    pub fn split(&mut self, text: &str) -> Result<Vec<Range<usize>>, SqlError> {
        let tokens = lexer::tokens(text).map_err(|error| in_characters(error, text))?;
        let ranges = lexer::statements(&tokens);
        if ranges.len() < 2 {
            return Ok(ranges);
        }
        for range in &ranges {
            let own: Vec<Token> = tokens
                .iter()
                .filter(|token| {
                    range.start <= token.start as usize && token.end as usize <= range.end && token.kind != Kind::End
                })
                .copied()
                .chain([Token { kind: Kind::End, start: range.end as u32, end: range.end as u32 }])
                .collect();
            // Statements that are known but not supported fail when their turn comes.
            match with_stack(own.len(), || parse::statement(text, &own).map(|_| ()))? {
                Err(error) if error.sqlstate == "42601" => return Err(in_characters(error, text)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(ranges)
    }

    /// Plans one statement. `declared` are the parameter types the client gave, 0 for those to infer.
    ///
    /// # Errors
    /// PostgreSQL's, with the position in characters of `text` from 1.
    pub fn plan(&mut self, text: &str, declared: &[u32], env: &Env<'_>) -> Result<Planned, SqlError> {
        self.plan_bytes(text, declared, env).map_err(|error| in_characters(error, text))
    }

    fn plan_bytes(&mut self, text: &str, declared: &[u32], env: &Env<'_>) -> Result<Planned, SqlError> {
        let tokens = lexer::tokens(text)?;
        let literals: Vec<Token> = tokens.iter().filter(|token| token.kind.is_literal()).copied().collect();
        if literals.len() > LITERALS_MAX {
            let error = SqlError::new("54000", "statement has too many literals");
            return Err(error.hint(format!("At most {LITERALS_MAX} are possible.")));
        }
        if self.schema_version != Some(env.schema.version) {
            self.plans.clear();
            self.count = 0;
            self.schema_version = Some(env.schema.version);
        }
        self.write_key(text, &tokens, declared, env);
        self.clock += 1;
        if let Some(planned) = self.cached(text, &literals, env)? {
            return Ok(planned);
        }
        let made = with_stack(tokens.len(), || make(text, &tokens, &literals, declared, env))??;
        let values = converted(text, &literals, &made.literals, env.formats)?;
        let plan = Arc::clone(&made.plan);
        if let Some(pinned) = made.pinned.filter(|_| self.key.len() <= KEY_BYTES_MAX) {
            self.keep(Entry { used: self.clock, plan: made.plan, literals: made.literals, pinned });
        }
        Ok(Planned { plan, literals: values })
    }

    fn write_key(&mut self, text: &str, tokens: &[Token], declared: &[u32], env: &Env<'_>) {
        self.key.clear();
        lexer::write_key(text, tokens, &mut self.key);
        for oid in declared {
            self.key.extend_from_slice(&oid.to_le_bytes());
        }
        self.key.push(0xff);
        let formats = env.formats;
        for part in [env.search_path, &formats.time_zone] {
            self.key.extend_from_slice(part.as_bytes());
            self.key.push(0);
        }
        self.key.push(formats.date_order as u8);
    }

    fn cached(&mut self, text: &str, literals: &[Token], env: &Env<'_>) -> Result<Option<Planned>, SqlError> {
        let Some(entries) = self.plans.get_mut(&self.key) else { return Ok(None) };
        for entry in entries {
            let mut fits = true;
            for (index, wanted) in &entry.pinned {
                let token = literals.get(usize::from(*index));
                fits &= match token {
                    Some(token) => literal::text(text, token)? == wanted.as_str(),
                    None => false,
                };
            }
            if fits {
                entry.used = self.clock;
                let values = converted(text, literals, &entry.literals, env.formats)?;
                return Ok(Some(Planned { plan: Arc::clone(&entry.plan), literals: values }));
            }
        }
        Ok(None)
    }

    fn keep(&mut self, entry: Entry) {
        if self.count >= PLANS_MAX {
            self.forget_old();
        }
        let variants = self.plans.entry(self.key.clone()).or_default();
        if variants.len() >= VARIANTS_MAX {
            variants.remove(0);
            self.count -= 1;
        }
        variants.push(entry);
        self.count += 1;
    }

    /// Drops the half that was not used for longest.
    #[expect(clippy::disallowed_methods, reason = "sorted and summed: the order cannot be seen")]
    fn forget_old(&mut self) {
        let mut uses: Vec<u64> = self.plans.values().flatten().map(|entry| entry.used).collect();
        uses.sort_unstable();
        let median = uses.get(uses.len() / 2).copied().unwrap_or(0);
        self.plans.retain(|_, entries| {
            entries.retain(|entry| entry.used >= median);
            !entries.is_empty()
        });
        self.count = self.plans.values().map(Vec::len).sum();
    }
}

/// Statements of up to this many tokens cannot nest deeply enough to need a stack of their own.
const SHALLOW_TOKENS_MAX: usize = 120;
/// Stack for others: the limits on nesting and chains times the largest frames, with room. Only touched pages cost memory.
const STACK_BYTES: usize = 256 << 20;

/// Runs `work`, which recurses over a tree of at most `tokens` tokens, where the stack suffices.
///
/// # Errors
/// 53000 if the system has no thread to give.
fn with_stack<T: Send>(tokens: usize, work: impl FnOnce() -> T + Send) -> Result<T, SqlError> {
    if tokens <= SHALLOW_TOKENS_MAX {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new().name("plan".into()).stack_size(STACK_BYTES).spawn_scoped(scope, work);
        let failed = |_| SqlError::new("53000", "could not plan the statement for lack of resources");
        spawned.map_err(failed)?.join().map_err(|_| SqlError::new("XX000", "planning failed"))
    })
}

struct Made {
    plan: Arc<Plan>,
    literals: Vec<LiteralUse>,
    /// `None`: not to be cached.
    pinned: Option<Vec<(u16, String)>>,
}

fn make(source: &str, tokens: &[Token], literals: &[Token], declared: &[u32], env: &Env<'_>) -> Result<Made, SqlError> {
    if tokens.first().is_none_or(|token| matches!(token.kind, Kind::End | Kind::Punct(b';'))) {
        let plan = Plan { action: Action::Empty, tag: Tag::Fixed(""), param_types: Vec::new(), columns: Vec::new() };
        return Ok(Made { plan: Arc::new(plan), literals: Vec::new(), pinned: None });
    }
    let (statement, lifted) = parse::statement(source, tokens)?;
    if let Statement::Utility(Utility::Declare(cursor), tag) = &statement {
        return declaration(cursor, tag, declared, env);
    }
    if let Some(plan) = unbound(&statement)? {
        return Ok(Made { plan: Arc::new(plan), literals: Vec::new(), pinned: None });
    }
    let text = bind::DdlText { source, literals };
    // PostgreSQL analyses statements that change the schema when they run: until then their mistakes wait.
    let ddl = match bind::bind_ddl(env, text, &statement) {
        Ok(None) => None,
        Ok(Some((ddl, tag))) => Some((Action::Ddl(ddl), tag)),
        Err(error) => Some((Action::Refused(Box::new(in_characters(error, source))), "")),
    };
    if let Some((action, tag)) = ddl {
        let plan = Plan { action, tag: Tag::Fixed(tag), param_types: Vec::new(), columns: Vec::new() };
        return Ok(Made { plan: Arc::new(plan), literals: Vec::new(), pinned: None });
    }
    let bound = Binder::new(env, source, literals, declared).bind(&statement)?;
    let (written, emitted) = emit::sequence(&bound.steps, &bound.statement)?;
    let (access, tag) = match &bound.statement {
        ir::Statement::Query(_) if !written.is_empty() => (Access::Write, Tag::Select),
        ir::Statement::Query(_) => (Access::Read, Tag::Select),
        ir::Statement::Insert(_) => (Access::Write, Tag::Insert),
        ir::Statement::Update(_) => (Access::Write, Tag::Update),
        ir::Statement::Delete(_) => (Access::Write, Tag::Delete),
    };
    let mut parts = std::iter::once(&bound.statement).chain(bound.steps.iter().map(|step| &step.statement));
    let target = parts.find_map(written_table);
    let columns = bound.outputs.into_iter().map(|output| ResultColumn {
        name: output.name,
        type_oid: output.ty.oid,
        typmod: output.ty.typmod,
        table_oid: output.table_oid,
        attribute_number: output.attribute,
        representation: output.representation,
    });
    // Functions about catalog objects read it without naming a relation.
    let uses_catalog = bound.facts.uses_catalog || emitted.sql.contains("pg_catalog.");
    let duplicate_probe = match &bound.statement {
        // A volatile expression would give another key the second time.
        ir::Statement::Insert(insert) if !bound.facts.volatile => {
            emitted.duplicate_probe.map(|sql| DuplicateProbe { sql: sql.into(), key: key_columns(&insert.table) })
        }
        ir::Statement::Update(update) if !bound.facts.volatile => {
            emitted.duplicate_probe.map(|sql| DuplicateProbe { sql: sql.into(), key: key_columns(&update.table) })
        }
        ir::Statement::Query(_) | ir::Statement::Insert(_) | ir::Statement::Update(_) | ir::Statement::Delete(_) => {
            None
        }
    };
    let loose = |slot: &Slot| match slot {
        Slot::LooseParameter(index) => Some(*index),
        Slot::Parameter(_) | Slot::Literal(_) | Slot::Step(_) | Slot::Session(_) | Slot::Constant(_) => None,
    };
    let calls = |slots: &[Slot]| slots.contains(&Slot::Session(SessionValue::Calls));
    let calls_session = calls(&emitted.slots) || written.iter().any(|emitted| calls(&emitted.slots));
    let mut loose_params: BTreeSet<u16> = emitted.slots.iter().filter_map(loose).collect();
    let mut literal_uses = emitted.literals;
    let mut steps = Vec::with_capacity(written.len());
    for (emitted, step) in written.into_iter().zip(&bound.steps) {
        loose_params.extend(emitted.slots.iter().filter_map(loose));
        steps.push(in_sequence(emitted, step.width, &mut literal_uses));
    }
    let action = SqlAction {
        steps,
        loose_params,
        sql: emitted.sql.into(),
        slots: emitted.slots,
        access,
        target,
        uses_catalog,
        repeatable: access == Access::Read && !bound.facts.volatile,
        offload: false,
        row_lock: bound.facts.row_lock,
        calls_session,
        duplicate_probe,
    };
    let plan = Plan { action: Action::Sql(action), tag, param_types: bound.parameters, columns: columns.collect() };
    // Literals that no expression took over are part of the statement's shape.
    let lifted: BTreeSet<u16> = lifted.into_iter().collect();
    let mut pinned = Vec::new();
    for (index, token) in literals.iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        if bound.pinned.contains(&index) || !lifted.contains(&index) {
            pinned.push((index, literal::text(source, token)?.into_owned()));
        }
    }
    Ok(Made { plan: Arc::new(plan), literals: literal_uses, pinned: Some(pinned) })
}

/// A step of a plan; its literals follow those that are there.
fn in_sequence(emitted: emit::Emitted, width: usize, literals: &mut Vec<LiteralUse>) -> SqlStep {
    // No statement has more than LITERALS_MAX uses in all: SQLite binds fewer values, and steps are few.
    let offset = u16::try_from(literals.len()).unwrap_or(u16::MAX);
    let moved = |slot: Slot| match slot {
        Slot::Literal(index) => Slot::Literal(index.saturating_add(offset)),
        other @ (Slot::Parameter(_)
        | Slot::LooseParameter(_)
        | Slot::Step(_)
        | Slot::Session(_)
        | Slot::Constant(_)) => other,
    };
    literals.extend(emitted.literals);
    let uses_catalog = emitted.sql.contains("pg_catalog.");
    SqlStep { sql: emitted.sql.into(), slots: emitted.slots.into_iter().map(moved).collect(), uses_catalog, width }
}

fn written_table(statement: &ir::Statement) -> Option<String> {
    match statement {
        ir::Statement::Query(_) => None,
        ir::Statement::Insert(insert) => Some(insert.table.name.clone()),
        ir::Statement::Update(update) => Some(update.table.name.clone()),
        ir::Statement::Delete(delete) => Some(delete.table.name.clone()),
    }
}

fn key_columns(table: &Table) -> Vec<(String, u32)> {
    let column = |index: &usize| {
        table.columns.get(*index).map(|column| (column.name.clone(), crate::catalog::reported_type(column).oid))
    };
    table.primary_key.iter().filter_map(column).collect()
}

/// DECLARE has the parameters of its query. The query itself is planned when the cursor is opened.
fn declaration(cursor: &Cursor, tag: &'static str, declared: &[u32], env: &Env<'_>) -> Result<Made, SqlError> {
    let shifted = |mut error: SqlError| {
        error.position = error.position.map(|position| position + cursor.at);
        error
    };
    let tokens = lexer::tokens(&cursor.text).map_err(shifted)?;
    let literals: Vec<Token> = tokens.iter().filter(|token| token.kind.is_literal()).copied().collect();
    let query = make(&cursor.text, &tokens, &literals, declared, env).map_err(shifted)?;
    let reads = match &query.plan.action {
        Action::Sql(sql) => sql.access == Access::Read,
        Action::Ddl(_) | Action::Utility(_) | Action::Refused(_) | Action::Empty => false,
    };
    if !reads {
        let text = "DECLARE CURSOR must not contain data-modifying statements in WITH";
        return Err(SqlError::unsupported(text).at(cursor.at));
    }
    let plan = Plan {
        action: Action::Utility(Utility::Declare(cursor.clone())),
        tag: Tag::Fixed(tag),
        param_types: query.plan.param_types.clone(),
        columns: Vec::new(),
    };
    Ok(Made { plan: Arc::new(plan), literals: Vec::new(), pinned: None })
}

/// Statements that need no schema.
fn unbound(statement: &Statement) -> Result<Option<Plan>, SqlError> {
    let plan = |action, tag, columns| Ok(Some(Plan { action, tag: Tag::Fixed(tag), param_types: Vec::new(), columns }));
    if let Statement::Utility(utility, tag) = statement {
        let columns = if let Utility::Show(name) = utility {
            vec![text_column(shown_name(name))]
        } else if *utility == Utility::ShowAll {
            ["name", "setting", "description"].map(text_column).to_vec()
        } else {
            Vec::new()
        };
        return plan(Action::Utility(utility.clone()), tag, columns);
    }
    if let Statement::Prepare { name, types, text } = statement {
        let mut resolved = Vec::with_capacity(types.len());
        for name in types {
            resolved.push(bind::resolve_type(name)?.oid);
        }
        let prepare = Utility::Prepare { name: name.clone(), types: resolved, text: text.clone() };
        return plan(Action::Utility(prepare), "PREPARE", Vec::new());
    }
    Ok(None)
}

/// The result column of SHOW has the setting's canonical spelling.
fn shown_name(name: &str) -> &str {
    match name {
        "timezone" => "TimeZone",
        "datestyle" => "DateStyle",
        "intervalstyle" => "IntervalStyle",
        other => other,
    }
}

fn text_column(name: &str) -> ResultColumn {
    ResultColumn {
        name: name.to_owned(),
        type_oid: oid::TEXT,
        typmod: -1,
        table_oid: 0,
        attribute_number: 0,
        representation: Representation::Typed,
    }
}

/// Reads the literals of this text as the types the plan wants.
fn converted(source: &str, literals: &[Token], uses: &[LiteralUse], formats: &Formats) -> Result<Vec<Value>, SqlError> {
    let mut values = Vec::with_capacity(uses.len());
    for used in uses {
        let raw = bind::literal_text(source, literals, used.literal)?;
        let at = literals.get(usize::from(used.literal.index)).map_or(0, |token| token.start);
        let value =
            if used.loose { crate::types::bytea_or_text(&raw) } else { text::decode(used.type_oid, &raw, formats) };
        values.push(value.map_err(|error| error.at(at))?);
    }
    Ok(values)
}

/// Turns a byte offset from 0 into PostgreSQL's position: characters from 1.
fn in_characters(mut error: SqlError, source: &str) -> SqlError {
    if let Some(offset) = error.position {
        let before = source.get(..offset as usize).unwrap_or(source);
        error.position = u32::try_from(before.chars().count() + 1).ok();
    }
    error
}

#[cfg(test)]
mod tests;
