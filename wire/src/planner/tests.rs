//! The pipeline end to end: texts are planned and run on an in-memory database with the real schema and functions.

mod access;
mod fixture;
mod inference;
mod queries;
mod refusals;
mod writes;
