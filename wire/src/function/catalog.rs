//! Functions about catalog objects, as lookups in the attached catalog.
//!
//! Most are SQLite subqueries over the tables of [`crate::catalog`], written so that an index finds the row; their aliases
//! begin with `~`, which no alias of an emitted query does. A statement that uses one reads the catalog, even if it names
//! no relation. Objects this server does not have (rules, triggers, partitions, extended statistics) have no definition:
//! their functions give NULL, as PostgreSQL's do for an OID that does not exist.
//!
//! Everybody is owner: privilege functions check that the object and the privilege exist, and say yes. Sizes are in bytes
//! of whole pages, counted by walking the object's tree when asked; metadata of replication is not counted.

use storage::Value;
use storage::rusqlite::{self, Connection};

use super::Form::{self, Call, Pattern};
use super::body::{lenient, strict, text};
use super::regtype::{TO_REGCLASS, TO_REGNAMESPACE, TO_REGPROC, TO_REGROLE, lookup};
use super::{Function, function_table};
use crate::catalog::format_type;
use crate::error::SqlError;

/// The text of an expression is its stored form.
const STORED: Form = Pattern("{0}");
/// No object of the kind exists.
const NONE: Form = Pattern("NULL");
const NO: Form = Pattern("0");

macro_rules! visible {
    ($table:literal, $namespace:literal) => {
        Pattern(concat!(
            "(SELECT \"~c\".",
            $namespace,
            " IN (11, 2200) FROM pg_catalog.",
            $table,
            " AS \"~c\" WHERE \"~c\".oid = {0})"
        ))
    };
}

/// A relation of `public` is hidden behind one of `pg_catalog` with its name.
const TABLE_IS_VISIBLE: Form = Pattern(
    "(SELECT \"~c\".relnamespace = 11 OR \"~c\".relnamespace = 2200 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS \
     \"~d\" WHERE \"~d\".relname = \"~c\".relname AND \"~d\".relnamespace = 11) FROM pg_catalog.pg_class AS \"~c\" WHERE \
     \"~c\".oid = {0})",
);

const USER_BY_ID: Form = Pattern(
    "coalesce((SELECT \"~r\".rolname FROM pg_catalog.pg_roles AS \"~r\" WHERE \"~r\".oid = {0}), 'unknown (OID=' || {0} || \
     ')')",
);

const INDEX_DEFINITION: Form = Pattern(
    "(SELECT \"~d\".qualified FROM pg_catalog.\"~indexdef\" AS \"~d\" WHERE \"~d\".index_oid = {0} AND \"~d\".number = 0)",
);

/// Number 0 is the whole definition; a number past the last key gives an empty text.
const INDEX_KEY_DEFINITION: Form = Pattern(
    "coalesce((SELECT CASE WHEN {2} THEN \"~d\".visible ELSE \"~d\".qualified END FROM pg_catalog.\"~indexdef\" AS \"~d\" \
     WHERE \"~d\".index_oid = {0} AND \"~d\".number = {1}), (SELECT '' FROM pg_catalog.\"~indexdef\" AS \"~d\" WHERE \
     \"~d\".index_oid = {0} AND \"~d\".number = 0 AND {1} IS NOT NULL))",
);

const CONSTRAINT_DEFINITION: Form =
    Pattern("(SELECT \"~d\".definition FROM pg_catalog.\"~constraintdef\" AS \"~d\" WHERE \"~d\".oid = {0})");

/// Views of the system have no text; others do not exist.
const VIEW_DEFINITION: Form =
    Pattern("(SELECT '' FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0} AND \"~c\".relkind = 'v')");

const FUNCTION_RESULT: Form = Pattern(
    "(SELECT CASE WHEN \"~p\".proretset THEN 'SETOF ' ELSE '' END || pg_format_type(\"~p\".prorettype, NULL) FROM \
     pg_catalog.pg_proc AS \"~p\" WHERE \"~p\".oid = {0})",
);

const FUNCTION_ARGUMENTS: Form = Pattern(
    "(SELECT pg_function_arguments(\"~p\".proargtypes, \"~p\".proallargtypes, \"~p\".proargmodes, \"~p\".proargnames, \
     \"~p\".provariadic) FROM pg_catalog.pg_proc AS \"~p\" WHERE \"~p\".oid = {0})",
);

