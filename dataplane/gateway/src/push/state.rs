//! Last-known-good on disk. Blocking: called at boot and from threads that may block.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_proto::keys::KeyRing;
use tidegate_proto::persist::{self, PersistError, Saved};
use tidegate_proto::push::MAX_MESSAGE;
use tidegate_proto::table::Table;

const TABLE_FILE: &str = "last-known-good.table";
const KEYS_FILE: &str = "session-keys";

/// How the name of a file ends that is being written.
const TEMPORARY: &str = ".tmp";

/// A file is written within moments: one that was not renamed after this time never will be.
const LEFTOVER: Duration = Duration::from_secs(60);

/// Largest file that is read: a table came in one message, and a little is put around it.
const MAX_FILE: u64 = 2 * MAX_MESSAGE as u64;

/// What a node boots from.
#[derive(Debug, Default)]
pub struct LoadedState {
    /// The last table that was served; none at the first boot or when its file is damaged.
    pub saved: Option<Saved>,
    /// The session keys; none likewise.
    pub keys: Option<KeyRing>,
    /// What was wrong, in words for the operator. Never fatal.
    pub problems: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot be read")]
    Io(#[from] io::Error),
    #[error("is larger than {MAX_FILE} bytes")]
    TooLarge,
    #[error("is damaged")]
    Damaged(#[from] PersistError),
}

/// Reads what the node last served. A damaged file is reported and moved aside, so that it can be looked at
/// and is not reported again.
pub fn load_last_known_good(state_dir: &Path) -> LoadedState {
    remove_leftovers(state_dir, SystemTime::now());
    let mut problems = Vec::new();
    let saved = load(&state_dir.join(TABLE_FILE), persist::decode, &mut problems);
    let keys_file = state_dir.join(KEYS_FILE);
    problems.extend(exposure(&keys_file));
    let keys = load(&keys_file, persist::decode_keys, &mut problems);
    LoadedState { saved, keys, problems }
}

/// Writes the table so that a crash of the process leaves the old file or the new one. A crash of the machine
/// is [`sync_table`]'s: waiting for the disk here would hold up the verdict, and with it the next edit.
pub(super) fn save_table(state_dir: &Path, table: &Table, epoch: u64) -> io::Result<()> {
    replace(state_dir, TABLE_FILE, &persist::encode(table, epoch), 0o644).map(drop)
}

/// Waits until the table is on the disk.
pub(super) fn sync_table(state_dir: &Path) -> io::Result<()> {
    File::open(state_dir.join(TABLE_FILE))?.sync_all()?;
    File::open(state_dir)?.sync_all()
}

/// Writes the session keys likewise, for the owner only, and waits for the disk.
pub(super) fn save_keys(state_dir: &Path, keys: &KeyRing) -> io::Result<()> {
    replace(state_dir, KEYS_FILE, &persist::encode_keys(keys), 0o600)?.sync_all()?;
    File::open(state_dir)?.sync_all()
}

fn load<T>(
    path: &Path,
    decode: fn(&[u8]) -> Result<T, PersistError>,
    problems: &mut Vec<String>,
) -> Option<T> {
    let error = match read(path).and_then(|bytes| bytes.map(|b| decode(&b)).transpose().map_err(Into::into)) {
        Ok(value) => return value,
        Err(error) => error,
    };
    let mut problem = format!("{} {}", path.display(), chain(&error));
    if !matches!(error, ReadError::Io(_)) {
        let aside = aside(path);
        match fs::rename(path, &aside) {
            Ok(()) => problem.push_str(&format!("; moved to {}", aside.display())),
            Err(e) => problem.push_str(&format!("; cannot be moved aside: {e}")),
        }
    }
    problems.push(problem);
    None
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE { Err(ReadError::TooLarge) } else { Ok(Some(bytes)) }
}

/// Says so when others can read the keys.
fn exposure(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let open = mode & 0o077 != 0;
    open.then(|| format!("{} has mode {mode:o}: others can read the session keys", path.display()))
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    path.with_file_name(name)
}

fn chain(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Replaces a file whole; what is returned can be synced to the disk.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<File> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    // while one process takes over from another, both write here: no name is used twice
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let temporary = dir.join(format!(".{name}.{}-{nanos}{TEMPORARY}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    let done = file.write_all(bytes).and_then(|()| fs::rename(&temporary, dir.join(name)));
    if done.is_err() {
        // what is left is old before long, and removed by the next boot
        let _ = fs::remove_file(&temporary);
    }
    done.map(|()| file)
}

/// Removes what a crash left half-written; what is young may be another process's.
fn remove_leftovers(dir: &Path, now: SystemTime) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let old = || now.duration_since(entry.metadata().ok()?.modified().ok()?).ok();
        if name.to_string_lossy().ends_with(TEMPORARY) && old().is_some_and(|age| age > LEFTOVER) {
            // one that stays does no harm
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_proto::keys::SessionKey;

    fn ring() -> KeyRing {
        KeyRing { keys: vec![SessionKey { id: "k1".into(), secret: [7; 32] }] }
    }

    #[test]
    fn an_empty_directory_is_a_first_boot() {
        let dir = tempfile::tempdir().unwrap();
        let loaded = load_last_known_good(&dir.path().join("missing"));
        assert!(loaded.saved.is_none() && loaded.keys.is_none() && loaded.problems.is_empty());
    }

    #[test]
    fn what_was_saved_is_loaded_and_the_keys_are_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        save_table(&state, &Table::default(), 7).unwrap();
        save_keys(&state, &ring()).unwrap();
        save_keys(&state, &ring()).unwrap();
        let loaded = load_last_known_good(&state);
        assert_eq!(loaded.problems, [""; 0]);
        assert_eq!(
            (loaded.saved, loaded.keys),
            (Some(Saved { table: Table::default(), epoch: 7 }), Some(ring()))
        );
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(KEYS_FILE))), (0o700, 0o600));
    }

