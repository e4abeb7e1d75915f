use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn check(prepare: impl FnOnce(&Path), expected: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    prepare(dir.path());
    let listing = scan(dir.path()).expect("a listing");
    let found: Vec<_> =
        listing.files.keys().map(|p| p.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(found, expected);
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

#[test]
fn manifests_are_found_by_extension_in_every_directory() {
    check(
        |root| {
            for name in ["a.yaml", "b.yml", "c.json", "d.txt", "sub/deep/e.yaml", "f.yaml~", ".g.yaml.swp"] {
                write(&root.join(name));
            }
        },
        &["a.yaml", "b.yml", "c.json", "sub/deep/e.yaml"],
    );
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    check(
        |root| {
            write(&root.join("..2026_01/a.yaml"));
            symlink("..2026_01", root.join("..data")).unwrap();
            symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        },
        &["a.yaml"],
    );
}

#[test]
fn links_in_a_circle_and_second_ways_to_a_file_are_taken_once() {
    check(
        |root| {
            write(&root.join("sub/a.yaml"));
            symlink("..", root.join("sub/up")).unwrap();
            symlink("sub", root.join("also")).unwrap();
            symlink("sub/a.yaml", root.join("again.yaml")).unwrap();
        },
        &["sub/a.yaml"],
    );
}

#[test]
fn a_linked_directory_outside_is_read_and_watched() {
    let outside = tempfile::tempdir().unwrap();
    write(&outside.path().join("x.yaml"));
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("linked")).unwrap();
    let listing = scan(dir.path()).unwrap();
    assert!(listing.files.contains_key(&dir.path().join("linked/x.yaml")));
    assert!(listing.directories.contains(&outside.path().canonicalize().unwrap()));
}

#[test]
fn what_cannot_be_looked_at_is_an_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere.yaml", dir.path().join("dangling.yaml")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    fs::create_dir(dir.path().join("folder.yaml")).unwrap();
    let listing = scan(dir.path()).unwrap();
    let names: Vec<_> =
        listing.obstacles.iter().map(|o| o.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["dangling.yaml"]);
}

#[test]
fn a_missing_root_is_an_error_and_not_an_empty_listing() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(scan(&dir.path().join("gone")), Err(ScanError::Root { .. })));
}

#[test]
fn a_young_stamp_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("a.yaml"));
    let stamp = Stamp::of(&fs::metadata(dir.path().join("a.yaml")).unwrap());
    assert!(!stamp.settled(stamp.modified_ns + 1, 20));
    assert!(stamp.settled(stamp.changed_ns.max(stamp.modified_ns) + 21, 20));
}
