//! Classes of bytes, as one table.

/// Of a token (RFC 9110, 5.6.2): methods, field names, connection options.
pub(crate) const TOKEN: u8 = 1;
/// Of a field name that no CGI-like interface folds into another: letters, digits and `-`.
pub(crate) const PLAIN: u8 = 2;
/// Of a host name or IPv4 address.
pub(crate) const HOST: u8 = 4;
/// Of a path or query (RFC 3986), `%` apart.
pub(crate) const TARGET: u8 = 8;
/// Of a field value, reason or chunk extension: no control character but TAB.
pub(crate) const TEXT: u8 = 16;

static CLASSES: [u8; 256] = {
    let mut t = [0; 256];
    let mut c = 0;
    while c < 256 {
        let b = c as u8;
        if b.is_ascii_alphanumeric() {
            t[c] |= TOKEN | PLAIN | HOST | TARGET;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            t[c] |= TEXT;
        }
        c += 1;
    }
    add(
        add(add(add(t, b"!#$%&'*+-.^_`|~", TOKEN), b"-", PLAIN), b"-._~", HOST),
        b"/?-._~!$&'()*+,;=:@",
        TARGET,
    )
};

const fn add(mut t: [u8; 256], members: &[u8], class: u8) -> [u8; 256] {
    let mut i = 0;
    while i < members.len() {
        t[members[i] as usize] |= class;
        i += 1;
    }
    t
}

/// Is this byte of the class?
#[inline]
pub(crate) fn is(c: u8, class: u8) -> bool {
    CLASSES[usize::from(c)] & class != 0
}

/// Is there a byte, and are all of the class?
#[inline]
pub(crate) fn all(b: &[u8], class: u8) -> bool {
    !b.is_empty() && b.iter().all(|c| is(*c, class))
}
