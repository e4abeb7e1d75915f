//! Golden tests: `testdata/<case>/*.yaml` in; table, status and diagnostics out. `UPDATE=1` rewrites the goldens.

#[path = "golden/steps.rs"]
mod steps;
#[path = "golden/support.rs"]
mod support;

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use support::{Case, Expected, cases, overlay, render, store_of, view_of};
use tidegate_controlplane_api::{Diagnostic, Document, GoDuration, Store};
use tidegate_controlplane_compile::{ClusterView, compile, hold, hold_commands};

#[test]
fn every_case_compiles_to_its_golden_whatever_the_order_of_its_documents() {
    let mut expected = Expected::default();
    for case in cases("") {
        let store = store_of(&case.files);
        let mut documents: Vec<Arc<Document>> = store.documents().cloned().collect();
        let golden = render(&store, &compile(&view_of(&case, &store, documents.iter().cloned())));
        for (file, content) in &golden {
            expected.check(&case.dir.join(file), content);
        }
        for seed in 0..8 {
            documents.shuffle(&mut StdRng::seed_from_u64(seed));
            let shuffled = compile(&view_of(&case, &store, documents.iter().cloned()));
            assert_eq!(render(&store, &shuffled), golden, "{}: seed {seed}", case.name);
        }
    }
    expected.finish();
}

#[test]
fn a_broken_manifest_changes_nothing_that_is_served() {
    let mut expected = Expected::default();
    let base = cases("broken").into_iter().find(|case| case.name == "base").unwrap().files;
    let served = store_of(&base);
    let before = compile(&ClusterView::of(&served));
    assert!(!before.has_errors(), "{:#?}", before.diagnostics);
    assert_eq!(served.diagnostics().count(), 0);
    let broken: Vec<Case> = cases("broken").into_iter().filter(|case| case.name != "base").collect();
    assert!(broken.len() >= 30, "{} broken manifests", broken.len());
    for Case { name, dir, files, .. } in broken {
        let mut store = served.clone();
        for (file, bytes) in files.into_iter().chain(overlay(&name)) {
            store.update(&file, Some(&bytes));
        }
        let after = compile(&ClusterView::of(&store));
        assert_eq!(hold(&before.table, &after), before.table, "{name}");
        assert_eq!(hold_commands(&before.commands, &after), *before.commands, "{name}");
        let diagnostics: Vec<&Diagnostic> = store.diagnostics().chain(after.diagnostics.iter()).collect();
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.is_error()), "{name}: no error");
        for diagnostic in &diagnostics {
            assert!(diagnostic.source.is_some() && !diagnostic.remedy.is_empty(), "{name}: {diagnostic}");
        }
        let lines: String = diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
        expected.check(&dir.join("diagnostics.txt"), &lines);
    }
    expected.finish();
}

#[test]
fn no_damage_to_a_manifest_makes_reading_or_compiling_panic() {
    let base = cases("broken").into_iter().find(|case| case.name == "base").unwrap().files;
    let mut random = StdRng::seed_from_u64(7);
    for round in 0..2000 {
        let mut store = Store::new();
        for (file, bytes) in &base {
            let mut bytes = bytes.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                match round % 4 {
                    0 => bytes[at] = random.random_range(b' '..=b'~'),
                    1 => drop(bytes.remove(at)),
                    2 => bytes.insert(at, b"\n:-{}[]&*!|>'\"\t#"[random.random_range(0..16)]),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            store.update(file, Some(&bytes));
        }
        compile(&ClusterView::of(&store));
    }
}

#[test]
fn a_thousand_virtual_servers_over_two_thousand_backends_compile() {
    let mut text = String::new();
    for n in 0..1000 {
        text += &support::tenant(n);
    }
    let started = std::time::Instant::now();
    let mut store = Store::new();
    for (n, part) in text.split("# part\n").enumerate() {
        store.update(&format!("{n}.yaml"), Some(part.as_bytes()));
    }
    let read = started.elapsed();
    let view = ClusterView::of(&store);
    let viewed = started.elapsed();
    let compiled = compile(&view);
    let all = started.elapsed();
    println!("read {read:?}, view {:?}, compile {:?}", viewed - read, all - viewed);
    assert!(compiled.diagnostics.is_empty(), "{}", compiled.diagnostics[0]);
    assert_eq!(compiled.table.virtual_servers().count(), 1000);
    assert_eq!(compiled.table.backends().count(), 2000);
}

#[test]
fn e5_a_probe_timeout_not_below_the_interval_is_a_configuration_error() {
    let case = cases("").into_iter().find(|case| case.name == "health-timeout-not-below-interval").unwrap();
    let compiled = compile(&ClusterView::of(&store_of(&case.files)));
    let errors: Vec<&Diagnostic> =
        compiled.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    assert!(!errors.is_empty());
    for error in errors {
        let text = &error.message;
        let (timeout, rest) = text.strip_prefix("healthCheckTimeout (").unwrap().split_once(')').unwrap();
        let (interval, rest) =
            rest.strip_prefix(" must be less than healthCheckInterval (").unwrap().split_once(')').unwrap();
        assert_eq!(rest, " to prevent checks from queuing up", "{text}");
        let [timeout, interval] = [timeout, interval].map(|text| GoDuration::parse(text).unwrap());
        assert!(timeout >= interval, "{text}");
        assert!(error.object.is_some() && error.field.is_some() && !error.remedy.is_empty(), "{error:?}");
    }
    assert_eq!(compiled.table.virtual_servers().count(), 0);
}
