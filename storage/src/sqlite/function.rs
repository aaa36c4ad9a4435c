//! Scalar functions in Rust over a shared state.
#![expect(unsafe_code, reason = "C callbacks")]

use std::ffi::{CString, c_int, c_void};
use std::rc::Rc;

use super::cell::{Arg, Cell};
use super::db::{Db, Result, SqliteError};
use super::ffi::{self, api, sqlite3_context, sqlite3_value};

/// Where a function or a virtual table's column puts its result.
#[derive(Debug)]
pub struct Context(*mut sqlite3_context);

impl Context {
    pub(super) fn new(context: *mut sqlite3_context) -> Self {
        Self(context)
    }

    /// Returns a value; bytes are copied.
    pub fn result(&mut self, value: Cell<'_>) {
        // SAFETY: the context is valid during the call; SQLite copies the bytes. Lengths beyond `c_int` cannot come from SQLite.
        unsafe {
            let api = api();
            match value {
                Cell::Null => (api.result_null)(self.0),
                Cell::Integer(i) => (api.result_int64)(self.0, i),
                Cell::Real(r) => (api.result_double)(self.0, r),
                Cell::Text(b) => (api.result_text)(self.0, b.as_ptr().cast(), b.len() as c_int, ffi::TRANSIENT),
                Cell::Blob(b) => (api.result_blob)(self.0, b.as_ptr().cast(), b.len() as c_int, ffi::TRANSIENT),
            }
        }
    }

    /// Returns an error.
    pub fn error(&mut self, message: &str) {
        // SAFETY: SQLite copies the message.
        unsafe { (api().result_error)(self.0, message.as_ptr().cast(), message.len() as c_int) }
    }
}

/// A function's body.
pub type Body<S> = fn(&S, &mut Context, &[Arg]) -> Result<()>;

struct Registered<S> {
    state: Rc<S>,
    body: Body<S>,
}

/// Registers `body` as `name` with `arguments` arguments (-1: any number). `flags`: [`ffi::DETERMINISTIC`], [`ffi::INNOCUOUS`].
pub fn create_function<S: 'static>(
    db: Db,
    name: &str,
    arguments: i32,
    flags: i32,
    state: &Rc<S>,
    body: Body<S>,
) -> Result<()> {
    let c_name = CString::new(name).map_err(|_| SqliteError::new("function name contains a NUL byte"))?;
    let data = Box::into_raw(Box::new(Registered { state: Rc::clone(state), body }));
    // SAFETY: SQLite owns `data` from here and frees it through `drop_registered`, also when this call fails.
    let code = unsafe {
        (api().create_function_v2)(
            db.0,
            c_name.as_ptr(),
            arguments,
            ffi::UTF8 | flags,
            data.cast(),
            Some(call::<S>),
            None,
            None,
            Some(drop_registered::<S>),
        )
    };
    if code == ffi::OK { Ok(()) } else { Err(db.error(code)) }
}

unsafe extern "C" fn drop_registered<S>(data: *mut c_void) {
    // SAFETY: `data` came from `Box::into_raw` in `create_function` and is freed once.
    drop(unsafe { Box::from_raw(data.cast::<Registered<S>>()) });
}

unsafe extern "C" fn call<S>(context: *mut sqlite3_context, argc: c_int, argv: *mut *mut sqlite3_value) {
    // SAFETY: SQLite passes the registered data and a valid argument array.
    let (registered, arguments) =
        unsafe { (&*(api().user_data)(context).cast::<Registered<S>>(), Arg::slice(argc, argv)) };
    let mut context = Context(context);
    if let Err(error) = (registered.body)(&registered.state, &mut context, arguments) {
        context.error(&error.message);
    }
}
