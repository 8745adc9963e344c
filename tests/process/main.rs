//! The real binary, from outside: what it prints, how it ends, how it starts, drains and stops.

mod commands;
mod program;
