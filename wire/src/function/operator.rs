//! The operator table: comparison, arithmetic, bits, strings.
//!
//! Comparisons are SQLite's own, under the collation of the type where storage forms do not compare as values do. Between
//! integers of different widths they need no cast. Arithmetic is checked: 22003 and 22012 instead of NULL or REAL.

use super::Form::{Call, Infix, Pattern, Same};
use super::{Form, Operator};
use crate::types::oid;

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

macro_rules! collated {
    ($collation:literal) => {
        [
            Pattern(concat!("({0} = {1} COLLATE ", $collation, ")")),
            Pattern(concat!("({0} <> {1} COLLATE ", $collation, ")")),
            Pattern(concat!("({0} < {1} COLLATE ", $collation, ")")),
            Pattern(concat!("({0} <= {1} COLLATE ", $collation, ")")),
            Pattern(concat!("({0} > {1} COLLATE ", $collation, ")")),
            Pattern(concat!("({0} >= {1} COLLATE ", $collation, ")")),
        ]
    };
}

const PLAIN: [Form; 6] = [Infix("="), Infix("<>"), Infix("<"), Infix("<="), Infix(">"), Infix(">=")];

fn add(table: &mut Vec<Operator>, name: &'static str, left: u32, right: u32, result: u32, form: Form) {
    table.push(Operator { name, left: Some(left), right, result, form });
}

fn prefix(table: &mut Vec<Operator>, name: &'static str, right: u32, result: u32, form: Form) {
    table.push(Operator { name, left: None, right, result, form });
}

fn comparisons(table: &mut Vec<Operator>, left: u32, right: u32, forms: &[Form]) {
    for (name, form) in COMPARISONS.iter().zip(forms) {
        add(table, name, left, right, oid::BOOL, *form);
    }
}

/// All operators, unsorted.
pub(super) fn table() -> Vec<Operator> {
    let mut table = Vec::new();
    all_comparisons(&mut table);
    integers(&mut table);
    floats(&mut table);
    numerics(&mut table);
    strings(&mut table);
    super::array::operators(&mut table);
    super::datetime::operators(&mut table);
    super::timetz::operators(&mut table);
    super::json::operators(&mut table);
    table
}

fn all_comparisons(table: &mut Vec<Operator>) {
    for plain in [
        oid::BOOL,
        oid::CHAR,
        oid::NAME,
        oid::TEXT,
        oid::BYTEA,
        oid::UUID,
        oid::OID,
        oid::DATE,
        oid::TIME,
        oid::TIMESTAMP,
        oid::TIMESTAMPTZ,
        oid::OIDVECTOR,
    ] {
        comparisons(table, plain, plain, &PLAIN);
    }
    comparisons(table, oid::NAME, oid::TEXT, &PLAIN);
    comparisons(table, oid::TEXT, oid::NAME, &PLAIN);
    for left in [oid::INT2, oid::INT4, oid::INT8] {
        for right in [oid::INT2, oid::INT4, oid::INT8] {
            comparisons(table, left, right, &PLAIN);
        }
    }
    for left in [oid::FLOAT4, oid::FLOAT8] {
        for right in [oid::FLOAT4, oid::FLOAT8] {
            comparisons(table, left, right, &PLAIN);
        }
    }
    comparisons(table, oid::NUMERIC, oid::NUMERIC, &collated!("pg_numeric"));
    comparisons(table, oid::INTERVAL, oid::INTERVAL, &collated!("pg_interval"));
    comparisons(table, oid::TIMETZ, oid::TIMETZ, &collated!("pg_timetz"));
    comparisons(table, oid::JSONB, oid::JSONB, &collated!("pg_jsonb"));
    comparisons(table, oid::BPCHAR, oid::BPCHAR, &collated!("rtrim"));
    for right in [oid::XID, oid::INT4] {
        comparisons(table, oid::XID, right, &PLAIN[..2]);
    }
}

fn integers(table: &mut Vec<Operator>) {
    let width = |left: u32, right: u32| match (left, right) {
        (oid::INT8, _) | (_, oid::INT8) => 2,
        (oid::INT4, _) | (_, oid::INT4) => 1,
        _ => 0,
    };
    const RESULTS: [u32; 3] = [oid::INT2, oid::INT4, oid::INT8];
    const ARITHMETIC: [(&str, [Form; 3]); 4] = [
        ("+", [Call("pg_add_int2"), Call("pg_add_int4"), Call("pg_add_int8")]),
        ("-", [Call("pg_subtract_int2"), Call("pg_subtract_int4"), Call("pg_subtract_int8")]),
        ("*", [Call("pg_multiply_int2"), Call("pg_multiply_int4"), Call("pg_multiply_int8")]),
        ("/", [Call("pg_divide_int2"), Call("pg_divide_int4"), Call("pg_divide_int8")]),
    ];
    for left in RESULTS {
        for right in RESULTS {
            let width = width(left, right);
            for (name, forms) in ARITHMETIC {
                add(table, name, left, right, RESULTS[width], forms[width]);
            }
        }
    }
    const SHIFT_LEFT: [Form; 3] = [
        Pattern("pg_shift_left({0}, {1}, 16)"),
        Pattern("pg_shift_left({0}, {1}, 32)"),
        Pattern("pg_shift_left({0}, {1}, 64)"),
    ];
    const SHIFT_RIGHT: [Form; 3] = [
        Pattern("pg_shift_right({0}, {1}, 16)"),
        Pattern("pg_shift_right({0}, {1}, 32)"),
        Pattern("pg_shift_right({0}, {1}, 64)"),
    ];
    const NEGATE: [Form; 3] =
        [Pattern("pg_subtract_int2(0, {0})"), Pattern("pg_subtract_int4(0, {0})"), Pattern("pg_subtract_int8(0, {0})")];
    const ABSOLUTE: [Form; 3] = [Call("pg_abs_int2"), Call("pg_abs_int4"), Call("pg_abs_int8")];
    for (at, width) in RESULTS.into_iter().enumerate() {
        add(table, "%", width, width, width, Call("pg_modulo_int"));
        add(table, "&", width, width, width, Infix("&"));
        add(table, "|", width, width, width, Infix("|"));
        // SQLite has no exclusive or; the difference of union and intersection is it, and cannot overflow.
        add(table, "#", width, width, width, Call("pg_bit_xor"));
        add(table, "<<", width, oid::INT4, width, SHIFT_LEFT[at]);
        add(table, ">>", width, oid::INT4, width, SHIFT_RIGHT[at]);
        prefix(table, "~", width, width, Form::Prefix("~"));
        prefix(table, "-", width, width, NEGATE[at]);
        prefix(table, "+", width, width, Same);
        prefix(table, "@", width, width, ABSOLUTE[at]);
    }
}

