//! `tidegate validate` on directories, files and standard input.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::processes::{fixture, run, temporary, tidegate, told};

/// Compares with a file beside the fixtures; `UPDATE=1` writes it.
#[track_caller]
pub(crate) fn check_golden(name: &str, text: &str) {
    let path = fixture(name);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} differs; UPDATE=1 rewrites it");
}

#[test]
fn a_good_directory_has_no_errors() {
    let (out, err, code) = told(&run(&fixture("good"), &["validate", "-f", "."]));
    assert_eq!((err.as_str(), code), ("", 0), "{out}");
    check_golden("good.txt", &out);
}

#[test]
fn each_error_of_a_broken_directory_names_place_object_field_and_remedy() {
    let (out, err, code) = told(&run(&fixture("broken"), &["validate", "-f", "."]));
    assert_eq!((err.as_str(), code), ("", 1), "{out}");
    check_golden("broken.txt", &out);
}

#[test]
fn json_has_the_same_findings() {
    let (out, _, code) = told(&run(&fixture("broken"), &["validate", "-f", ".", "-o", "json"]));
    assert_eq!(code, 1);
    check_golden("broken.json", &out);
}

#[test]
fn files_are_checked_together() {
    let good = std::fs::read_to_string(fixture("good/demo.yaml")).unwrap();
    let parts: Vec<_> = good.split("---\n").collect();
    let dir = temporary();
    for (name, part) in ["group.yaml", "server.yaml", "vmcp.yaml"].iter().zip(&parts) {
        std::fs::write(dir.path().join(name), part).unwrap();
    }
    let all = ["validate", "-f", "group.yaml", "-f", "server.yaml", "-f", "vmcp.yaml"];
    assert_eq!(told(&run(dir.path(), &all)).2, 0);
    let (out, _, code) = told(&run(dir.path(), &["validate", "-f", "vmcp.yaml"]));
    assert_eq!(code, 1);
    assert!(out.contains("vmcp.yaml:") && out.contains("spec.groupRef"), "{out}");
}

#[test]
fn standard_input_is_a_file_like_others() {
    let mut child = tidegate()
        .args(["validate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"kind: [").unwrap();
    let (out, _, code) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, 1);
    assert!(out.starts_with("<stdin>:2:1: error[yaml-syntax]: "), "{out}");
}

#[test]
fn what_cannot_be_read_is_an_error_of_the_command() {
    let (out, err, code) = told(&run(Path::new("/"), &["validate", "-f", "missing-file"]));
    assert_eq!((out.as_str(), code), ("", 1));
    assert!(err.starts_with("error: -f missing-file: No such file"), "{err}");
}
