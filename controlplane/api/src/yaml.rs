//! YAML (and so JSON) to values with positions. Reads what `kubectl` reads: YAML 1.2 with the booleans,
//! octal numbers and merge keys of 1.1.

mod build;
mod scalar;
mod spot;

pub(crate) use build::{Flaw, Stream, Tree, parse};
pub(crate) use spot::{Inside, Mark, Segment, Spot, path_string};
