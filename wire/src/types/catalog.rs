//! What there is to know of each type: names, category, length, array type, type modifiers, collation in SQLite.
//!
//! Pure. Source: PostgreSQL 15's `pg_type`; names as `format_type` prints them and as the grammar accepts them.

use super::oid;
use crate::error::SqlError;

/// The facts of one type, as in `pg_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeInfo {
    pub oid: u32,
    /// `pg_type.typname`.
    pub name: &'static str,
    /// What `format_type` prints when it differs from `name`.
    pub sql_name: &'static str,
    /// Bytes; -1 for variable length, -2 for a C string.
    pub length: i16,
    /// `typcategory`.
    pub category: char,
    /// Preferred in its category when overloads are resolved.
    pub preferred: bool,
    /// OID of the array over this type; 0 if none.
    pub array: u32,
    /// OID of the elements, for arrays and the two vector types; else 0.
    pub element: u32,
}

const fn base(
    oid: u32,
    name: &'static str,
    sql_name: &'static str,
    length: i16,
    category: char,
    array: u32,
) -> TypeInfo {
    TypeInfo { oid, name, sql_name, length, category, preferred: false, array, element: 0 }
}

const fn preferred(info: TypeInfo) -> TypeInfo {
    TypeInfo { preferred: true, ..info }
}

const fn with_element(info: TypeInfo, element: u32) -> TypeInfo {
    TypeInfo { element, ..info }
}

const fn array(oid: u32, name: &'static str, sql_name: &'static str, element: u32) -> TypeInfo {
    TypeInfo { oid, name, sql_name, length: -1, category: 'A', preferred: false, array: 0, element }
}

