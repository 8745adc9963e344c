//! The program: arguments, configuration, `server::run`; nothing else.

fn main() {}
