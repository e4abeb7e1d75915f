//! What is printed: a line for each figure, as soon as it is known.

use std::time::Duration;

/// Says one.
pub(crate) fn add(name: &str, value: impl AsRef<str>) {
    println!("{name:<62} {}", value.as_ref());
}

/// Median, 99th percentile and maximum of some times.
pub(crate) fn times(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share).div_ceil(100).clamp(1, times.len()) - 1];
    if times.is_empty() {
        return add(name, "none");
    }
    add(name, format!("p50 {}, p99 {}, max {}", millis(at(50)), millis(at(99)), millis(at(100))));
}

/// For times of seconds.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
