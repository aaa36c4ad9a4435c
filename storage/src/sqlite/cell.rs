//! A value inside SQLite, borrowed: text stays bytes, because SQLite does not promise UTF-8.
#![expect(unsafe_code, reason = "reads sqlite3_value")]

use std::ffi::c_int;

use super::ffi::{api, sqlite3_value};
use crate::value::{Value, ValueRef};

/// A borrowed SQLite value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// Same storage class and same bytes. `1` and `1.0` differ; so do texts that a collation calls equal, and `-0.0` and
    /// `0.0`: a change that is not captured because SQLite calls the two equal never reaches the other nodes (I6).
    pub fn same(self, other: Self) -> bool {
        match (self, other) {
            (Cell::Real(l), Cell::Real(r)) => l.to_bits() == r.to_bits(),
            (l, r) => l == r,
        }
    }

    /// The integer, if it is one.
    pub fn integer(self) -> Option<i64> {
        if let Cell::Integer(i) = self { Some(i) } else { None }
    }

    /// The bytes of a text or blob.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Cell::Text(b) | Cell::Blob(b) => Some(b),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) => None,
        }
    }

    /// The text, if it is valid UTF-8.
    pub fn text(self) -> Option<&'a str> {
        if let Cell::Text(b) = self { std::str::from_utf8(b).ok() } else { None }
    }

    /// Copies the value. Text that is not UTF-8 becomes a blob: it has no other faithful form outside SQLite.
    pub fn to_value(self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Integer(i) => Value::Integer(i),
            Cell::Real(r) => Value::Real(r),
            Cell::Text(b) => {
                std::str::from_utf8(b).map_or_else(|_| Value::Blob(b.to_vec()), |t| Value::Text(t.to_owned()))
            }
            Cell::Blob(b) => Value::Blob(b.to_vec()),
        }
    }
}

impl<'a> From<ValueRef<'a>> for Cell<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(i) => Cell::Integer(i),
            ValueRef::Real(r) => Cell::Real(r),
            ValueRef::Text(t) => Cell::Text(t.as_bytes()),
            ValueRef::Blob(b) => Cell::Blob(b),
        }
    }
}

impl<'a> From<&'a Value> for Cell<'a> {
    fn from(value: &'a Value) -> Self {
        value.as_ref().into()
    }
}

/// An argument of a function or virtual table, valid during the call.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Arg(*mut sqlite3_value);

impl Arg {
    /// The arguments of a C call.
    ///
    /// # Safety
    /// `argv` holds `argc` values that stay valid for the returned lifetime.
    pub(super) unsafe fn slice<'a>(argc: c_int, argv: *mut *mut sqlite3_value) -> &'a [Self] {
        if argc <= 0 || argv.is_null() {
            return &[];
        }
        // SAFETY: the caller promises the array; `Arg` has the layout of its only field.
        unsafe { std::slice::from_raw_parts(argv.cast::<Self>(), argc as usize) }
    }

    /// Wraps a value obtained from SQLite.
    ///
    /// # Safety
    /// `value` is valid for as long as the result is used.
    #[cfg(feature = "bundled")]
    pub(crate) unsafe fn from_raw(value: *mut sqlite3_value) -> Self {
        Self(value)
    }

    /// The value.
    #[inline]
    pub fn cell<'a>(self) -> Cell<'a>
    where
        Self: 'a,
    {
        // SAFETY: an `Arg` exists only during the call whose values SQLite keeps valid; reading bytes before their length
        // follows SQLite's rule for value conversions (no conversion takes place: the type is asked first).
        unsafe {
            let api = api();
            match (api.value_type)(self.0) {
                1 => Cell::Integer((api.value_int64)(self.0)),
                2 => Cell::Real((api.value_double)(self.0)),
                3 => {
                    let data = (api.value_text)(self.0);
                    Cell::Text(bytes(data, (api.value_bytes)(self.0)))
                }
                4 => {
                    let data = (api.value_blob)(self.0);
                    Cell::Blob(bytes(data.cast(), (api.value_bytes)(self.0)))
                }
                _ => Cell::Null,
            }
        }
    }
}

/// # Safety
/// `data` is null or points to `length` bytes valid for the returned lifetime.
pub(super) unsafe fn bytes<'a>(data: *const u8, length: c_int) -> &'a [u8] {
    if data.is_null() || length <= 0 {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(data, length as usize) }
}