const DESCRIPTION: Form = Pattern(
    "(SELECT \"~d\".description FROM pg_catalog.pg_description AS \"~d\" WHERE \"~d\".objoid = {0} AND \"~d\".objsubid = 0 \
     AND \"~d\".classoid = (SELECT \"~c\".oid FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".relname = {1} AND \
     \"~c\".relnamespace = 11))",
);

const DESCRIPTION_OF_ANY: Form = Pattern(
    "(SELECT \"~d\".description FROM pg_catalog.pg_description AS \"~d\" WHERE \"~d\".objoid = {0} AND \"~d\".objsubid = 0 \
     LIMIT 1)",
);

const COLUMN_DESCRIPTION: Form = Pattern(
    "(SELECT \"~d\".description FROM pg_catalog.pg_description AS \"~d\" WHERE \"~d\".objoid = {0} AND \"~d\".objsubid = {1} \
     AND \"~d\".classoid = 1259)",
);

const SHARED_DESCRIPTION: Form = Pattern(
    "(SELECT \"~d\".description FROM pg_catalog.pg_shdescription AS \"~d\" WHERE \"~d\".objoid = {0} AND \"~d\".classoid = \
     (SELECT \"~c\".oid FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".relname = {1} AND \"~c\".relnamespace = 11))",
);

/// The pages of one tree: a table's own, or an index's. A primary key's index may be the table itself: 0 then.
const RELATION_SIZE: Form = Pattern(
    "(SELECT coalesce((SELECT \"~s\".pgsize FROM dbstat AS \"~s\" WHERE \"~s\".schema = 'main' AND \"~s\".aggregate = 1 AND \
     \"~s\".name = coalesce((SELECT 'sqlite_autoindex_' || \"~t\".relname || '_1' FROM pg_catalog.pg_index AS \"~i\", \
     pg_catalog.pg_class AS \"~t\" WHERE \"~i\".indexrelid = \"~c\".oid AND \"~i\".indisprimary AND \"~t\".oid = \
     \"~i\".indrelid), \"~c\".relname)), 0) FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0})",
);

const INDEXES_SIZE: Form = Pattern(
    "(SELECT coalesce((SELECT sum(\"~s\".pgsize) FROM main.sqlite_schema AS \"~m\", dbstat AS \"~s\" WHERE \"~m\".tbl_name = \
     \"~c\".relname AND \"~m\".type = 'index' AND \"~s\".schema = 'main' AND \"~s\".aggregate = 1 AND \"~s\".name = \
     \"~m\".name), 0) FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0})",
);

const TOTAL_SIZE: Form = Pattern(
    "(SELECT coalesce((SELECT sum(\"~s\".pgsize) FROM main.sqlite_schema AS \"~m\", dbstat AS \"~s\" WHERE (\"~m\".tbl_name = \
     \"~c\".relname OR \"~m\".name = \"~c\".relname) AND \"~s\".schema = 'main' AND \"~s\".aggregate = 1 AND \"~s\".name = \
     \"~m\".name), 0) FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0})",
);

/// Pages of the whole file.
const DATABASE_SIZE: Form = Pattern(
    "(SELECT (SELECT \"~p\".page_count FROM pragma_page_count('main') AS \"~p\") * (SELECT \"~p\".page_size FROM \
     pragma_page_size('main') AS \"~p\") FROM pg_catalog.pg_database AS \"~d\" WHERE \"~d\".oid = {0})",
);

const DATABASE_SIZE_BY_NAME: Form = Pattern(
    "coalesce((SELECT (SELECT \"~p\".page_count FROM pragma_page_count('main') AS \"~p\") * (SELECT \"~p\".page_size FROM \
     pragma_page_size('main') AS \"~p\") FROM pg_catalog.pg_database AS \"~d\" WHERE \"~d\".datname = {0}), CASE WHEN {0} IS \
     NOT NULL THEN pg_raise('3D000', 'database \"' || {0} || '\" does not exist') END)",
);

/// The file's size as SQL: all of it is in `pg_default` (1663).
macro_rules! tablespace_size_where {
    ($condition:literal) => {
        concat!(
            "(SELECT CASE \"~t\".oid WHEN 1663 THEN (SELECT \"~p\".page_count FROM pragma_page_count('main') AS \"~p\") * ",
            "(SELECT \"~p\".page_size FROM pragma_page_size('main') AS \"~p\") ELSE 0 END ",
            "FROM pg_catalog.pg_tablespace AS \"~t\" WHERE ",
            $condition,
            ")"
        )
    };
}