/// All types this server knows, in order of OID.
pub static TYPES: &[TypeInfo] = &[
    preferred(base(oid::BOOL, "bool", "boolean", 1, 'B', oid::BOOL_ARRAY)),
    base(oid::BYTEA, "bytea", "bytea", -1, 'U', oid::BYTEA_ARRAY),
    base(oid::CHAR, "char", "\"char\"", 1, 'Z', oid::CHAR_ARRAY),
    with_element(base(oid::NAME, "name", "name", 64, 'S', oid::NAME_ARRAY), oid::CHAR),
    base(oid::INT8, "int8", "bigint", 8, 'N', oid::INT8_ARRAY),
    base(oid::INT2, "int2", "smallint", 2, 'N', oid::INT2_ARRAY),
    with_element(base(oid::INT2VECTOR, "int2vector", "int2vector", -1, 'A', oid::INT2VECTOR_ARRAY), oid::INT2),
    base(oid::INT4, "int4", "integer", 4, 'N', oid::INT4_ARRAY),
    base(oid::REGPROC, "regproc", "regproc", 4, 'N', oid::REGPROC_ARRAY),
    preferred(base(oid::TEXT, "text", "text", -1, 'S', oid::TEXT_ARRAY)),
    preferred(base(oid::OID, "oid", "oid", 4, 'N', oid::OID_ARRAY)),
    base(oid::XID, "xid", "xid", 4, 'U', oid::XID_ARRAY),
    with_element(base(oid::OIDVECTOR, "oidvector", "oidvector", -1, 'A', oid::OIDVECTOR_ARRAY), oid::OID),
    base(oid::JSON, "json", "json", -1, 'U', oid::JSON_ARRAY),
    base(oid::PG_NODE_TREE, "pg_node_tree", "pg_node_tree", -1, 'Z', 0),
    array(oid::JSON_ARRAY, "_json", "json[]", oid::JSON),
    base(oid::FLOAT4, "float4", "real", 4, 'N', oid::FLOAT4_ARRAY),
    preferred(base(oid::FLOAT8, "float8", "double precision", 8, 'N', oid::FLOAT8_ARRAY)),
    base(oid::UNKNOWN, "unknown", "unknown", -2, 'X', 0),
    array(oid::BOOL_ARRAY, "_bool", "boolean[]", oid::BOOL),
    array(oid::BYTEA_ARRAY, "_bytea", "bytea[]", oid::BYTEA),
    array(oid::CHAR_ARRAY, "_char", "\"char\"[]", oid::CHAR),
    array(oid::NAME_ARRAY, "_name", "name[]", oid::NAME),
    array(oid::INT2_ARRAY, "_int2", "smallint[]", oid::INT2),
    array(oid::INT2VECTOR_ARRAY, "_int2vector", "int2vector[]", oid::INT2VECTOR),
    array(oid::INT4_ARRAY, "_int4", "integer[]", oid::INT4),
    array(oid::REGPROC_ARRAY, "_regproc", "regproc[]", oid::REGPROC),
    array(oid::TEXT_ARRAY, "_text", "text[]", oid::TEXT),
    array(oid::XID_ARRAY, "_xid", "xid[]", oid::XID),
    array(oid::OIDVECTOR_ARRAY, "_oidvector", "oidvector[]", oid::OIDVECTOR),
    array(oid::BPCHAR_ARRAY, "_bpchar", "character[]", oid::BPCHAR),
    array(oid::VARCHAR_ARRAY, "_varchar", "character varying[]", oid::VARCHAR),
    array(oid::INT8_ARRAY, "_int8", "bigint[]", oid::INT8),
    array(oid::FLOAT4_ARRAY, "_float4", "real[]", oid::FLOAT4),
    array(oid::FLOAT8_ARRAY, "_float8", "double precision[]", oid::FLOAT8),
    array(oid::OID_ARRAY, "_oid", "oid[]", oid::OID),
    base(oid::ACLITEM, "aclitem", "aclitem", 12, 'U', oid::ACLITEM_ARRAY),
    array(oid::ACLITEM_ARRAY, "_aclitem", "aclitem[]", oid::ACLITEM),
    base(oid::BPCHAR, "bpchar", "character", -1, 'S', oid::BPCHAR_ARRAY),
    base(oid::VARCHAR, "varchar", "character varying", -1, 'S', oid::VARCHAR_ARRAY),
    base(oid::DATE, "date", "date", 4, 'D', oid::DATE_ARRAY),
    base(oid::TIME, "time", "time without time zone", 8, 'D', oid::TIME_ARRAY),
    base(oid::TIMESTAMP, "timestamp", "timestamp without time zone", 8, 'D', oid::TIMESTAMP_ARRAY),
    array(oid::TIMESTAMP_ARRAY, "_timestamp", "timestamp without time zone[]", oid::TIMESTAMP),
    array(oid::DATE_ARRAY, "_date", "date[]", oid::DATE),
    array(oid::TIME_ARRAY, "_time", "time without time zone[]", oid::TIME),
    preferred(base(oid::TIMESTAMPTZ, "timestamptz", "timestamp with time zone", 8, 'D', oid::TIMESTAMPTZ_ARRAY)),
    array(oid::TIMESTAMPTZ_ARRAY, "_timestamptz", "timestamp with time zone[]", oid::TIMESTAMPTZ),
    preferred(base(oid::INTERVAL, "interval", "interval", 16, 'T', oid::INTERVAL_ARRAY)),
    array(oid::INTERVAL_ARRAY, "_interval", "interval[]", oid::INTERVAL),
    array(oid::NUMERIC_ARRAY, "_numeric", "numeric[]", oid::NUMERIC),
    base(oid::TIMETZ, "timetz", "time with time zone", 12, 'D', oid::TIMETZ_ARRAY),
    array(oid::TIMETZ_ARRAY, "_timetz", "time with time zone[]", oid::TIMETZ),
    base(oid::NUMERIC, "numeric", "numeric", -1, 'N', oid::NUMERIC_ARRAY),
    base(oid::REGPROCEDURE, "regprocedure", "regprocedure", 4, 'N', oid::REGPROCEDURE_ARRAY),
    base(oid::REGOPER, "regoper", "regoper", 4, 'N', 0),
    base(oid::REGOPERATOR, "regoperator", "regoperator", 4, 'N', 0),
    base(oid::REGCLASS, "regclass", "regclass", 4, 'N', oid::REGCLASS_ARRAY),
    base(oid::REGTYPE, "regtype", "regtype", 4, 'N', oid::REGTYPE_ARRAY),
    array(oid::REGPROCEDURE_ARRAY, "_regprocedure", "regprocedure[]", oid::REGPROCEDURE),
    array(oid::REGCLASS_ARRAY, "_regclass", "regclass[]", oid::REGCLASS),
    array(oid::REGTYPE_ARRAY, "_regtype", "regtype[]", oid::REGTYPE),
    base(oid::RECORD, "record", "record", -1, 'P', oid::RECORD_ARRAY),
    base(oid::ANY, "any", "\"any\"", 4, 'P', 0),
    base(oid::ANYARRAY, "anyarray", "anyarray", -1, 'P', 0),
    base(oid::VOID, "void", "void", 4, 'P', 0),
    base(oid::ANYELEMENT, "anyelement", "anyelement", 4, 'P', 0),
    array(oid::RECORD_ARRAY, "_record", "record[]", oid::RECORD),
    base(oid::ANYNONARRAY, "anynonarray", "anynonarray", 4, 'P', 0),
    base(oid::UUID, "uuid", "uuid", 16, 'U', oid::UUID_ARRAY),
    array(oid::UUID_ARRAY, "_uuid", "uuid[]", oid::UUID),
    base(oid::JSONB, "jsonb", "jsonb", -1, 'U', oid::JSONB_ARRAY),
    array(oid::JSONB_ARRAY, "_jsonb", "jsonb[]", oid::JSONB),
    base(oid::REGNAMESPACE, "regnamespace", "regnamespace", 4, 'N', oid::REGNAMESPACE_ARRAY),
    array(oid::REGNAMESPACE_ARRAY, "_regnamespace", "regnamespace[]", oid::REGNAMESPACE),
    base(oid::REGROLE, "regrole", "regrole", 4, 'N', oid::REGROLE_ARRAY),
    array(oid::REGROLE_ARRAY, "_regrole", "regrole[]", oid::REGROLE),
];

