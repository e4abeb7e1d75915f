use std::fs;

use super::super::scan::scan;
use super::*;

const BOUND: usize = 16;

struct Fixture {
    dir: tempfile::TempDir,
    files: Files,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), files: Files::default() }
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.dir.path().join(name), content).unwrap();
    }

    /// Names read, names gone, and whether another look is needed.
    fn check(&mut self, read: &[&str], gone: &[&str], unsure: bool) {
        let changes = self.files.update(scan(self.dir.path()).unwrap(), BOUND);
        let names = |paths: Vec<&PathBuf>| -> Vec<String> {
            paths.iter().map(|p| p.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(changes.read.iter().map(|(p, _)| p).collect()), read);
        assert_eq!(names(changes.gone.iter().collect()), gone);
        assert_eq!(changes.unsure, unsure);
    }
}

#[test]
fn only_other_content_is_reported() {
    let mut f = Fixture::new();
    f.write("a.yaml", "one");
    f.write("b.yaml", "two");
    f.check(&["a.yaml", "b.yaml"], &[], false);
    f.check(&[], &[], false);
    f.write("a.yaml", "one");
    f.check(&[], &[], false);
    f.write("a.yaml", "six");
    f.check(&["a.yaml"], &[], false);
}

#[test]
fn a_missing_file_is_gone_at_the_second_look() {
    let mut f = Fixture::new();
    f.write("a.yaml", "one");
    f.check(&["a.yaml"], &[], false);
    fs::remove_file(f.dir.path().join("a.yaml")).unwrap();
    f.check(&[], &[], true);
    f.check(&[], &["a.yaml"], false);
    f.check(&[], &[], false);
}

#[test]
fn a_file_that_is_back_at_the_second_look_was_never_gone() {
    let mut f = Fixture::new();
    f.write("a.yaml", "one");
    f.check(&["a.yaml"], &[], false);
    fs::remove_file(f.dir.path().join("a.yaml")).unwrap();
    f.check(&[], &[], true);
    f.write("a.yaml", "two");
    f.check(&["a.yaml"], &[], false);
    f.check(&[], &[], false);
}

#[test]
fn what_lies_behind_an_obstacle_is_not_gone() {
    let mut f = Fixture::new();
    f.write("a.yaml", "one");
    f.check(&["a.yaml"], &[], false);
    for _ in 0..3 {
        let path = f.dir.path().to_owned();
        let obstacle = Obstacle { path, cause: io::Error::from(io::ErrorKind::PermissionDenied) };
        let changes = f.files.update(Listing { obstacles: vec![obstacle], ..Listing::default() }, BOUND);
        assert!(changes.gone.is_empty() && !changes.unsure);
    }
}

#[test]
fn a_large_file_is_read_to_just_beyond_the_bound() {
    let mut f = Fixture::new();
    f.write("a.yaml", &"x".repeat(1000));
    let changes = f.files.update(scan(f.dir.path()).unwrap(), BOUND);
    assert_eq!(changes.read[0].1.len(), BOUND + 1);
}

#[test]
fn an_unreadable_manifest_is_news_once_it_can_be_read_and_gone_once_it_is_removed() {
    let mut f = Fixture::new();
    f.write("a.yaml", "one");
    f.check(&["a.yaml"], &[], false);
    let path = f.dir.path().join("a.yaml");
    let cause = io::Error::from(io::ErrorKind::PermissionDenied);
    let obstacles = vec![Obstacle { path: path.clone(), cause }];
    f.files.update(Listing { obstacles, ..Listing::default() }, BOUND);
    f.check(&["a.yaml"], &[], false);
    fs::remove_file(path).unwrap();
    f.check(&[], &[], true);
    f.check(&[], &["a.yaml"], false);
}
