//! The `analyzer` command.

fn main() {}