/// The type with this OID.
pub fn by_oid(oid: u32) -> Option<&'static TypeInfo> {
    TYPES.binary_search_by_key(&oid, |info| info.oid).ok().map(|at| &TYPES[at])
}

/// The type that a (folded) name means: `typname`, or one of the grammar's spellings in one token.
///
/// `serial` and its kin are not types and are not found here.
pub fn by_name(name: &str) -> Option<&'static TypeInfo> {
    let canonical = match name {
        "boolean" => "bool",
        "int" | "integer" => "int4",
        "smallint" => "int2",
        "bigint" => "int8",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "decimal" | "dec" => "numeric",
        "character varying" | "char varying" => "varchar",
        "character" => "bpchar",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    };
    TYPES.iter().find(|info| info.name == canonical)
}

/// The array type over `element`.
pub fn array_of(element: u32) -> Option<u32> {
    by_oid(element).map(|info| info.array).filter(|array| *array != 0)
}

/// The element type of a true array type (not of `name`, `int2vector`, `oidvector`).
pub fn element_of(array: u32) -> Option<u32> {
    by_oid(array).filter(|info| info.category == 'A' && info.name.starts_with('_')).map(|info| info.element)
}

/// As [`element_of`], also for int2vector and oidvector, which functions over any array take.
pub fn subscripted(array_or_vector: u32) -> Option<u32> {
    match array_or_vector {
        oid::INT2VECTOR => Some(oid::INT2),
        oid::OIDVECTOR => Some(oid::OID),
        array => element_of(array),
    }
}

/// `text`, `varchar`, `bpchar`, `name`: category S.
pub fn is_string(oid: u32) -> bool {
    matches!(oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME)
}

/// The SQLite collation under which storage forms of a type compare as PostgreSQL compares its values.
///
/// `None`: plain comparison does. Wherever values of the type are compared, sorted, grouped, made distinct, or given to
/// `min` and `max`, the expression carries this collation.
pub fn collation(oid: u32) -> Option<&'static str> {
    match oid {
        oid::NUMERIC => Some("pg_numeric"),
        oid::INTERVAL => Some("pg_interval"),
        oid::TIMETZ => Some("pg_timetz"),
        oid::BPCHAR => Some("rtrim"),
        oid::JSONB => Some("pg_jsonb"),
        oid::INT2_ARRAY
        | oid::INT4_ARRAY
        | oid::INT8_ARRAY
        | oid::OID_ARRAY
        | oid::NUMERIC_ARRAY
        | oid::FLOAT4_ARRAY
        | oid::FLOAT8_ARRAY => Some("pg_array_number"),
        oid::INTERVAL_ARRAY => Some("pg_array_interval"),
        oid::TIMETZ_ARRAY => Some("pg_array_timetz"),
        oid::BPCHAR_ARRAY => Some("pg_array_bpchar"),
        oid::JSONB_ARRAY => Some("pg_array_jsonb"),
        other if element_of(other).is_some() => Some("pg_array_text"),
        _ => None,
    }
}

/// The registered function `f(value, typmod, explicit)` that fits a value to a type modifier: rounds, pads, truncates or
/// raises 22001/22003. `explicit` is 1 for an explicit cast, which cuts strings silently, else 0.
pub fn typmod_coercion(oid: u32) -> Option<&'static str> {
    match oid {
        oid::NUMERIC => Some("pg_fit_numeric"),
        oid::VARCHAR => Some("pg_fit_varchar"),
        oid::BPCHAR => Some("pg_fit_bpchar"),
        oid::TIME => Some("pg_fit_time"),
        oid::TIMETZ => Some("pg_fit_timetz"),
        oid::TIMESTAMP => Some("pg_fit_timestamp"),
        oid::TIMESTAMPTZ => Some("pg_fit_timestamptz"),
        oid::INTERVAL => Some("pg_fit_interval"),
        _ => None,
    }
}

