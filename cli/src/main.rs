//! The `corrosion` command: parses arguments and runs one command.
fn main() {}
