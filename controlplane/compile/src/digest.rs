//! A digest that spreads names evenly and is the same in every process and release. Not for secrets.

/// FNV-1a over parts, each ended by a byte that no name contains.
pub(crate) fn fnv(parts: &[&str]) -> u32 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |digest, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
