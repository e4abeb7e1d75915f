//! The `Connection` field: whether the connection ends, and which other fields it takes out.

use super::field::Field;
use super::lines::Fields;
use super::{HttpError, class};

/// Names a `Connection` field may nominate; more only serve to make the proxy work.
const MAX_NOMINATED: usize = 16;

/// What all `Connection` fields of a head say together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Connection {
    /// `close` is among the options.
    pub(super) close: bool,
    nominated: usize,
}

impl Connection {
    /// Reads one `Connection` field; `of` tells the meaning of a nominated name. A nominated field that means
    /// something to the gateway is refused: it would mean it to one side of the connection only.
    pub(super) fn read(&mut self, value: &[u8], of: impl Fn(&[u8]) -> Field) -> Result<(), HttpError> {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            return Ok(());
        }
        for option in options(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
                continue;
            }
            if !class::all(option, class::TOKEN) {
                return Err(HttpError::BadRequest("connection"));
            }
            match of(option) {
                Field::Drop => {}
                Field::Pass | Field::Told(_) if self.nominated < MAX_NOMINATED => self.nominated += 1,
                Field::Upgrade => return Err(HttpError::NotImplemented("upgrade")),
                _ => return Err(HttpError::BadRequest("connection names a field it must not")),
            }
        }
        Ok(())
    }

    /// Takes the nominated fields out of `pass` (one bit a field).
    pub(super) fn take_out(&self, fields: &Fields<'_, '_>, mut pass: u64) -> u64 {
        if self.nominated == 0 {
            return pass;
        }
        for c in fields.iter().filter(|f| f.name.eq_ignore_ascii_case(b"connection")) {
            for option in options(c.value) {
                for (i, f) in fields.iter().enumerate() {
                    if f.name.eq_ignore_ascii_case(option) {
                        pass &= !(1 << i);
                    }
                }
            }
        }
        pass
    }
}

fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|c| *c == b',').map(|o| o.trim_ascii()).filter(|o| !o.is_empty())
}