/// What `format_type(oid, typmod)` prints. `typmod` `None` is SQL's NULL: no modifier, and `character` becomes `bpchar`
/// only when the modifier is given as -1, as in PostgreSQL. Unknown OIDs give `???`.
pub fn format_type(oid: u32, typmod: Option<i32>) -> String {
    if oid == 0 {
        return "-".into();
    }
    let Some(info) = by_oid(oid) else { return "???".into() };
    if let Some(element) = element_of(oid) {
        return format!("{}[]", format_type(element, typmod));
    }
    let modifier = typmod.filter(|typmod| *typmod >= 0);
    match (oid, modifier) {
        (oid::BPCHAR, None) if typmod.is_some() => "bpchar".into(),
        (oid::NUMERIC, Some(typmod)) => {
            let (precision, scale) = numeric_modifier(typmod);
            format!("numeric({precision},{scale})")
        }
        (oid::VARCHAR | oid::BPCHAR, Some(typmod)) => format!("{}({})", info.sql_name, typmod - 4),
        (oid::TIMESTAMP, Some(precision)) => format!("timestamp({precision}) without time zone"),
        (oid::TIMESTAMPTZ, Some(precision)) => format!("timestamp({precision}) with time zone"),
        (oid::TIME, Some(precision)) => format!("time({precision}) without time zone"),
        (oid::TIMETZ, Some(precision)) => format!("time({precision}) with time zone"),
        (oid::INTERVAL, Some(typmod)) => interval_name(typmod),
        _ => info.sql_name.into(),
    }
}

/// All fields of an interval, in the upper half of its modifier.
const INTERVAL_FULL_RANGE: i32 = 0x7FFF;
/// No precision, in the lower half of an interval's modifier.
const INTERVAL_FULL_PRECISION: i32 = 0xFFFF;

fn interval_name(typmod: i32) -> String {
    match typmod & 0xFFFF {
        INTERVAL_FULL_PRECISION => "interval".into(),
        precision => format!("interval({precision})"),
    }
}

/// The number of fractional digits in an interval's modifier.
pub fn interval_precision(typmod: i32) -> Option<u32> {
    u32::try_from(typmod & 0xFFFF).ok().filter(|precision| *precision <= 6)
}

/// Precision and scale of a numeric's modifier (not -1). The scale is an 11 bit signed number since PostgreSQL 15.
pub fn numeric_modifier(typmod: i32) -> (i32, i32) {
    let packed = typmod.saturating_sub(4);
    ((packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024)
}

/// The type modifier of `name(args)`, checked as PostgreSQL's `typmodin` functions check.
///
/// # Errors
/// 22023 for values out of range, 42601 where the type takes no modifier.
pub fn typmod_in(oid: u32, arguments: &[i64]) -> Result<i32, SqlError> {
    let invalid = |message: String| Err(SqlError::new("22023", message));
    let name = by_oid(oid).map_or("unknown", |info| info.name);
    match (oid, arguments) {
        (_, []) => Ok(-1),
        (oid::NUMERIC, [precision, rest @ ..]) if rest.len() <= 1 => {
            let scale = rest.first().copied().unwrap_or(0);
            if !(1..=1000).contains(precision) {
                return invalid(format!("NUMERIC precision {precision} must be between 1 and 1000"));
            }
            if !(-1000..=1000).contains(&scale) {
                return invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000"));
            }
            Ok(((*precision as i32) << 16 | (scale as i32 & 0x7FF)) + 4)
        }
        (oid::NUMERIC, _) => invalid("invalid NUMERIC type modifier".into()),
        (oid::VARCHAR | oid::BPCHAR, [length]) => {
            let shown = if oid == oid::BPCHAR { "char" } else { "varchar" };
            if *length < 1 {
                return invalid(format!("length for type {shown} must be at least 1"));
            }
            if *length > 10_485_760 {
                return invalid(format!("length for type {shown} cannot exceed 10485760"));
            }
            Ok(*length as i32 + 4)
        }
        (oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIMETZ | oid::INTERVAL, [precision]) => {
            let Ok(precision) = i32::try_from(*precision) else { return invalid("invalid type modifier".into()) };
            if precision < 0 {
                return invalid(format!("{}({precision}) precision must not be negative", name.to_uppercase()));
            }
            let precision = precision.min(6);
            Ok(if oid == oid::INTERVAL { INTERVAL_FULL_RANGE << 16 | precision } else { precision })
        }
        (oid::VARCHAR | oid::BPCHAR | oid::TIME | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIMETZ, _) => {
            invalid("invalid type modifier".into())
        }
        _ => Err(SqlError::new("42601", format!("type modifier is not allowed for type \"{name}\""))),
    }
}

/// Reads a type's name as SQL writes it: `numeric(12,2)`, `character varying(80)[]`, `timestamp(3) with time zone`,
/// `pg_catalog.int4`. Bare `char` is `character(1)`, and `"char"` in quotes is the one-byte type.
///
/// # Errors
/// 42704 `type "x" does not exist`, 42601 for malformed text, 22023 for a bad modifier.
pub fn parse_type_name(text: &str) -> Result<(u32, i32), SqlError> {
    let trimmed = text.trim();
    let (mut rest, mut is_array) = (trimmed, false);
    while let Some(open) = rest.strip_suffix(']').and_then(|head| head.rfind('[')) {
        is_array = true;
        rest = rest[..open].trim_end();
    }
    let missing = || SqlError::new("42704", format!("type \"{trimmed}\" does not exist"));
    let malformed = || SqlError::new("42601", format!("invalid type name \"{trimmed}\""));
    let (name, arguments) = match (rest.find('('), rest.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let arguments = rest[open + 1..close]
                .split(',')
                .map(|part| part.trim().parse::<i64>().map_err(|_| malformed()))
                .collect::<Result<Vec<_>, _>>()?;
            (format!("{} {}", rest[..open].trim(), rest[close + 1..].trim()), arguments)
        }
        (None, None) => (rest.to_owned(), Vec::new()),
        _ => return Err(malformed()),
    };
    let (oid, implied) = named(name.trim()).ok_or_else(missing)?;
    let typmod = if arguments.is_empty() { implied } else { typmod_in(oid, &arguments)? };
    let oid = if is_array { array_of(oid).ok_or_else(missing)? } else { oid };
    Ok((oid, typmod))
}

