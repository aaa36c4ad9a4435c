//! What expressions are made of: every operator, function and cast that PostgreSQL has over our types, read from its own
//! catalogue, and the constructs that have a grammar of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::values::TYPES;
use crate::psql::Server;
use crate::raw::{Answer, Client, Request};

/// A way to make a value of one type from values of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Production {
    /// The function's or operator's name.
    pub name: String,
    /// SQL around the holes: one piece more than holes.
    pub pieces: Vec<String>,
    /// The types of the holes.
    pub holes: Vec<String>,
    pub result: String,
}

impl Production {
    fn new(name: &str, template: &str, result: &str) -> Self {
        let (mut pieces, mut holes) = (Vec::new(), Vec::new());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("<<") {
            let (hole, after) = after.split_once(">>").expect("a hole is closed");
            pieces.push(before.to_owned());
            holes.push(hole.to_owned());
            rest = after;
        }
        pieces.push(rest.to_owned());
        Self { name: name.to_owned(), pieces, holes, result: result.to_owned() }
    }

    /// The SQL with these in the holes.
    pub fn filled<'a>(&'a self, children: impl IntoIterator<Item = &'a str>) -> String {
        let mut sql = self.pieces[0].clone();
        for (child, piece) in children.into_iter().zip(&self.pieces[1..]) {
            sql.push_str(child);
            sql.push_str(piece);
        }
        sql
    }

    /// How the list of refusals names it.
    pub fn signature(&self) -> String {
        self.filled(self.holes.iter().map(String::as_str))
    }
}

/// The productions that both servers have, and those that ours refuses.
#[derive(Debug, Default)]
pub struct Pool {
    pub productions: Vec<Production>,
    pub by_result: BTreeMap<String, Vec<usize>>,
    /// Signature and SQLSTATE of each refusal.
    pub refused: BTreeMap<String, String>,
    /// OIDs of the types by name.
    pub oids: BTreeMap<String, u32>,
}

/// A type's name as [`TYPES`] spells it.
const SPELLED: &str = "create function pg_temp.spelled(oid) returns text language sql as $$ select case \
    when typname = 'char' then '\"char\"' when typname = '_char' then '\"char\"[]' \
    when typname like '\\_%' then substr(typname, 2) || '[]' else typname::text end from pg_type where oid = $1 $$;\n";

const OPERATORS: &str = "select distinct concat_ws(chr(9), oprname, case when oprleft <> 0 then pg_temp.spelled(oprleft) end, \
    pg_temp.spelled(oprright), pg_temp.spelled(oprresult)) from pg_operator where oprkind in ('b', 'l') \
    and oprresult <> 0 and oprnamespace = 11 \
    and oprname not in ('~<~', '~<=~', '~>~', '~>=~', '*=', '*<>', '*<', '*>', '*<=', '*>=') order by 1;\n";

/// Functions of SQL's users: not those behind operators, casts, aggregates and indexes, nor what depends on the clock, on
/// the session or on this server's catalogue.
const FUNCTIONS: &str = "select distinct concat_ws(chr(9), proname, pg_temp.spelled(prorettype), \
    (select string_agg(pg_temp.spelled(a), chr(9) order by n) from unnest(proargtypes) with ordinality x(a, n))) from pg_proc f \
    where pronamespace = 11 and prokind = 'f' and not proretset and pronargs > 0 and provariadic = 0 and provolatile <> 'v' \
    and not (proname = 'age' and pronargs = 1) and proname !~ '^(pg_|has_|to_reg|current_|inet|txid|ts|hash|in_range|bt|gin|gist|spg|brin|uuid_hash|format_type|col_desc|obj_desc|shobj|row_sec|amval|satisfies|xml|postgresql_fdw|acldef|mxid|convert$|to_ascii|json_to_ts|jsonb_to_ts|array_to_ts|similar_|like_escape|parse_ident|unicode|icu)' \
    and proname !~ '(send|recv|_out|_in|out|_accum_inv|_sum|typmodin|typmodout|_support|_hash|_cmp|_canonical|subdiff|_larger|_smaller|_accum|_combine|_serialize|_deserialize|sortsupport|_skipsupport|sel)$' \
    and f.oid not in (select oprcode from pg_operator) and f.oid not in (select amproc from pg_amproc) \
    and f.oid not in (select castfunc from pg_cast) and f.oid not in (select aggtransfn from pg_aggregate) \
    and f.oid not in (select aggfinalfn from pg_aggregate) order by 1;\n";

