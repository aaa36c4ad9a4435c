//! The types that names mean.

use storage::schema::model::PgType;

use crate::error::SqlError;
use crate::sql::ast::TypeName;
use crate::types::{catalog, oid};

/// Resolves a type as written, modifier included.
///
/// # Errors
/// 42704 `type "x" does not exist`, 0A000 for serial types, 22023 for a bad modifier.
pub(crate) fn resolve_type(name: &TypeName) -> Result<PgType, SqlError> {
    let missing = || {
        let shown = match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        let brackets = if name.array { "[]" } else { "" };
        SqlError::new("42704", format!("type \"{shown}{brackets}\" does not exist")).at(name.at)
    };
    if name.schema.as_deref().is_some_and(|schema| schema != "pg_catalog") {
        return Err(missing());
    }
    if matches!(name.name.as_str(), "serial" | "serial2" | "serial4" | "serial8" | "bigserial" | "smallserial")
        && !name.quoted
    {
        return Err(SqlError::unsupported(format!("type {} is not supported", name.name))
            .hint("A counter would give the same number on two nodes; use uuid with default gen_random_uuid().")
            .at(name.at));
    }
    // The word `char` is `character(1)`; the one-byte type is quoted or qualified.
    let info = if name.name == "char" {
        catalog::by_oid(oid::CHAR)
    } else {
        catalog::by_name(&name.name).filter(|_| !matches!(name.name.as_str(), "unknown"))
    };
    let info = info.ok_or_else(missing)?;
    let modifiers: Vec<i64> = name.modifiers.iter().map(|modifier| i64::from(*modifier)).collect();
    let typmod = catalog::typmod_in(info.oid, &modifiers).map_err(|error| error.at(name.at))?;
    let found = if name.array { catalog::array_of(info.oid).ok_or_else(missing)? } else { info.oid };
    Ok(PgType { oid: found, typmod })
}
