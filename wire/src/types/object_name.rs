//! The `reg*` types (`regclass`, `regtype`, ..): OIDs that are shown by the name of their object.
//!
//! Their storage form is INTEGER, the OID. A result column carries the name too, because only SQL can look it up: its cells
//! are TEXT, the OID in digits, a blank, the name. Text format sends the name, binary format the OID.

use super::oid;

/// Whether the type is one of them.
pub fn is_object_type(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::REGCLASS
            | oid::REGTYPE
            | oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGNAMESPACE
            | oid::REGROLE
    )
}

/// The OID and the name in a cell of a result column; None if it is none of these.
pub fn split(cell: &str) -> Option<(u32, &str)> {
    let (digits, name) = cell.split_once(' ')?;
    Some((digits.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_blanks() {
        assert_eq!(split("20001 \"Odd Name\""), Some((20001, "\"Odd Name\"")));
        assert_eq!(split("0 -"), Some((0, "-")));
        assert_eq!(split("todos"), None);
    }
}
