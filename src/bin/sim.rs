//! `sim [SEED] [--steps N] [--shards N]`: replays one run of the simulator.

fn main() {}
