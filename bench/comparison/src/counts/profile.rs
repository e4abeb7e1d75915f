//! A profile of callgrind: its total, and which parts of a program it belongs to.

use std::collections::{BTreeMap, HashMap};

/// User-space instructions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Profile {
    pub(super) total: u64,
    /// By part: of Rust the crate of the function that was called (of ours with its module), of C the object file.
    pub(super) parts: BTreeMap<String, u64>,
}

/// Where functions of the C library are that work on plain memory: told apart, as they are copies and comparisons.
const MEMORY: &str = "memory: copies, comparisons";
/// Crates of the gateway start so.
const OURS: &str = "tidegate_dataplane_";

impl Profile {
    /// Reads what callgrind wrote, of one event and with positions by line. A cost counts where it arises: inlined code
    /// belongs to the function that it was inlined into, the line behind `calls=` is what others cost.
    pub(super) fn read(text: &str) -> Self {
        let (mut objects, mut functions) = (HashMap::new(), HashMap::new());
        let (mut object, mut part) = ("", String::new());
        let mut profile = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            match line.split_once('=') {
                Some(("ob", name)) => object = known(&mut objects, name),
                Some(("cob", name)) => drop(known(&mut objects, name)),
                Some(("fn", name)) => part = part_of(known(&mut functions, name), object),
                Some(("cfn", name)) => drop(known(&mut functions, name)),
                Some(("calls", _)) => drop(lines.next()),
                Some(_) => {}
                None => {
                    let Some(cost) = cost(line) else { continue };
                    profile.total += cost;
                    match profile.parts.get_mut(&part) {
                        Some(sum) => *sum += cost,
                        None => drop(profile.parts.insert(part.clone(), cost)),
                    }
                }
            }
        }
        profile
    }

    /// Another process of the same run.
    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        for (part, cost) in other.parts {
            *self.parts.entry(part).or_default() += cost;
        }
    }

    /// What each of so many requests takes that this run has more than a shorter one.
    pub(super) fn each(&self, shorter: &Self, requests: u64) -> (f64, BTreeMap<String, f64>) {
        let more = |of: u64, than: u64| (of as f64 - than as f64) / requests as f64;
        let part = |(name, cost): (&String, &u64)| {
            (name.clone(), more(*cost, shorter.parts.get(name).copied().unwrap_or(0)))
        };
        (more(self.total, shorter.total), self.parts.iter().map(part).collect())
    }
}

/// Names are written once, `(12) name`, and afterwards by number.
fn known<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => names.entry(number).or_insert(name),
        None => names.get(text).copied().unwrap_or_default(),
    }
}

/// Of `+3 120`: a position, by number or in relation to the one before, and a cost.
fn cost(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    let position = position.trim_start_matches(['+', '-', '*']);
    position.bytes().all(|b| b.is_ascii_digit()).then(|| cost.parse().ok())?
}

fn part_of(function: &str, object: &str) -> String {
    let Some(path) = rust_path(function) else {
        let plain = function.trim_start_matches('_');
        let memory = plain.starts_with("mem") || plain.starts_with("bcmp");
        return if memory { MEMORY } else { object.rsplit('/').next().unwrap_or(object) }.to_owned();
    };
    let mut segments = path.split("::");
    let krate = segments.next().unwrap_or(path);
    match (krate.strip_prefix(OURS), segments.next()) {
        (Some(ours), Some(module)) => format!("tidegate {ours}::{module}"),
        _ => krate.to_owned(),
    }
}

/// The path that says which crate a function is of: of `<T as Trait>::method` that of the type, or of the trait where the
/// type is of no crate. None: it is no function of Rust.
fn rust_path(function: &str) -> Option<&str> {
    if !function.contains("::") {
        return None;
    }
    let Some(inside) = function.strip_prefix('<') else {
        // what is dropped says more than that it is
        let dropped = function.strip_prefix("core::ptr::drop_in_place<");
        return Some(dropped.and_then(rust_path).unwrap_or(function));
    };
    let (of, with) = inside.split_once(" as ").unwrap_or((inside, inside));
    let of =
        of.trim_start_matches(['&', '*', '(', '[']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let end = of.find(['<', '>', ',']).unwrap_or(of.len());
    Some(if of[..end].contains("::") { &of[..end] } else { with })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_count_where_they_arise_and_names_are_remembered() {
        let text = "version: 1\npositions: line\nevents: Ir\nsummary: 99\n\nob=(1) /bin/gateway\nfl=(1) a.rs\n\
                    fn=(1) tidegate_dataplane_codec::http::lines::fields\n7 10\n+1 5\nfi=(2) b.rs\n-3 2\n\
                    cob=(2) /lib/libc.so.6\ncfn=(2) __memcpy_avx\ncalls=3 9\n* 400\n* 1\n\n\
                    ob=(2)\nfn=(2)\n9 400\n\nob=(1)\nfn=(1)\n1 30\nfn=(3) start_thread\n5 6\ntotals: 99\n";
        let profile = Profile::read(text);
        let parts: Vec<_> = profile.parts.iter().map(|(part, cost)| (part.as_str(), *cost)).collect();
        assert_eq!(parts, [("gateway", 6), (MEMORY, 400), ("tidegate codec::http", 48)]);
        assert_eq!(profile.total, 454);
    }

    #[test]
    fn a_request_takes_what_a_longer_run_has_more() {
        let of = |total, parts: &[(&str, u64)]| Profile {
            total,
            parts: parts.iter().map(|(part, cost)| ((*part).to_owned(), *cost)).collect(),
        };
        let mut long = of(900, &[("a", 500), ("b", 300)]);
        long.add(of(100, &[("b", 100)]));
        let (total, parts) = long.each(&of(200, &[("a", 100), ("c", 100)]), 10);
        assert_eq!((total, parts["a"], parts["b"]), (80.0, 40.0, 40.0));
    }

    #[test]
    fn a_function_belongs_to_a_crate_or_an_object() {
        for (function, part) in [
            ("tidegate_dataplane_codec::json::scan::Scan::string", "tidegate codec::json"),
            ("<tidegate_dataplane_core::route::Path as core::fmt::Debug>::fmt", "tidegate core::route"),
            ("tokio::runtime::io::registration::Registration::poll_ready", "tokio"),
            ("<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop", "alloc"),
            ("<&mut T as tracing_core::field::Value>::record", "tracing_core"),
            ("<u64 as itoa::Unsigned>::fmt", "itoa"),
            ("core::ptr::drop_in_place<alloc::vec::Vec<u8>>", "alloc"),
            ("core::ptr::drop_in_place<[u8]>", "core"),
            ("__memset_avx2_unaligned_erms", MEMORY),
            ("epoll_wait", "libc.so.6"),
        ] {
            assert_eq!(part_of(function, "/lib/libc.so.6"), part, "{function}");
        }
    }
}