    #[test]
    fn a_damaged_file_is_reported_once_and_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        save_table(dir.path(), &Table::default(), 0).unwrap();
        save_keys(dir.path(), &ring()).unwrap();
        let path = dir.path().join(TABLE_FILE);
        let mut bytes = fs::read(&path).unwrap();
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        let loaded = load_last_known_good(dir.path());
        assert_eq!(loaded.keys, Some(ring()), "the other file counts");
        let path = path.display();
        let expected = format!("{path} is damaged: is truncated: 51 bytes of 52; moved to {path}.damaged");
        assert_eq!(loaded.problems, [expected]);
        assert!(load_last_known_good(dir.path()).problems.is_empty());
        assert_eq!(fs::read(dir.path().join(format!("{TABLE_FILE}.damaged"))).unwrap(), bytes);
    }

    #[test]
    fn writers_do_not_disturb_each_other_and_leave_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| save_keys(dir.path(), &ring()).unwrap()));
            }
        });
        assert_eq!(load_last_known_good(dir.path()).keys, Some(ring()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_crash_left_is_removed_once_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        save_keys(dir.path(), &ring()).unwrap();
        fs::write(dir.path().join(".session-keys.1-2.tmp"), "half").unwrap();
        for (age, left) in [(0, 2), (59, 2), (120, 1)] {
            remove_leftovers(dir.path(), SystemTime::now() + Duration::from_secs(age));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), left, "after {age} s");
        }
    }

    #[test]
    fn keys_that_others_can_read_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        save_keys(dir.path(), &ring()).unwrap();
        let path = dir.path().join(KEYS_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let loaded = load_last_known_good(dir.path());
        assert_eq!(loaded.keys, Some(ring()));
        let expected = format!("{} has mode 640: others can read the session keys", path.display());
        assert_eq!(loaded.problems, [expected]);
    }
}
