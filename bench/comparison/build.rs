//! The version of Pingora that the plain proxy is built with, as the lock file pins it: the crate tells it nobody.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let lock = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = fs::read_to_string(&lock)?;
    let mut lines = text.lines().skip_while(|line| *line != r#"name = "pingora-proxy""#);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = "));
    let version = version.ok_or("pingora-proxy is not in Cargo.lock")?.trim_matches('"');
    println!("cargo::rustc-env=PINGORA_VERSION={version}");
    Ok(())
}