const TABLESPACE_SIZE: Form = Pattern(tablespace_size_where!("\"~t\".oid = {0}"));

const TABLESPACE_SIZE_BY_NAME: Form = Pattern(concat!(
    "coalesce(",
    tablespace_size_where!("\"~t\".spcname = {0}"),
    ", CASE WHEN {0} IS NOT NULL THEN pg_raise('42704', 'tablespace \"' || {0} || '\" does not exist') END)"
));

/// Says yes for an object found by its OID, NULL for none.
macro_rules! may_by_oid {
    ($table:literal, $object:literal, $privilege:literal, $kind:literal) => {
        Pattern(concat!(
            "(SELECT pg_privilege(",
            $privilege,
            ", '",
            $kind,
            "') FROM pg_catalog.",
            $table,
            " AS \"~c\" WHERE \"~c\".oid = ",
            $object,
            ")"
        ))
    };
}

/// Says yes for a relation found by its name, else 42P01.
macro_rules! may_by_name {
    ($object:literal, $privilege:literal, $kind:literal) => {
        Pattern(concat!(
            "CASE WHEN coalesce(",
            lookup!("pg_class", "relname", "relnamespace", $object),
            ", CASE WHEN ",
            $object,
            " IS NOT NULL THEN pg_raise('42P01', 'relation \"' || ",
            $object,
            " || '\" does not exist') END) IS NOT NULL THEN pg_privilege(",
            $privilege,
            ", '",
            $kind,
            "') END"
        ))
    };
}

/// Says yes for an object found by a name without schema, else the error.
macro_rules! may_by_plain_name {
    ($table:literal, $name:literal, $object:literal, $privilege:literal, $kind:literal, $sqlstate:literal) => {
        Pattern(concat!(
            "coalesce((SELECT pg_privilege(",
            $privilege,
            ", '",
            $kind,
            "') FROM pg_catalog.",
            $table,
            " AS \"~c\" WHERE \"~c\".",
            $name,
            " = ",
            $object,
            "), CASE WHEN ",
            $object,
            " IS NOT NULL THEN pg_raise('",
            $sqlstate,
            "', '",
            $kind,
            " \"' || ",
            $object,
            " || '\" does not exist') END)"
        ))
    };
}

