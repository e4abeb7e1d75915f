//! Help, completions and wrong arguments.

use std::path::Path;

use crate::processes::{run, told};

fn check(args: &[&str], code: i32, expected: &[&str]) {
    let (out, err, got) = told(&run(Path::new("/"), args));
    assert_eq!(got, code, "{args:?}: {out}{err}");
    for text in expected {
        assert!(out.contains(text) || err.contains(text), "{args:?}: no {text:?} in {out}{err}");
    }
    assert!(!out.contains('\x1b') && !err.contains('\x1b'), "{args:?}: colours without a terminal");
}

#[test]
fn each_shell_gets_its_completions() {
    check(&["completions", "bash"], 0, &["complete -F", "virtualservers"]);
    check(&["completions", "zsh"], 0, &["#compdef tidegate"]);
    check(&["completions", "fish"], 0, &["complete -c tidegate"]);
}

#[test]
fn help_teaches_by_example() {
    check(&["--help"], 0, &["tidegate up -f ./mcp", "Exit codes: 0 done, 1 failed, 2 wrong arguments."]);
    check(&["up", "--help"], 0, &["tidegate.dev/command", "--listen", "$XDG_STATE_HOME/tidegate"]);
    check(&["get", "--help"], 0, &["tidegate get virtualservers"]);
}

#[test]
fn wrong_arguments_are_exit_code_2() {
    check(&[], 2, &["Usage: tidegate"]);
    check(&["get"], 2, &["<KIND>"]);
    check(&["get", "pods"], 2, &["virtualservers"]);
    check(&["get", "nodes", "--control-plane", "localhost:1"], 2, &["write unix:PATH or http://HOST:PORT"]);
    check(&["up"], 2, &["--file <DIR>"]);
}
