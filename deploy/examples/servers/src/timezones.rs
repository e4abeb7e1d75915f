//! The time-zone server: current time, conversion, names. The zone data is compiled in.

use jiff::civil::{DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{Json, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const INSTRUCTIONS: &str = "Knows the current time in any IANA time zone and converts times between zones. Names of zones \
    look like Europe/Berlin; list_zones finds them by city or region.";
/// Names in one answer of `list_zones`, unless asked for fewer.
const MAX_ZONES: usize = 100;
/// Names offered when a zone is unknown.
const SUGGESTIONS: usize = 5;

/// The server; cheap to clone, each session has its own.
#[derive(Clone)]
pub struct TimeZones {
    zones: TimeZoneDatabase,
    tool_router: ToolRouter<Self>,
}

#[derive(Deserialize, JsonSchema)]
struct CurrentTime {
    /// IANA name of the time zone, e.g. Europe/Berlin or UTC
    time_zone: String,
}

#[derive(Deserialize, JsonSchema)]
struct ConvertTime {
    /// Local time in the zone `from`: 2026-11-23T14:30, or 14:30 for today
    time: String,
    /// IANA name of the zone in which `time` is meant
    from: String,
    /// IANA name of the zone to convert to
    to: String,
}

#[derive(Deserialize, JsonSchema)]
struct ListZones {
    /// Part of the name, in any case, e.g. `berlin` or `America/`; all zones when absent
    filter: Option<String>,
    /// How many names at most, up to 100
    limit: Option<usize>,
}

/// A moment as people in a zone see it.
#[derive(Serialize, JsonSchema)]
struct LocalTime {
    /// IANA name of the zone
    time_zone: String,
    /// Date and time with UTC offset, RFC 3339
    time: String,
    /// Day of the week in English
    weekday: String,
    /// Abbreviation in use at that time, e.g. CET
    abbreviation: String,
    /// Whether daylight saving time is in force
    daylight_saving: bool,
}

#[derive(Serialize, JsonSchema)]
struct Conversion {
    from: LocalTime,
    to: LocalTime,
    /// Says so when the local time exists twice or not at all because clocks change
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct Zones {
    /// Names in alphabetical order
    zones: Vec<String>,
    /// How many match, also those that are not listed
    total: usize,
}

#[tool_router]
impl TimeZones {
    /// With the zone data that is compiled in.
    pub fn new() -> Self {
        Self { zones: TimeZoneDatabase::bundled(), tool_router: Self::tool_router() }
    }

    #[tool(
        description = "The current date and time in one time zone.",
        annotations(
            title = "Current time",
            read_only_hint = true,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    fn current_time(
        &self,
        Parameters(CurrentTime { time_zone }): Parameters<CurrentTime>,
    ) -> Result<Json<LocalTime>, String> {
        let zone = self.zone(&time_zone)?;
        Ok(Json(local(&Timestamp::now().to_zoned(zone))))
    }

    #[tool(
        description = "Converts a local time of one time zone to another, with daylight saving time taken into account.",
        annotations(
            title = "Convert time",
            read_only_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn convert_time(
        &self,
        Parameters(ConvertTime { time, from, to }): Parameters<ConvertTime>,
    ) -> Result<Json<Conversion>, String> {
        let (from, to) = (self.zone(&from)?, self.zone(&to)?);
        let today = Timestamp::now().to_zoned(from.clone()).date();
        let clock = parse_time(&time, today)?;
        let moment = from.to_ambiguous_zoned(clock);
        let note = moment.is_ambiguous().then_some(
            "clocks change at this time: it exists twice (the earlier is meant) or not at all (moved on by the gap)",
        );
        let moment = moment.compatible().map_err(|e| e.to_string())?;
        Ok(Json(Conversion { from: local(&moment), to: local(&moment.with_time_zone(to)), note }))
    }

    #[tool(
        description = "Names of time zones that contain a text.",
        annotations(
            title = "List time zones",
            read_only_hint = true,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    fn list_zones(&self, Parameters(ListZones { filter, limit }): Parameters<ListZones>) -> Json<Zones> {
        let mut zones = self.matching(filter.as_deref().unwrap_or(""));
        let total = zones.len();
        zones.truncate(limit.unwrap_or(MAX_ZONES).min(MAX_ZONES));
        Json(Zones { zones, total })
    }
}

impl Default for TimeZones {
    fn default() -> Self {
        Self::new()
    }
}

impl TimeZones {
    fn zone(&self, name: &str) -> Result<TimeZone, String> {
        self.zones.get(name).map_err(|_| {
            let mut near = self.matching(name.rsplit('/').next().unwrap_or(name));
            near.truncate(SUGGESTIONS);
            if near.is_empty() {
                format!("unknown time zone {name:?}: call list_zones to find its name")
            } else {
                format!("unknown time zone {name:?}: did you mean {}?", near.join(", "))
            }
        })
    }

    /// Zones whose name contains the text; spaces and underscores are the same.
    fn matching(&self, text: &str) -> Vec<String> {
        let wanted = text.trim().to_lowercase().replace(' ', "_");
        let names = self.zones.available().map(|name| name.as_str().to_owned());
        let mut names: Vec<String> = names.filter(|name| name.to_lowercase().contains(&wanted)).collect();
        names.sort_unstable();
        names
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for TimeZones {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("timezones", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }
}

fn parse_time(text: &str, today: jiff::civil::Date) -> Result<DateTime, String> {
    let text = text.trim();
    let clock = text.parse::<Time>().map(|time| today.to_datetime(time));
    text.parse::<DateTime>().or(clock).map_err(|_| {
        format!(
            "cannot read the time {text:?}: write 2026-11-23T14:30, or 14:30 for today, without a UTC offset"
        )
    })
}

fn local(moment: &Zoned) -> LocalTime {
    let info = moment.time_zone().to_offset_info(moment.timestamp());
    LocalTime {
        time_zone: moment.time_zone().iana_name().unwrap_or("unknown").to_owned(),
        time: moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        weekday: moment.strftime("%A").to_string(),
        abbreviation: info.abbreviation().to_owned(),
        daylight_saving: info.dst().is_dst(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(time: &str, from: &str, to: &str) -> Result<(String, bool), String> {
        let arguments = ConvertTime { time: time.into(), from: from.into(), to: to.into() };
        let conversion = TimeZones::new().convert_time(Parameters(arguments))?.0;
        Ok((conversion.to.time, conversion.note.is_some()))
    }

    #[track_caller]
    fn check(time: &str, from: &str, to: &str, expected: &str, noted: bool) {
        assert_eq!(convert(time, from, to), Ok((expected.to_owned(), noted)));
    }

    #[test]
    fn conversions_know_daylight_saving_time() {
        check("2026-01-15T12:00", "Europe/Berlin", "America/New_York", "2026-01-15T06:00:00-05:00", false);
        check("2026-03-20 12:00", "Europe/Berlin", "America/New_York", "2026-03-20T07:00:00-04:00", false);
        check("2026-03-29T02:30", "Europe/Berlin", "UTC", "2026-03-29T01:30:00+00:00", true);
        check("2026-10-25T02:30", "europe/berlin", "UTC", "2026-10-25T00:30:00+00:00", true);
    }

    #[test]
    fn errors_say_what_to_do() {
        let error = convert("12:00", "Berlin", "UTC").unwrap_err();
        assert!(error.contains("did you mean Europe/Berlin"), "{error}");
        let error = convert("12:00", "Atlantis", "UTC").unwrap_err();
        assert!(error.contains("list_zones"), "{error}");
        let error = convert("noon", "UTC", "UTC").unwrap_err();
        assert!(error.contains("2026-11-23T14:30"), "{error}");
    }

    #[test]
    fn zones_are_found_by_part_of_their_name() {
        let list = |filter: &str, limit| {
            let arguments = ListZones { filter: Some(filter.into()), limit };
            TimeZones::new().list_zones(Parameters(arguments)).0
        };
        assert_eq!(list("new york", None).zones, ["America/New_York"]);
        let few = list("europe/", Some(2));
        assert_eq!(few.zones.len(), 2);
        assert!(few.total > 50);
    }
}