fn floats(table: &mut Vec<Operator>) {
    const ARITHMETIC: [(&str, [Form; 2]); 4] = [
        ("+", [Call("pg_add_float4"), Call("pg_add_float8")]),
        ("-", [Call("pg_subtract_float4"), Call("pg_subtract_float8")]),
        ("*", [Call("pg_multiply_float4"), Call("pg_multiply_float8")]),
        ("/", [Call("pg_divide_float4"), Call("pg_divide_float8")]),
    ];
    for left in [oid::FLOAT4, oid::FLOAT8] {
        for right in [oid::FLOAT4, oid::FLOAT8] {
            let double = left == oid::FLOAT8 || right == oid::FLOAT8;
            for (name, forms) in ARITHMETIC {
                let result = if double { oid::FLOAT8 } else { oid::FLOAT4 };
                add(table, name, left, right, result, forms[usize::from(double)]);
            }
        }
    }
    for float in [oid::FLOAT4, oid::FLOAT8] {
        prefix(table, "-", float, float, Call("pg_negate_float"));
        prefix(table, "+", float, float, Same);
        prefix(table, "@", float, float, Call("pg_abs_float"));
    }
    add(table, "^", oid::NUMERIC, oid::NUMERIC, oid::NUMERIC, Call("pg_power_numeric"));
    add(table, "^", oid::FLOAT8, oid::FLOAT8, oid::FLOAT8, Call("pg_power_float"));
    prefix(table, "|/", oid::FLOAT8, oid::FLOAT8, Call("pg_sqrt_float"));
    prefix(table, "||/", oid::FLOAT8, oid::FLOAT8, Call("pg_cbrt"));
}

fn numerics(table: &mut Vec<Operator>) {
    for (name, form) in [
        ("+", Call("pg_add_numeric")),
        ("-", Call("pg_subtract_numeric")),
        ("*", Call("pg_multiply_numeric")),
        ("/", Call("pg_divide_numeric")),
        ("%", Call("pg_modulo_numeric")),
    ] {
        add(table, name, oid::NUMERIC, oid::NUMERIC, oid::NUMERIC, form);
    }
    prefix(table, "-", oid::NUMERIC, oid::NUMERIC, Call("pg_negate_numeric"));
    prefix(table, "+", oid::NUMERIC, oid::NUMERIC, Same);
    prefix(table, "@", oid::NUMERIC, oid::NUMERIC, Call("pg_abs_numeric"));
}

fn strings(table: &mut Vec<Operator>) {
    add(table, "||", oid::TEXT, oid::TEXT, oid::TEXT, Infix("||"));
    add(table, "||", oid::BYTEA, oid::BYTEA, oid::BYTEA, Call("pg_bytea_concat"));
    // Any other type beside a string is shown by its output function, as `text || anynonarray` casts.
    add(table, "||", oid::TEXT, oid::ANYNONARRAY, oid::TEXT, Form::Special("text || cast of the right side to text"));
    add(table, "||", oid::ANYNONARRAY, oid::TEXT, oid::TEXT, Form::Special("cast of the left side to text || text"));
    add(table, "^@", oid::TEXT, oid::TEXT, oid::BOOL, Call("pg_starts_with"));
    for string in [oid::TEXT, oid::NAME, oid::BPCHAR] {
        for (name, form) in [
            ("~~", Call("pg_like")),
            ("!~~", Pattern("(NOT pg_like({0}, {1}))")),
            ("~~*", Call("pg_ilike")),
            ("!~~*", Pattern("(NOT pg_ilike({0}, {1}))")),
            ("~", Call("pg_regex")),
            ("!~", Pattern("(NOT pg_regex({0}, {1}))")),
            ("~*", Call("pg_iregex")),
            ("!~*", Pattern("(NOT pg_iregex({0}, {1}))")),
        ] {
            add(table, name, string, oid::TEXT, oid::BOOL, form);
        }
    }
    add(table, "~~", oid::BYTEA, oid::BYTEA, oid::BOOL, Call("pg_like_bytea"));
    add(table, "!~~", oid::BYTEA, oid::BYTEA, oid::BOOL, Pattern("(NOT pg_like_bytea({0}, {1}))"));
}
