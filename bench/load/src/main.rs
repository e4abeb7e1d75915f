//! Load generator: closed and open loop, latency histograms, counts
fn main() {}
