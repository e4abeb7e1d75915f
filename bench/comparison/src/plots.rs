//! The plots, as SVG.

use std::path::Path;

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::results::{Outcome, Results};

const WIDTH: u32 = 1000;
const BAR: u32 = 16;
/// Where the names of the scenarios end.
const NAMES: i32 = 270;
/// Left of the legend, and for the figure behind the longest bar.
const MARGIN: i32 = 90;
const TEXT: (&str, i32) = ("sans-serif", 13);

/// A bar for a target in a scenario.
struct Bar {
    target: String,
    value: f64,
}

/// Draws what there is and names the files.
pub(crate) fn draw(results: &Results, folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut drawn = Vec::new();
    let groups = groups(results, |o, name| o.ratio(name, "nginx", |s| s.cpu_us).map(|s| s.median));
    if !groups.is_empty() {
        bars(&folder.join("cpu.svg"), "CPU per request in relation to nginx (fastmcp left out)", &groups)?;
        drawn.push("cpu.svg".to_owned());
    }
    let rate = groups_of_rate(results);
    if !rate.is_empty() {
        bars(&folder.join("throughput.svg"), "Requests per second in relation to direct", &rate)?;
        drawn.push("throughput.svg".to_owned());
    }
    for outcome in results.outcomes.iter().filter(|o| o.scenario.counted && !o.targets.is_empty()) {
        let file = format!("latency-{}.svg", outcome.scenario.name);
        latency(&folder.join(&file), outcome)?;
        drawn.push(file);
    }
    Ok(drawn)
}

fn groups_of_rate(results: &Results) -> Vec<(String, Vec<Bar>)> {
    groups(results, |o, name| o.ratio(name, "direct", |s| Some(s.load.per_second)).map(|s| s.median))
}

/// The values of each scenario that has some. FastMCP's are orders of magnitude away: they are in the tables.
fn groups(results: &Results, value: impl Fn(&Outcome, &str) -> Option<f64>) -> Vec<(String, Vec<Bar>)> {
    let group = |outcome: &Outcome| {
        let named = outcome.targets.iter().filter(|t| t.name != "fastmcp");
        let bar = |t: &crate::results::OfTarget| {
            Some(Bar { target: t.name.clone(), value: value(outcome, &t.name)? })
        };
        let bars: Vec<_> = named.filter_map(bar).collect();
        (!bars.is_empty()).then(|| (outcome.scenario.name.clone(), bars))
    };
    results.outcomes.iter().filter_map(group).collect()
}

/// Horizontal bars, a group for each scenario.
fn bars(file: &Path, title: &str, groups: &[(String, Vec<Bar>)]) -> anyhow::Result<()> {
    let rows: u32 = groups.iter().map(|(_, bars)| bars.len() as u32 + 1).sum();
    let root = SVGBackend::new(file, (WIDTH, rows * BAR + 50)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw_text(title, &("sans-serif", 18).into_text_style(&root), (10, 10))?;
    let most =
        groups.iter().flat_map(|(_, bars)| bars).map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let scale = f64::from(WIDTH as i32 - NAMES - MARGIN - 70) / most;
    let mut y = 45;
    for (name, bars) in groups {
        root.draw_text(name, &TEXT.into_text_style(&root), (10, y))?;
        for bar in bars {
            row(&root, bar, scale, y)?;
            y += BAR as i32;
        }
        y += BAR as i32;
    }
    root.present()?;
    Ok(())
}

fn row(root: &DrawingArea<SVGBackend<'_>, Shift>, bar: &Bar, scale: f64, y: i32) -> anyhow::Result<()> {
    let left = NAMES + 70;
    let right = left + (bar.value * scale) as i32;
    let style = TEXT.into_text_style(root);
    root.draw_text(&bar.target, &style, (NAMES, y))?;
    let filled = color(&bar.target).filled();
    root.draw(&Rectangle::new([(left, y + 1), (right.max(left + 1), y + BAR as i32 - 2)], filled))?;
    root.draw_text(&format!("{:.2}", bar.value), &style, (right + 6, y))?;
    Ok(())
}

/// The distribution of the latency of each target: all percentiles, the tail drawn out.
fn latency(file: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let lines: Vec<(&str, Vec<(f64, f64)>)> = outcome
        .targets
        .iter()
        .filter_map(|t| Some((t.name.as_str(), curve(&t.rounds.last()?.load.latency_us.percentiles))))
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points).map(|(_, us)| us.max(1.0));
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    if lines.is_empty() || low >= high {
        return Ok(());
    }
    let root = SVGBackend::new(file, (WIDTH, 500)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(format!("Latency of {}, last round", outcome.scenario.name), ("sans-serif", 18))
        .margin(15)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..4.2, (low..high * 1.1).log_scale())?;
    let mut mesh = chart.configure_mesh();
    let nines = |x: &f64| format!("{}", round(100.0 - 100.0 / 10f64.powf(*x)));
    mesh.x_desc("percentile").y_desc("microseconds").x_labels(5).x_label_formatter(&nines).draw()?;
    for (name, points) in &lines {
        let color = color(name);
        let series = LineSeries::new(points.iter().copied(), color.stroke_width(2));
        let drawn = chart.draw_series(series)?.label(*name);
        drawn.legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
    root.present().map_err(|e| anyhow!("{}: {e}", file.display()))
}

/// Percentiles by their number of nines: 90 is 1, 99 is 2; up to 99.99, as the last is a single request.
fn curve(percentiles: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let told = percentiles.iter().filter(|(percentile, _)| *percentile < 100.0);
    told.map(|(percentile, us)| (-(1.0 - percentile / 100.0).log10(), us.max(1.0))).collect()
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn color(target: &str) -> RGBColor {
    match target {
        "direct" => RGBColor(150, 150, 150),
        "tidegate" => RGBColor(0, 110, 180),
        "nginx" => RGBColor(0, 150, 80),
        "haproxy" => RGBColor(220, 130, 0),
        "pingora" => RGBColor(190, 60, 60),
        "fastmcp" => RGBColor(130, 80, 170),
        _ => RGBColor(60, 60, 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_placed_by_their_nines() {
        let placed = curve(&[(0.0, 5.0), (90.0, 7.0), (99.0, 9.0), (100.0, 80.0)]);
        let rounded: Vec<_> = placed.iter().map(|(x, us)| (round(*x), *us)).collect();
        assert_eq!(rounded, [(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)]);
    }
}
