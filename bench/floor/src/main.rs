//! `tidegate-floor`: what a relay costs that parses nothing, by each way that the kernel offers to wait for bytes and
//! to move them. It says what the gateway could gain by leaving epoll; `docs/performance.md` keeps what came out.

mod cpu;
mod peers;
mod relay;
mod round;
mod sockets;
mod table;

use std::time::Duration;

use clap::Parser;

use crate::peers::Exchange;
use crate::relay::Way;

/// Measures a relay that parses nothing by each way to wait for bytes and to move them.
///
/// One thread asks in a closed loop, one relays, one answers, all in this process. Prints the CPU time of the relaying
/// thread and of the whole process per request, each in relation to epoll in the same round, and the relay's system
/// calls per request: medians of all rounds.
#[derive(Parser)]
#[command(name = "tidegate-floor", version, max_term_width = 110)]
struct Args {
    /// Rounds; the ways take turns within each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long each way is loaded in a round, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(50..))]
    millis: u64,
    /// Only these ways
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WAY,…", default_values_t = Way::ALL)]
    ways: Vec<Way>,
}

/// Bytes asked with, bytes answered with, connections.
const EXCHANGES: [(Exchange, usize); 9] = [
    (Exchange { ask: 512, answer: 512 }, 1),
    (Exchange { ask: 512, answer: 512 }, 16),
    (Exchange { ask: 512, answer: 512 }, 64),
    (Exchange { ask: 16 << 10, answer: 16 << 10 }, 1),
    (Exchange { ask: 16 << 10, answer: 16 << 10 }, 16),
    (Exchange { ask: 16 << 10, answer: 16 << 10 }, 64),
    (Exchange { ask: 512, answer: 1 << 20 }, 1),
    (Exchange { ask: 512, answer: 1 << 20 }, 16),
    (Exchange { ask: 512, answer: 5 << 20 }, 16),
];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut ways = args.ways;
    if !ways.contains(&Way::Epoll) {
        ways.insert(0, Way::Epoll);
    }
    let time = Duration::from_millis(args.millis);
    for (exchange, connections) in EXCHANGES {
        let mut rounds = Vec::new();
        for _ in 0..args.rounds {
            let measure = |way: &Way| round::measure(*way, exchange, connections, time);
            rounds.push(ways.iter().map(measure).collect::<anyhow::Result<Vec<_>>>()?);
        }
        println!("\n{} B asked, {} B answered, {connections} connections", exchange.ask, exchange.answer);
        println!("{}", table::of(&ways, &rounds));
    }
    Ok(())
}
