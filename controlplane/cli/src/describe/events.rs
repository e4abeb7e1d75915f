//! Events of an object, newest last.

use k8s_openapi::api::events::v1::Event;

use crate::table::{Cell, Grid, Tone};

/// The newest of them are shown.
const MOST: usize = 20;

/// A title and a table.
pub(super) fn section(mut events: Vec<Event>, ago: impl Fn(u64) -> String) -> (String, Grid) {
    events.sort_by_key(last_seen);
    let before = events.len().saturating_sub(MOST);
    let title = if before == 0 { "Events".to_owned() } else { format!("Latest events of {}", events.len()) };
    let row = |event: &Event| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (kind, time) = (text(&event.type_), ago(last_seen(event)));
        let tone = if kind == "Warning" { Tone::Doubtful } else { Tone::Plain };
        vec![
            Cell::new(kind, tone),
            text(&event.reason).into(),
            match count(event) {
                0 | 1 => time.into(),
                count => format!("{time} (x{count})").into(),
            },
            text(&event.reporting_controller).into(),
            text(&event.note).into(),
        ]
    };
    (title, Grid::new(["TYPE", "REASON", "AGE", "FROM", "MESSAGE"], events[before..].iter().map(row)))
}

/// Milliseconds of Unix time; 0: not known.
fn last_seen(event: &Event) -> u64 {
    let again = event.series.as_ref().map(|series| series.last_observed_time.0);
    let old = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    let created = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let time = again.or(old).or(first).or(created).map_or(0, |time| time.as_millisecond());
    u64::try_from(time).unwrap_or(0)
}

fn count(event: &Event) -> i32 {
    event.series.as_ref().map(|series| series.count).or(event.deprecated_count).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::events::v1::EventSeries;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::paint::Paint;

    fn event(reason: &str, second: i64) -> Event {
        let event_time = Timestamp::from_second(second).ok().map(MicroTime);
        Event { type_: Some("Warning".into()), reason: Some(reason.into()), event_time, ..Event::default() }
    }

    #[test]
    fn the_newest_is_last_and_repetition_is_counted() {
        let last_observed_time = MicroTime(Timestamp::from_second(9).unwrap());
        let again = Event { series: Some(EventSeries { count: 3, last_observed_time }), ..event("Again", 1) };
        let (title, grid) = section(vec![again, event("Once", 5)], |ms| format!("at {ms}"));
        let expected = "\
TYPE      REASON   AGE            FROM   MESSAGE
Warning   Once     at 5000
Warning   Again    at 9000 (x3)";
        assert_eq!((title.as_str(), grid.render(Paint::off(), None).as_str()), ("Events", expected));
    }

    #[test]
    fn old_ones_are_counted_only() {
        let many = (0..50).map(|second| event("Many", second)).collect();
        let (title, grid) = section(many, |ms| ms.to_string());
        assert_eq!((title.as_str(), grid.len()), ("Latest events of 50", MOST));
        assert!(grid.render(Paint::off(), None).contains("49000"));
    }
}