/// A type's name without modifier, and the modifier it implies.
fn named(name: &str) -> Option<(u32, i32)> {
    let folded = name.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = folded.strip_prefix("pg_catalog.").unwrap_or(&folded);
    if let Some(quoted) = plain.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return TYPES.iter().find(|info| info.name == quoted).map(|info| (info.oid, -1));
    }
    match plain {
        "char" if plain.len() != folded.len() => Some((oid::CHAR, -1)),
        "char" | "character" => Some((oid::BPCHAR, 5)),
        _ => by_name(plain).map(|info| (info.oid, -1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_sorted_by_oid_and_arrays_point_back() {
        assert!(TYPES.windows(2).all(|pair| pair[0].oid < pair[1].oid));
        for info in TYPES {
            assert_eq!(by_oid(info.oid), Some(info));
            if info.array != 0 {
                assert_eq!(by_oid(info.array).map(|array| array.element), Some(info.oid), "{}", info.name);
            }
        }
    }

    fn check(text: &str, expected: &str) {
        let shown = match parse_type_name(text) {
            Ok((oid, typmod)) => format_type(oid, Some(typmod)),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn type_names_round_trip_through_format_type() {
        for name in [
            "numeric(12,2)",
            "character varying(80)",
            "character(3)[]",
            "timestamp(3) with time zone",
            "timestamp without time zone",
            "double precision[]",
            "interval(3)",
            "\"char\"",
            "numeric(3,-2)",
        ] {
            check(name, name);
        }
    }

    #[test]
    fn spellings_mean_the_same_type() {
        check("INT", "integer");
        check("varchar(3)", "character varying(3)");
        check("char", "character(1)");
        check("decimal(5)", "numeric(5,0)");
        check("pg_catalog.int8[]", "bigint[]");
        check("float4", "real");
    }

    #[test]
    fn wrong_type_names_have_postgresql_texts() {
        check("nope", "type \"nope\" does not exist (42704)");
        check("numeric(0)", "NUMERIC precision 0 must be between 1 and 1000 (22023)");
        check("varchar(0)", "length for type varchar must be at least 1 (22023)");
        check("text(3)", "type modifier is not allowed for type \"text\" (42601)");
    }

    #[test]
    fn format_type_knows_bare_bpchar_and_unknown_oids() {
        assert_eq!(format_type(oid::BPCHAR, Some(-1)), "bpchar");
        assert_eq!(format_type(oid::BPCHAR, None), "character");
        assert_eq!(format_type(1, None), "???");
        assert_eq!(format_type(0, None), "-");
    }
}
