//! The binary tidegate-dataplane: arguments, wiring, drain
fn main() {}
