//! What the catalog says about a built-in type's values: length, alignment, storage, collation, operator class.
//!
//! Pure. Read once from the facts of `pg_type` and `pg_opclass`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use storage::Value;

use super::facts;
use super::rows::Rows;
use crate::types::{catalog as types, oid};

/// The columns of `pg_type` that other relations repeat.
#[derive(Debug, Clone)]
pub(crate) struct TypeFacts {
    pub(crate) name: String,
    pub(crate) len: i64,
    pub(crate) by_value: i64,
    pub(crate) align: String,
    pub(crate) storage: String,
    pub(crate) collation: i64,
    /// The default btree operator class, 0 if there is none.
    pub(crate) btree_class: i64,
    pub(crate) is_array: bool,
}

static TYPES: LazyLock<BTreeMap<u32, TypeFacts>> = LazyLock::new(|| {
    let classes = btree_classes();
    let mut types = BTreeMap::new();
    for rows in facts::types() {
        for row in &rows.rows {
            let Ok(oid) = u32::try_from(number(&rows, row, "oid")) else { continue };
            let is_array = number(&rows, row, "typelem") != 0 && number(&rows, row, "typlen") == -1;
            let class_of = match oid {
                oid::VARCHAR => oid::TEXT,
                _ if is_array => oid::ANYARRAY,
                other => other,
            };
            let facts = TypeFacts {
                name: string(&rows, row, "typname"),
                len: number(&rows, row, "typlen"),
                by_value: number(&rows, row, "typbyval"),
                align: string(&rows, row, "typalign"),
                storage: string(&rows, row, "typstorage"),
                collation: number(&rows, row, "typcollation"),
                btree_class: classes.get(&class_of).copied().unwrap_or(0),
                is_array,
            };
            types.insert(oid, facts);
        }
    }
    types
});

/// Facts about a built-in type; for an unknown OID those of text.
pub(crate) fn type_facts(type_oid: u32) -> TypeFacts {
    let types = &*TYPES;
    types.get(&type_oid).or_else(|| types.get(&oid::TEXT)).cloned().unwrap_or_else(|| TypeFacts {
        name: "text".into(),
        len: -1,
        by_value: 0,
        align: "i".into(),
        storage: "x".into(),
        collation: 100,
        btree_class: 3126,
        is_array: false,
    })
}

/// `format_type` for every type of the catalog, also those that no expression can have (`internal`, `pg_lsn`).
pub(crate) fn format_type(type_oid: u32, typmod: Option<i32>) -> String {
    if types::by_oid(type_oid).is_some() {
        return types::format_type(type_oid, typmod);
    }
    match TYPES.get(&type_oid) {
        Some(facts) if facts.is_array => format!("{}[]", facts.name.trim_start_matches('_')),
        Some(facts) => facts.name.clone(),
        None => types::format_type(type_oid, typmod),
    }
}

fn btree_classes() -> BTreeMap<u32, i64> {
    let mut classes = BTreeMap::new();
    for rows in facts::misc().iter().filter(|r| r.relation.name == "pg_opclass") {
        for row in rows.rows.iter().filter(|row| number(rows, row, "opcdefault") == 1) {
            if let Ok(input) = u32::try_from(number(rows, row, "opcintype")) {
                classes.insert(input, number(rows, row, "oid"));
            }
        }
    }
    classes
}

/// The integer in a named column, 0 if there is none.
pub(crate) fn number(rows: &Rows, row: &[Value], column: &str) -> i64 {
    match rows.relation.position(column).and_then(|i| row.get(i)) {
        Some(Value::Integer(i)) => *i,
        Some(Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_)) | None => 0,
    }
}

/// The text in a named column, empty if there is none.
pub(crate) fn string(rows: &Rows, row: &[Value], column: &str) -> String {
    match rows.relation.position(column).and_then(|i| row.get(i)) {
        Some(Value::Text(t)) => t.clone(),
        Some(Value::Null | Value::Real(_) | Value::Integer(_) | Value::Blob(_)) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varchar_is_ordered_by_the_class_of_text_and_arrays_by_that_of_anyarray() {
        assert_eq!(type_facts(oid::VARCHAR).btree_class, 3126);
        assert_eq!(type_facts(oid::INT4_ARRAY).btree_class, 10000);
        assert_eq!(type_facts(oid::NUMERIC).storage, "m");
        assert_eq!(type_facts(oid::JSON).btree_class, 0);
    }
}