/// All functions of this file.
#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = function_table![
    "format_type"(OID, INT4) -> TEXT, Stable, Call("pg_format_type");
    "pg_get_userbyid"(OID) -> NAME, Stable, USER_BY_ID;
    "pg_table_is_visible"(OID) -> BOOL, Stable, TABLE_IS_VISIBLE;
    "pg_type_is_visible"(OID) -> BOOL, Stable, visible!("pg_type", "typnamespace");
    "pg_function_is_visible"(OID) -> BOOL, Stable, visible!("pg_proc", "pronamespace");
    "pg_operator_is_visible"(OID) -> BOOL, Stable, visible!("pg_operator", "oprnamespace");
    "pg_opclass_is_visible"(OID) -> BOOL, Stable, visible!("pg_opclass", "opcnamespace");
    "pg_opfamily_is_visible"(OID) -> BOOL, Stable, visible!("pg_opfamily", "opfnamespace");
    "pg_collation_is_visible"(OID) -> BOOL, Stable, visible!("pg_collation", "collnamespace");
    "pg_conversion_is_visible"(OID) -> BOOL, Stable, visible!("pg_conversion", "connamespace");
    "pg_statistics_obj_is_visible"(OID) -> BOOL, Stable, visible!("pg_statistic_ext", "stxnamespace");
    "pg_ts_config_is_visible"(OID) -> BOOL, Stable, visible!("pg_ts_config", "cfgnamespace");
    "pg_ts_dict_is_visible"(OID) -> BOOL, Stable, visible!("pg_ts_dict", "dictnamespace");
    "pg_ts_parser_is_visible"(OID) -> BOOL, Stable, visible!("pg_ts_parser", "prsnamespace");
    "pg_ts_template_is_visible"(OID) -> BOOL, Stable, visible!("pg_ts_template", "tmplnamespace");
    "pg_get_expr"(PG_NODE_TREE, OID) -> TEXT, Stable, STORED;
    "pg_get_expr"(PG_NODE_TREE, OID, BOOL) -> TEXT, Stable, STORED;
    "pg_get_indexdef"(OID) -> TEXT, Stable, INDEX_DEFINITION;
    "pg_get_indexdef"(OID, INT4, BOOL) -> TEXT, Stable, INDEX_KEY_DEFINITION;
    "pg_get_constraintdef"(OID) -> TEXT, Stable, CONSTRAINT_DEFINITION;
    "pg_get_constraintdef"(OID, BOOL) -> TEXT, Stable, CONSTRAINT_DEFINITION;
    "pg_get_viewdef"(OID) -> TEXT, Stable, VIEW_DEFINITION;
    "pg_get_viewdef"(OID, BOOL) -> TEXT, Stable, VIEW_DEFINITION;
    "pg_get_ruledef"(OID) -> TEXT, Stable, NONE;
    "pg_get_ruledef"(OID, BOOL) -> TEXT, Stable, NONE;
    "pg_get_triggerdef"(OID) -> TEXT, Stable, NONE;
    "pg_get_triggerdef"(OID, BOOL) -> TEXT, Stable, NONE;
    "pg_get_partkeydef"(OID) -> TEXT, Stable, NONE;
    "pg_get_partition_constraintdef"(OID) -> TEXT, Stable, NONE;
    "pg_get_statisticsobjdef"(OID) -> TEXT, Stable, NONE;
    "pg_get_statisticsobjdef_columns"(OID) -> TEXT, Stable, NONE;
    "pg_get_function_sqlbody"(OID) -> TEXT, Stable, NONE;
    "pg_get_serial_sequence"(TEXT, TEXT) -> TEXT, Stable, NONE;
    "pg_get_function_result"(OID) -> TEXT, Stable, FUNCTION_RESULT;
    "pg_get_function_arguments"(OID) -> TEXT, Stable, FUNCTION_ARGUMENTS;
    "pg_get_function_identity_arguments"(OID) -> TEXT, Stable, FUNCTION_ARGUMENTS;
    "obj_description"(OID) -> TEXT, Stable, DESCRIPTION_OF_ANY;
    "obj_description"(OID, NAME) -> TEXT, Stable, DESCRIPTION;
    "col_description"(OID, INT4) -> TEXT, Stable, COLUMN_DESCRIPTION;
    "shobj_description"(OID, NAME) -> TEXT, Stable, SHARED_DESCRIPTION;
    "pg_encoding_to_char"(INT4) -> NAME, Stable,
        Pattern("CASE WHEN {0} = 6 THEN 'UTF8' WHEN {0} = 0 THEN 'SQL_ASCII' WHEN {0} IS NOT NULL THEN '' END");
    "getdatabaseencoding"() -> NAME, Stable, Pattern("'UTF8'");
    "pg_client_encoding"() -> NAME, Stable, Pattern("'UTF8'");
    "pg_char_to_encoding"(NAME) -> INT4, Stable,
        Pattern("CASE WHEN lower(replace({0}, '-', '')) IN ('utf8', 'unicode') THEN 6 WHEN lower({0}) = 'sql_ascii' THEN 0 WHEN {0} IS NOT NULL THEN -1 END");
    "pg_relation_size"(REGCLASS) -> INT8, Volatile, RELATION_SIZE;
    "pg_table_size"(REGCLASS) -> INT8, Volatile, RELATION_SIZE;
    "pg_indexes_size"(REGCLASS) -> INT8, Volatile, INDEXES_SIZE;
    "pg_total_relation_size"(REGCLASS) -> INT8, Volatile, TOTAL_SIZE;
    "pg_database_size"(OID) -> INT8, Volatile, DATABASE_SIZE;
    "pg_database_size"(NAME) -> INT8, Volatile, DATABASE_SIZE_BY_NAME;
    "pg_tablespace_size"(OID) -> INT8, Volatile, TABLESPACE_SIZE;
    "pg_tablespace_size"(NAME) -> INT8, Volatile, TABLESPACE_SIZE_BY_NAME;
    "pg_tablespace_location"(OID) -> TEXT, Stable, Pattern("CASE WHEN {0} IS NOT NULL THEN '' END");
    "pg_is_in_recovery"() -> BOOL, Volatile, NO;
    "pg_my_temp_schema"() -> OID, Stable, NO;
    "pg_is_other_temp_schema"(OID) -> BOOL, Stable, Pattern("CASE WHEN {0} IS NOT NULL THEN 0 END");
    "pg_relation_is_publishable"(REGCLASS) -> BOOL, Stable,
        Pattern("(SELECT \"~c\".relkind = 'r' AND \"~c\".relnamespace = 2200 FROM pg_catalog.pg_class AS \"~c\" WHERE \"~c\".oid = {0})");
    "current_schema"() -> NAME, Stable, Pattern("'public'");
    "current_schemas"(BOOL) -> NAME_ARRAY, Stable,
        Pattern("CASE WHEN {0} THEN pg_array(19, 'pg_catalog', 'public') WHEN NOT {0} THEN pg_array(19, 'public') END");
    "to_regclass"(TEXT) -> REGCLASS, Stable, TO_REGCLASS;
    "to_regtype"(TEXT) -> REGTYPE, Stable, Call("pg_to_regtype");
    "to_regproc"(TEXT) -> REGPROC, Stable, TO_REGPROC;
    "to_regnamespace"(TEXT) -> REGNAMESPACE, Stable, TO_REGNAMESPACE;
    "to_regrole"(TEXT) -> REGROLE, Stable, TO_REGROLE;
    "has_table_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_class", "{0}", "{1}", "table");
    "has_table_privilege"(TEXT, TEXT) -> BOOL, Stable, may_by_name!("{0}", "{1}", "table");
    "has_table_privilege"(NAME, OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_class", "{1}", "{2}", "table");
    "has_table_privilege"(NAME, TEXT, TEXT) -> BOOL, Stable, may_by_name!("{1}", "{2}", "table");
    "has_any_column_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_class", "{0}", "{1}", "column");
    "has_any_column_privilege"(TEXT, TEXT) -> BOOL, Stable, may_by_name!("{0}", "{1}", "column");
    "has_any_column_privilege"(NAME, OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_class", "{1}", "{2}", "column");
    "has_any_column_privilege"(NAME, TEXT, TEXT) -> BOOL, Stable, may_by_name!("{1}", "{2}", "column");
    "has_schema_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_namespace", "{0}", "{1}", "schema");
    "has_schema_privilege"(TEXT, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_namespace", "nspname", "{0}", "{1}", "schema", "3F000");
    "has_schema_privilege"(NAME, OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_namespace", "{1}", "{2}", "schema");
    "has_schema_privilege"(NAME, TEXT, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_namespace", "nspname", "{1}", "{2}", "schema", "3F000");
    "has_database_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_database", "{0}", "{1}", "database");
    "has_database_privilege"(TEXT, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_database", "datname", "{0}", "{1}", "database", "3D000");
    "has_database_privilege"(NAME, OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_database", "{1}", "{2}", "database");
    "has_database_privilege"(NAME, TEXT, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_database", "datname", "{1}", "{2}", "database", "3D000");
    "has_function_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_proc", "{0}", "{1}", "function");
    "has_type_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_type", "{0}", "{1}", "type");
    "has_tablespace_privilege"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_tablespace", "{0}", "{1}", "tablespace");
    "pg_has_role"(OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_authid", "{0}", "{1}", "role");
    "pg_has_role"(NAME, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_roles", "rolname", "{0}", "{1}", "role", "42704");
    "pg_has_role"(NAME, OID, TEXT) -> BOOL, Stable, may_by_oid!("pg_authid", "{1}", "{2}", "role");
    "pg_has_role"(NAME, NAME, TEXT) -> BOOL, Stable, may_by_plain_name!("pg_roles", "rolname", "{1}", "{2}", "role", "42704");
];

/// Privileges by kind of object, as `has_*_privilege` accepts them.
fn privileges(kind: &str) -> &'static [&'static str] {
    match kind {
        "table" => &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"],
        "column" => &["SELECT", "INSERT", "UPDATE", "REFERENCES"],
        "schema" => &["CREATE", "USAGE"],
        "database" => &["CREATE", "TEMPORARY", "TEMP", "CONNECT"],
        "function" => &["EXECUTE"],
        "type" => &["USAGE"],
        "tablespace" => &["CREATE"],
        _ => &["USAGE", "MEMBER"],
    }
}

/// Checks a comma-separated list of privileges.
fn check_privileges(list: &str, kind: &str) -> Result<(), SqlError> {
    for written in list.split(',').map(str::trim) {
        let upper = written.to_ascii_uppercase();
        let plain = upper
            .strip_suffix(" WITH GRANT OPTION")
            .or_else(|| upper.strip_suffix(" WITH ADMIN OPTION"))
            .unwrap_or(&upper);
        if !privileges(kind).contains(&plain) {
            return Err(SqlError::new("22023", format!("unrecognized privilege type: \"{written}\"")));
        }
    }
    Ok(())
}

/// Registers the bodies.
///
/// # Errors
/// SQLite's, if the connection refuses a registration.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    lenient(conn, "pg_format_type", 2, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let type_oid = u32::try_from(a.int(0)?).unwrap_or(0);
        let typmod = if a.is_null(1) { None } else { Some(a.int32(1)?) };
        Ok(text(format_type(type_oid, typmod)))
    })?;
    strict(conn, "pg_privilege", 2, |a| {
        check_privileges(&a.text(0)?, &a.text(1)?)?;
        Ok(Value::Integer(1))
    })?;
    strict(conn, "pg_type_names", 1, |a| {
        Ok(text(a.text(0)?.split_whitespace().map(written_type).collect::<Vec<_>>().join(",")))
    })?;
    lenient(conn, "pg_function_arguments", 5, |a| {
        let arguments = ArgumentList {
            input_types: &a.text(0)?,
            all_types: &a.text(1)?,
            modes: &a.text(2)?,
            names: &a.text(3)?,
            is_variadic: a.int(4)? != 0,
        };
        Ok(text(arguments.shown()))
    })
}