const CASTS: &str = "select concat_ws(chr(9), pg_temp.spelled(castsource), pg_temp.spelled(casttarget)) from pg_cast \
    order by 1;\n";

/// Elements for which functions over any array are tried.
const ELEMENTS: [&str; 5] = ["int4", "text", "numeric", "float8", "jsonb"];

/// Constructs over any type; `T` is the type.
const ANY_TYPE: &[(&str, &str)] = &[
    ("(CASE WHEN <<bool>> THEN <<T>> ELSE <<T>> END)", "T"),
    ("(CASE <<T>> WHEN <<T>> THEN <<T>> END)", "T"),
    ("coalesce(<<T>>, <<T>>)", "T"),
    ("nullif(<<T>>, <<T>>)", "T"),
    ("greatest(<<T>>, <<T>>, <<T>>)", "T"),
    ("least(<<T>>, <<T>>)", "T"),
    ("(<<T>> IS NULL)", "bool"),
    ("(<<T>> IS DISTINCT FROM <<T>>)", "bool"),
    ("(<<T>> IS NOT DISTINCT FROM <<T>>)", "bool"),
    ("(<<T>> IN (<<T>>, <<T>>))", "bool"),
    ("(<<T>> NOT IN (<<T>>, <<T>>))", "bool"),
    ("(<<T>> BETWEEN <<T>> AND <<T>>)", "bool"),
    ("(<<T>>)::text", "text"),
    ("(<<T>>)::varchar", "varchar"),
    ("((<<T>>)::text::T)", "T"),
    ("concat(<<T>>, '-', <<T>>)", "text"),
    ("to_json(<<T>>)", "json"),
    ("to_jsonb(<<T>>)", "jsonb"),
    ("jsonb_build_array(<<T>>, <<T>>)", "jsonb"),
    ("json_build_object('k', <<T>>)", "json"),
    ("format('%s %L', <<T>>, <<T>>)", "text"),
    ("num_nulls(<<T>>, <<T>>)", "int4"),
    ("pg_typeof(<<T>>)::text", "text"),
    ("quote_nullable(<<T>>)", "text"),
    ("(<<T>> || <<text>>)", "text"),
    ("(SELECT <<T>>)", "T"),
];

/// Constructs over the types that have arrays in [`TYPES`].
const ARRAYS: &[(&str, &str)] = &[
    ("ARRAY[<<T>>, <<T>>]", "T[]"),
    ("(<<T[]>>)[<<int4>>]", "T"),
    ("(<<T>> = ANY(<<T[]>>))", "bool"),
    ("(<<T>> < ALL(<<T[]>>))", "bool"),
    ("(ARRAY(SELECT unnest(<<T[]>>)))", "T[]"),
];

