# `just` lists the recipes.

default:
    @just --list

# both planes and the example servers, with a call made and answered
quickstart:
    scripts/quickstart

# everything that CI runs
test:
    scripts/test

# format, lints, dependency rules
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test -q -p tidegate-controlplane-cli --test dependencies

fmt:
    cargo fmt --all

# rewrite goldens, generated code and generated docs
update:
    UPDATE=1 cargo test -q -p tidegate-proto --test generated
    UPDATE=1 cargo test -q -p tidegate-controlplane-compile
    UPDATE=1 cargo test -q -p tidegate-dataplane-core

# integration tests of one plane: dataplane or controlplane
it plane:
    cargo build --workspace --bins
    cargo test -p tidegate-{{plane}}-server --test it

fuzz target seconds="60":
    cd dataplane/codec && cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

# CPU, latency and memory beside other proxies; --counts for system calls and instructions
bench *args:
    bench/compare {{args}}

# the ratios to nginx in two minutes, once everything is built
bench-quick *args:
    bench/compare --quick {{args}}

deny:
    cargo deny check
