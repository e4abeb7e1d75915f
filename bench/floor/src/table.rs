//! Medians of the rounds as a table.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::relay::Way;
use crate::round::Cost;

/// One row for each way. Ratios are those to epoll in the same round.
pub(crate) fn of(ways: &[Way], rounds: &[Vec<Cost>]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header(["way", "relay, us", "of it kernel", "of epoll", "process, of epoll", "system calls"]);
    let epoll = ways.iter().position(|way| *way == Way::Epoll).expect("main measures it always");
    for (at, way) in ways.iter().enumerate() {
        let median = |figure: &dyn Fn(&[Cost]) -> f64| median(rounds.iter().map(|round| figure(round)));
        table.add_row([
            way.to_string(),
            format!("{:.2}", median(&|round| round[at].relay / 1000.0)),
            format!("{:.0} %", 100.0 * median(&|round| round[at].kernel / round[at].relay)),
            format!("{:.2}", median(&|round| round[at].relay / round[epoll].relay)),
            format!("{:.2}", median(&|round| round[at].process / round[epoll].process)),
            format!("{:.2}", median(&|round| round[at].calls)),
        ]);
    }
    table
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