#[rustfmt::skip]
const CONSTRUCTS: &[(&str, &str)] = &[
    ("(<<bool>> AND <<bool>>)", "bool"), ("(<<bool>> OR <<bool>>)", "bool"), ("(NOT <<bool>>)", "bool"),
    ("(<<bool>> IS TRUE)", "bool"), ("(<<bool>> IS NOT FALSE)", "bool"), ("(<<bool>> IS UNKNOWN)", "bool"),
    ("(<<text>> LIKE <<text>>)", "bool"), ("(<<text>> NOT ILIKE <<text>>)", "bool"),
    ("(<<text>> LIKE <<text>> ESCAPE '!')", "bool"), ("(<<text>> SIMILAR TO '(a|b)%')", "bool"),
    ("substring(<<text>> from <<int2>> for <<int2>>)", "text"), ("substring(<<text>> from 'b.')", "text"),
    ("position(<<text>> in <<text>>)", "int4"), ("overlay(<<text>> placing <<text>> from 2 for 1)", "text"),
    ("trim(both <<text>> from <<text>>)", "text"), ("trim(leading from <<text>>)", "text"),
    ("(<<timestamptz>> AT TIME ZONE 'Europe/Berlin')", "timestamp"), ("(<<timestamp>> AT TIME ZONE '-05')", "timestamptz"),
    ("(<<timetz>> AT TIME ZONE '+02')", "timetz"),
    ("extract(epoch from <<timestamp>>)", "numeric"), ("extract(week from <<date>>)", "numeric"),
    ("extract(second from <<interval>>)", "numeric"), ("extract(hour from <<timetz>>)", "numeric"),
    ("extract(isoyear from <<timestamptz>>)", "numeric"), ("extract(microseconds from <<time>>)", "numeric"),
    ("<<numeric>>::numeric(6,2)", "numeric"), ("<<numeric>>::numeric(3,-1)", "numeric"), ("<<text>>::varchar(3)", "varchar"),
    ("<<text>>::char(4)", "bpchar"), ("<<timestamp>>::timestamp(2)", "timestamp"), ("<<time>>::time(0)", "time"),
    ("<<interval>>::interval(1)", "interval"), ("<<timetz>>::timetz(1)", "timetz"), ("<<text>>::\"char\"", "\"char\""),
    ("((<<int4>>, <<text>>) = (<<int4>>, <<text>>))", "bool"), ("((<<int4>>, <<int4>>) < (<<int4>>, <<int4>>))", "bool"),
    ("concat_ws(<<text>>, <<int4>>, <<text>>, <<bool>>)", "text"), ("format('%I|%10s|%-3s|', <<name>>, <<text>>, <<int4>>)", "text"),
    ("jsonb_build_object(<<text>>, <<jsonb>>)", "jsonb"), ("json_build_array(<<json>>, <<float8>>, <<timestamp>>)", "json"),
    ("jsonb_extract_path(<<jsonb>>, 'a', 'b')", "jsonb"), ("jsonb_extract_path_text(<<jsonb>>, <<text>>)", "text"),
    ("((<<time>>, <<time>>) OVERLAPS (<<time>>, <<interval>>))", "bool"),
    ("((<<timestamp>>, <<timestamp>>) OVERLAPS (<<timestamp>>, <<timestamp>>))", "bool"),
    ("(<<int4[]>>)[2:3]", "int4[]"),
];

/// Words of [`super::values::WORDS`] for `to_char` differ by what is shown.
fn word_name(name: &str, first: &str) -> String {
    let number = matches!(first, "int4" | "int8" | "float4" | "float8" | "numeric");
    if name == "to_char" && number { "to_char numeric".into() } else { name.to_owned() }
}

impl Pool {
    /// Reads PostgreSQL's catalogue and asks both servers for each production, with NULLs.
    ///
    /// # Panics
    /// If PostgreSQL does not answer.
    pub fn load(oracle: &Server, ours: &mut Client, theirs: &mut Client) -> Self {
        let known: BTreeSet<&str> = TYPES.iter().map(|info| info.name).collect();
        let mut found = catalogued(oracle, &known);
        found.extend(constructs(&known));
        let requests: Vec<Request> = found.iter().map(probe).collect();
        let (ours, theirs) = (ours.pipeline(&requests), theirs.pipeline(&requests));
        let mut pool = Self { oids: oids(oracle), ..Self::default() };
        for ((production, ours), theirs) in found.into_iter().zip(ours).zip(theirs) {
            match (theirs, ours) {
                (Answer::Error { .. }, _) => {}
                (_, Answer::Error { sqlstate, .. }) if super::run::is_refusal(&sqlstate) => {
                    pool.refused.insert(production.signature(), sqlstate);
                }
                _ => pool.productions.push(production),
            }
        }
        for (at, production) in pool.productions.iter().enumerate() {
            pool.by_result.entry(production.result.clone()).or_default().push(at);
        }
        pool
    }
}

/// The production with NULLs of the right types.
fn probe(production: &Production) -> Request {
    let nulls: Vec<String> = production.holes.iter().map(|hole| format!("NULL::{hole}")).collect();
    Request { sql: format!("SELECT {}", production.filled(nulls.iter().map(String::as_str))), ..Request::default() }
}