pub(super) fn type_name(type_oid: i64) -> String {
    let shown = u32::try_from(type_oid).map(|oid| format_type(oid, None)).ok().filter(|shown| shown != "???");
    shown.unwrap_or_else(|| type_oid.to_string())
}

/// A type given by its OID in digits.
fn written_type(type_oid: &str) -> String {
    type_name(type_oid.parse().unwrap_or(0))
}

/// The columns of `pg_proc` that describe arguments.
struct ArgumentList<'a> {
    input_types: &'a str,
    /// Empty unless there are arguments other than IN.
    all_types: &'a str,
    modes: &'a str,
    names: &'a str,
    is_variadic: bool,
}

impl ArgumentList<'_> {
    /// As `pg_get_function_arguments`, without defaults.
    fn shown(&self) -> String {
        fn items(array: &str) -> Vec<&str> {
            array.trim_matches(|c| c == '{' || c == '}').split(',').filter(|item| !item.is_empty()).collect()
        }
        let all = items(self.all_types);
        let types: Vec<&str> = if all.is_empty() { self.input_types.split_whitespace().collect() } else { all };
        let modes = items(self.modes);
        let names = items(self.names);
        let last = types.len().saturating_sub(1);
        let shown = types.iter().enumerate().filter(|(at, _)| modes.get(*at) != Some(&"t")).map(|(at, type_oid)| {
            let mode = match modes.get(at) {
                Some(&"o") => "OUT ",
                Some(&"b") => "INOUT ",
                Some(&"v") => "VARIADIC ",
                _ if self.is_variadic && modes.is_empty() && at == last => "VARIADIC ",
                _ => "",
            };
            let name = names.get(at).filter(|n| !n.is_empty() && **n != "\"\"").map(|n| format!("{n} "));
            format!("{mode}{}{}", name.unwrap_or_default(), written_type(type_oid))
        });
        shown.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::regtype::*;
    use super::*;

    thread_local! {
        static CONNECTION: Connection = connection();
    }

    /// A connection with the catalog of the fixture's schema.
    fn connection() -> Connection {
        let conn = Connection::open_in_memory().expect("open");
        super::super::register(&conn).expect("register");
        crate::catalog::load::attach(&conn).expect("attach");
        conn.execute_batch("CREATE TABLE todos (id TEXT PRIMARY KEY, title); INSERT INTO todos VALUES ('a', 'b')")
            .expect("table");
        let options = crate::catalog::Options::default();
        crate::catalog::load::load(&conn, &crate::catalog::fixture::schema(), &options).expect("load");
        conn
    }

    /// Evaluates a function or cast; arguments are SQLite text.
    fn eval(form: Form, arguments: &[&str]) -> String {
        let sql = match form {
            Form::Call(name) => format!("{name}({})", arguments.join(", ")),
            Form::Pattern(pattern) => arguments
                .iter()
                .enumerate()
                .fold(pattern.to_owned(), |sql, (at, argument)| sql.replace(&format!("{{{at}}}"), argument)),
            Form::Infix(_) | Form::Prefix(_) | Form::Same | Form::Special(_) => panic!("not a form of this file"),
        };
        let query = format!("SELECT CAST({sql} AS TEXT)");
        let value = CONNECTION.with(|conn| conn.query_row(&query, [], |row| row.get::<_, Option<String>>(0)));
        match value {
            Ok(Some(text)) => text,
            Ok(None) => "NULL".into(),
            Err(error) => crate::error::from_function_message(&error.to_string())
                .map_or_else(|| error.to_string(), |error| error.to_string()),
        }
    }

    fn call(name: &str, arguments: &[&str]) -> String {
        let function =
            FUNCTIONS.iter().find(|f| f.name == name && f.arguments.len() == arguments.len()).expect("function");
        eval(function.form, arguments)
    }

    #[test]
    fn every_function_can_be_evaluated_and_gives_null_for_null() {
        for function in FUNCTIONS.iter().filter(|f| !f.arguments.is_empty()) {
            let nulls = vec!["NULL"; function.arguments.len()];
            let lenient = ["pg_get_userbyid", "obj_description", "shobj_description", "col_description"];
            if !lenient.contains(&function.name) {
                assert_eq!(eval(function.form, &nulls), "NULL", "{}", function.name);
            }
        }
    }

    #[test]
    fn definitions_are_those_of_postgresql() {
        assert_eq!(
            call("pg_get_indexdef", &["20003"]),
            "CREATE INDEX t2_c ON public.t2 USING btree (c DESC, lower(b)) WHERE (a > 5)"
        );
        assert_eq!(
            call("pg_get_indexdef", &["20003", "0", "1"]),
            "CREATE INDEX t2_c ON t2 USING btree (c DESC, lower(b)) WHERE a > 5"
        );
        assert_eq!(call("pg_get_indexdef", &["20003", "1", "1"]), "c");
        assert_eq!(call("pg_get_indexdef", &["20003", "9", "1"]), "");
        assert_eq!(call("pg_get_indexdef", &["1", "0", "1"]), "NULL");
        let key = "(SELECT oid FROM pg_catalog.pg_constraint WHERE conname = 't2_pkey')";
        assert_eq!(call("pg_get_constraintdef", &[key]), "PRIMARY KEY (a, b)");
    }

    #[test]
    fn names_and_oids_of_relations_find_each_other() {
        let oid_in = |name: &str| eval(REGCLASS_IN, &[name]);
        assert_eq!(oid_in("'todos'"), "20001");
        assert_eq!(oid_in("'public.TODOS'"), "20001");
        assert_eq!(oid_in("'pg_class'"), "1259");
        assert_eq!(oid_in("'20001'"), "20001");
        assert_eq!(oid_in("'nosuch'"), "relation \"nosuch\" does not exist (42P01)");
        assert_eq!(oid_in("'pg_catalog.todos'"), "relation \"pg_catalog.todos\" does not exist (42P01)");
        assert_eq!(oid_in("NULL"), "NULL");
        assert_eq!(eval(REGCLASS_OUT, &["20001"]), "todos");
        assert_eq!(eval(REGCLASS_OUT, &["5"]), "5");
        assert_eq!(eval(REGCLASS_OUT, &["0"]), "-");
        let columns = "(SELECT oid FROM pg_catalog.pg_class WHERE relname = 'columns')";
        assert_eq!(eval(REGCLASS_OUT, &[columns]), "information_schema.columns");
        assert_eq!(call("to_regclass", &["'nosuch'"]), "NULL");
    }

    #[test]
    fn other_object_types_have_their_own_names() {
        assert_eq!(eval(REGPROC_IN, &["'array_in'"]), "750");
        assert_eq!(eval(REGPROC_IN, &["'nosuch'"]), "function \"nosuch\" does not exist (42883)");
        assert_eq!(eval(REGPROC_IN, &["'length'"]), "more than one function named \"length\" (42725)");
        assert_eq!(eval(REGPROC_OUT, &["750"]), "array_in");
        assert_eq!(eval(REGPROCEDURE_OUT, &["750"]), "array_in(cstring,oid,integer)");
        assert_eq!(eval(REGNAMESPACE_OUT, &["2200"]), "public");
        assert_eq!(eval(REGNAMESPACE_IN, &["'public'"]), "2200");
        assert_eq!(eval(REGROLE_IN, &["'nobody'"]), "role \"nobody\" does not exist (42704)");
        assert_eq!(eval(Call("pg_regtype_in"), &["'character varying(3)'"]), "1043");
        assert_eq!(eval(Call("pg_regtype_out"), &["1043"]), "character varying");
        assert_eq!(call("format_type", &["1700", "786438"]), "numeric(12,2)");
        assert_eq!(call("format_type", &["1042", "NULL"]), "character");
    }

    #[test]
    fn visibility_and_comments_are_looked_up() {
        assert_eq!(call("pg_table_is_visible", &["20001"]), "1");
        assert_eq!(call("pg_table_is_visible", &["13295"]), "0");
        assert_eq!(call("pg_table_is_visible", &["1"]), "NULL");
        assert_eq!(call("pg_get_userbyid", &["10"]), "postgres");
        assert_eq!(call("pg_get_userbyid", &["11"]), "unknown (OID=11)");
        assert_eq!(call("obj_description", &["2200", "'pg_namespace'"]), "standard public schema");
        assert_eq!(call("pg_get_function_arguments", &["750"]), "cstring, oid, integer");
    }

    #[test]
    fn sizes_are_those_of_the_file() {
        assert_eq!(call("pg_table_size", &["20001"]), "4096");
        assert_eq!(call("pg_indexes_size", &["20001"]), "4096");
        assert_eq!(call("pg_total_relation_size", &["20001"]), "8192");
        assert_eq!(call("pg_database_size", &["5"]), "12288");
        assert_eq!(call("pg_table_size", &["1259"]), "0");
        assert_eq!(call("pg_tablespace_size", &["1663"]), "12288");
        assert_eq!(call("pg_tablespace_size", &["1664"]), "0");
        assert_eq!(call("pg_tablespace_size", &["1"]), "NULL");
        assert_eq!(eval(TABLESPACE_SIZE_BY_NAME, &["'pg_default'"]), "12288");
        assert_eq!(eval(TABLESPACE_SIZE_BY_NAME, &["'x'"]), "tablespace \"x\" does not exist (42704)");
        assert_eq!(eval(TABLESPACE_SIZE_BY_NAME, &["NULL"]), "NULL");
    }

    #[test]
    fn privileges_are_checked_for_sense_and_granted() {
        assert_eq!(call("has_table_privilege", &["20001", "'select'"]), "1");
        assert_eq!(call("has_table_privilege", &["20001", "'fly'"]), "unrecognized privilege type: \"fly\" (22023)");
        assert_eq!(call("has_table_privilege", &["1", "'select'"]), "NULL");
        let by_name = |name| {
            let function = FUNCTIONS
                .iter()
                .find(|f| f.name == "has_table_privilege" && f.arguments == [crate::types::oid::TEXT; 2]);
            eval(function.expect("function").form, &[name, "'select'"])
        };
        assert_eq!(by_name("'todos'"), "1");
        assert_eq!(by_name("'nosuch'"), "relation \"nosuch\" does not exist (42P01)");
    }

    #[test]
    fn an_unknown_privilege_is_22023() {
        assert!(check_privileges("select, INSERT with grant option", "table").is_ok());
        let error = check_privileges("SELECT, FLY", "table").expect_err("no such privilege");
        assert_eq!(error.to_string(), "unrecognized privilege type: \"FLY\" (22023)");
    }

    #[test]
    fn arguments_are_shown_with_modes_and_names() {
        let shown = |input_types, all_types, modes, names, is_variadic| {
            ArgumentList { input_types, all_types, modes, names, is_variadic }.shown()
        };
        assert_eq!(shown("25 23", "", "", "", false), "text, integer");
        assert_eq!(shown("25", "{25,23}", "{i,o}", "{name,size}", false), "name text, OUT size integer");
        assert_eq!(shown("25 2276", "", "", "", true), "text, VARIADIC \"any\"");
        assert_eq!(shown("", "", "", "", false), "");
    }
}
