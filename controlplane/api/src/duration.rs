//! Durations in Go's notation, as the resources write them: `30s`, `1h30m`, `1.5s`, `250µs` (spec 1.0).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

use crate::read::Complaint;

/// A duration that was written in Go's notation; displays in Go's canonical form (`1m30s`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub Duration);

/// Go's `time.Duration` counts nanoseconds in 63 bits.
const MAX_NANOS: u128 = i64::MAX as u128;

impl GoDuration {
    /// A whole number of seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`; nothing else, no sign, no bare `0`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut nanos) = (text, 0_u128);
        while !rest.is_empty() {
            let (part, after) = component(rest)?;
            nanos = nanos.checked_add(part)?;
            rest = after;
        }
        (!text.is_empty() && nanos <= MAX_NANOS)
            .then(|| Self(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))))
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// One `1.5h`, as nanoseconds, and what follows it.
fn component(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest)?,
        None => ("", rest),
    };
    let (unit, rest) = unit(rest)?;
    let whole = whole.parse::<u128>().ok().filter(|n| *n <= MAX_NANOS)?.checked_mul(unit)?;
    Some((whole + fraction_of(fraction, unit), rest))
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The unit in nanoseconds. Longer names first: `ms` before `m`.
fn unit(text: &str) -> Option<(u128, &str)> {
    const UNITS: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    UNITS.iter().find_map(|(name, nanos)| text.strip_prefix(name).map(|rest| (*nanos, rest)))
}

/// `0.fraction` units in nanoseconds; what lies below a nanosecond is dropped.
fn fraction_of(fraction: &str, unit: u128) -> u128 {
    let kept = &fraction[..fraction.len().min(15)];
    let places = kept.bytes().fold(1_u128, |scale, _| scale * 10);
    kept.parse::<u128>().map_or(0, |value| value * unit / places)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", decimal(nanos, 1_000_000)),
            _ => {
                let minutes = nanos / 60_000_000_000;
                let (hours, minutes) = (minutes / 60, minutes % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write!(f, "{}s", decimal(nanos % 60_000_000_000, 1_000_000_000))
            }
        }
    }
}

/// `value / scale` without trailing zeros; `scale` is a power of ten.
fn decimal(value: u128, scale: u128) -> String {
    let places = scale.to_string().len() - 1;
    let fraction = format!("{:0places$}", value % scale);
    match fraction.trim_end_matches('0') {
        "" => (value / scale).to_string(),
        fraction => format!("{}.{fraction}", value / scale),
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    /// The length has a bound because the API server wants to know what a rule may cost.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$";
        json_schema!({"type": "string", "pattern": pattern, "maxLength": 64})
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        GoDuration::parse(&text).ok_or_else(|| {
            de::Error::custom(Complaint {
                code: "bad-duration",
                message: format!("{text:?} is not a duration"),
                remedy: "write numbers with units (h, m, s, ms), such as 30s or 1m30s".to_owned(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_and_shown_as_go_shows_them() {
        let check = |text: &str, expected: Option<(u64, &str)>| {
            let read = GoDuration::parse(text);
            let nanos = read.map(|d| u64::try_from(d.0.as_nanos()).unwrap());
            assert_eq!(nanos, expected.map(|(nanos, _)| nanos), "{text}");
            assert_eq!(read.map(|d| d.to_string()).as_deref(), expected.map(|(_, shown)| shown), "{text}");
        };
        check("30s", Some((30_000_000_000, "30s")));
        check("1h30m", Some((5_400_000_000_000, "1h30m0s")));
        check("1.5s", Some((1_500_000_000, "1.5s")));
        check("250µs", Some((250_000, "250µs")));
        check("250us", Some((250_000, "250µs")));
        check("1500ms", Some((1_500_000_000, "1.5s")));
        check("90s", Some((90_000_000_000, "1m30s")));
        check("7ns", Some((7, "7ns")));
        check("0s", Some((0, "0s")));
        check("0.0000000001s", Some((0, "0s")));
        for bad in ["", "30", "0", "s", "-5s", "+5s", "1.s", ".5s", "1h 30m", "10d", "5S", "99999999999h"] {
            check(bad, None);
        }
    }
}
