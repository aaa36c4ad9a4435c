//! PostgreSQL's language as text: tokens, syntax trees, and which statement it is.
//!
//! | file | what it does |
//! |---|---|
//! | [`lexer`] | text -> tokens; the cache key of a statement |
//! | [`literal`] | the values that literal tokens stand for |
//! | [`keyword`] | which words may be a name where |
//! | [`ast`] | the tree, with a byte offset wherever PostgreSQL would point in an error |
//! | [`parse`] | tokens -> tree; `syntax error at or near ..` |
//! | [`utility`] | statements that act on the session |
//! | [`classify`] | statements of PostgreSQL that this server does not have |

pub(crate) mod ast;
pub(crate) mod classify;
mod cursor;
pub(crate) mod keyword;
pub(crate) mod lexer;
pub(crate) mod literal;
pub(crate) mod parse;
pub(crate) mod utility;
