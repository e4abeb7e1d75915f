//! The committed wire code is what its `.proto` sources generate.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

const COMMITTED: &str = "src/wire/tidegate.v1.rs";

#[test]
fn generated_code_matches_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = generate(&root.join("proto"));
    let committed = root.join(COMMITTED);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let current = std::fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        current == fresh,
        "proto/{COMMITTED} is not what the .proto files generate; run \
         `UPDATE=1 cargo test -p tidegate-proto --test generated`"
    );
}

fn generate(include: &Path) -> String {
    let files = ["table", "push", "inspect", "identity"].map(|name| format!("tidegate/v1/{name}.proto"));
    let descriptors = protox::compile(files, [include]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let grpc = r#"#[cfg(feature = "grpc")]"#;
    tonic_prost_build::configure()
        .out_dir(out.path())
        .emit_rerun_if_changed(false)
        // the shells bring their own channels (Unix sockets), and `connect` is an rpc of ours
        .build_transport(false)
        // the messages must compile without tonic: the pure crates use them
        .client_mod_attribute(".", grpc)
        .server_mod_attribute(".", grpc)
        // hand-written in wire.rs, without the secret
        .skip_debug([".tidegate.v1.SessionKey"])
        .compile_fds(descriptors)
        .unwrap();
    std::fs::read_to_string(out.path().join("tidegate.v1.rs")).unwrap()
}
