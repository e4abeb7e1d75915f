//! The binary tidegate: up, validate, get, describe
fn main() {}
