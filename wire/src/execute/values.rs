//! Parameters in, cells out: the step between the wire's formats and the storage form of values.

use std::sync::Arc;

use storage::{Value, ValueRef};

use crate::error::{SqlError, sqlstate};
use crate::plan::{Plan, ResultColumn};
use crate::protocol::Format;
use crate::protocol::frontend::Bind;
use crate::session::portal::{FormatsOf, widen_formats};
use crate::session::settings::Formats;
use crate::types;

/// Decodes the values of a Bind.
///
/// # Errors
/// 08P01 when the counts do not match, and the types' own errors for values that are none of theirs.
pub(crate) fn decode_params(bind: &Bind<'_>, plan: &Plan, settings: &Formats) -> Result<Vec<Value>, SqlError> {
    let (statement, params) = (bind.statement, &bind.params);
    let formats = widen_formats(&bind.param_formats, params.len(), FormatsOf::Parameters)?;
    let types = &plan.param_types;
    if params.len() != types.len() {
        return Err(SqlError::new(
            sqlstate::PROTOCOL_VIOLATION,
            format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                params.len(),
                types.len()
            ),
        ));
    }
    let decode = |(index, (format, param)): (usize, (&Format, &Option<&[u8]>))| match (param, format) {
        (None, _) => Ok(Value::Null),
        (Some(bytes), Format::Text) => types::utf8(bytes)
            .and_then(|text| plan.decode_text(index, text, settings))
            .map_err(|error| error.context(format!("{} parameter ${} = '...'", portal_name(bind.portal), index + 1))),
        (Some(bytes), Format::Binary) => types::decode(plan.param_types[index], *format, bytes, settings)
            .map_err(|error| error.context(format!("{} parameter ${}", portal_name(bind.portal), index + 1))),
    };
    formats.iter().zip(params).enumerate().map(decode).collect()
}

/// As in the context of an error about a parameter; its value is not shown, since it may be private.
fn portal_name(portal: &str) -> String {
    if portal.is_empty() { "unnamed portal".to_owned() } else { format!("portal \"{portal}\"") }
}

/// Decodes the arguments of `EXECUTE name (..)`, which come as texts.
///
/// # Errors
/// 42601 when their number is wrong, and the types' own errors.
pub(crate) fn decode_arguments(
    statement: &str,
    plan: &Plan,
    arguments: &[Option<String>],
    settings: &Formats,
) -> Result<Vec<Value>, SqlError> {
    let types = &plan.param_types;
    if arguments.len() != types.len() {
        return Err(SqlError::new(
            sqlstate::SYNTAX_ERROR,
            format!("wrong number of parameters for prepared statement \"{statement}\""),
        )
        .detail(format!("Expected {} parameters but got {}.", types.len(), arguments.len())));
    }
    let decode = |(index, argument): (usize, &Option<String>)| match argument {
        None => Ok(Value::Null),
        Some(text) => plan.decode_text(index, text, settings),
    };
    arguments.iter().enumerate().map(decode).collect()
}

/// Appends a cell that is not NULL in the format the client asked for.
///
/// # Errors
/// The types' own, for cells that do not fit their column's type.
pub(crate) fn encode(
    column: &ResultColumn,
    format: Format,
    value: ValueRef<'_>,
    settings: &Arc<Formats>,
    out: &mut Vec<u8>,
) -> Result<(), SqlError> {
    match format {
        Format::Text => {
            types::encode_text(column.type_oid, value, settings, out);
            Ok(())
        }
        Format::Binary => types::encode_binary(column.type_oid, value, out),
    }
}