fn oids(oracle: &Server) -> BTreeMap<String, u32> {
    let names: Vec<String> = TYPES.iter().map(|info| format!("'{}'::regtype::oid", info.name)).collect();
    let oids = oracle.rows(&format!("select unnest(array[{}])", names.join(", ")));
    let parsed = oids.lines().map(|line| line.parse().expect("an OID"));
    TYPES.iter().map(|info| info.name.to_owned()).zip(parsed).collect()
}

fn catalogued(oracle: &Server, known: &BTreeSet<&str>) -> Vec<Production> {
    let lines = |query: &str| {
        let rows = oracle.rows(&format!("{SPELLED}{query}"));
        rows.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect::<Vec<Vec<String>>>()
    };
    let mut signatures: Vec<(String, String, Vec<String>)> = Vec::new();
    for fields in lines(OPERATORS) {
        let template = match fields.len() {
            4 => format!("(<<0>> {} <<1>>)", fields[0]),
            _ => format!("({} <<0>>)", fields[0]),
        };
        signatures.push((fields[0].clone(), template, fields[1..].to_vec()));
    }
    for fields in lines(FUNCTIONS) {
        let holes: Vec<String> = (0..fields.len() - 2).map(|at| format!("<<{at}>>")).collect();
        let types = fields[2..].iter().chain([&fields[1]]).cloned().collect();
        signatures.push((fields[0].clone(), format!("{}({})", fields[0], holes.join(", ")), types));
    }
    for fields in lines(CASTS) {
        signatures.push(("cast".into(), format!("(<<0>>)::{}", fields[1]), fields));
    }
    signatures.iter().flat_map(|(name, template, types)| concrete(name, template, types, known)).collect()
}

/// A signature with real types for the polymorphic ones; nothing if a type is not among ours.
fn concrete(name: &str, template: &str, types: &[String], known: &BTreeSet<&str>) -> Vec<Production> {
    let polymorphic = types.iter().any(|name| name.starts_with("any"));
    let elements: &[&str] = if polymorphic { &ELEMENTS } else { &[""] };
    let made = elements.iter().filter_map(|element| {
        let types: Vec<String> = types.iter().map(|name| with_element(name, element)).collect();
        if !types.iter().all(|name| known.contains(name.as_str())) {
            return None;
        }
        let (result, arguments) = types.split_last()?;
        let mut template = template.to_owned();
        for (at, argument) in arguments.iter().enumerate() {
            template = template.replacen(&format!("<<{at}>>"), &format!("<<{argument}>>"), 1);
        }
        Some(Production::new(&word_name(name, arguments.first().map_or("", String::as_str)), &template, result))
    });
    made.collect()
}

fn with_element(name: &str, element: &str) -> String {
    match name {
        "anyarray" | "anycompatiblearray" => format!("{element}[]"),
        "anyelement" | "anycompatible" | "anynonarray" | "anycompatiblenonarray" => element.to_owned(),
        other => other.to_owned(),
    }
}

fn constructs(known: &BTreeSet<&str>) -> Vec<Production> {
    let over = |list: &[(&str, &str)], name: &str| -> Vec<Production> {
        let array = format!("{name}[]");
        let fill =
            |text: &str| text.replace("<<T[]>>", &format!("<<{array}>>")).replace("<<T>>", &format!("<<{name}>>"));
        let made = list.iter().map(|(template, result)| {
            let result = if *result == "T[]" { array.clone() } else { result.replace('T', name) };
            Production::new("construct", &fill(template).replace("::T)", &format!("::{name})")), &result)
        });
        made.collect()
    };
    let mut made: Vec<Production> = known.iter().flat_map(|name| over(ANY_TYPE, name)).collect();
    let with_arrays = known.iter().filter(|name| known.contains(format!("{name}[]").as_str()));
    made.extend(with_arrays.flat_map(|name| over(ARRAYS, name)));
    made.extend(CONSTRUCTS.iter().map(|(template, result)| Production::new("construct", template, result)));
    made.retain(|production| production.holes.iter().all(|hole| known.contains(hole.as_str())));
    made
}
