//! How often one address may ask for a certificate. Pure: the time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Requests that an address may make at once.
const BURST: u32 = 10;
/// Until it may make another.
const EVERY: Duration = Duration::from_secs(6);
/// Addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;

/// What is left to each address.
#[derive(Debug, Default)]
pub struct Allowances {
    /// When all of an address's requests will be left to it again.
    full_at: HashMap<IpAddr, Duration>,
}

impl Allowances {
    /// Takes one request of `address`, or says how long it has to wait.
    ///
    /// # Errors
    /// The wait.
    pub fn take(&mut self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        if self.full_at.len() >= MAX_ADDRESSES && !self.full_at.contains_key(&address) {
            self.full_at.retain(|_, full_at| *full_at > now);
            // All are in use: whoever is new waits until one is not.
            if self.full_at.len() >= MAX_ADDRESSES {
                return Err(EVERY);
            }
        }
        let full_at = self.full_at.entry(address).or_default();
        let after = (*full_at).max(now) + EVERY;
        match after.checked_sub(now + EVERY * BURST) {
            None | Some(Duration::ZERO) => {
                *full_at = after;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_at_a_time() {
        let mut allowances = Allowances::default();
        let at = Duration::from_secs(100);
        for _ in 0..BURST {
            assert_eq!(allowances.take(address(1), at), Ok(()));
        }
        assert_eq!(allowances.take(address(1), at), Err(EVERY));
        assert_eq!(allowances.take(address(2), at), Ok(()), "the other has its own");
        let second = Duration::from_secs(1);
        assert_eq!(allowances.take(address(1), at + EVERY - second), Err(second));
        assert_eq!(allowances.take(address(1), at + EVERY), Ok(()));
        assert_eq!(allowances.take(address(1), at + EVERY), Err(EVERY));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut allowances = Allowances::default();
        for n in 0..MAX_ADDRESSES as u32 {
            assert_eq!(allowances.take(address(n), Duration::ZERO), Ok(()));
        }
        assert_eq!(allowances.take(address(u32::MAX), Duration::ZERO), Err(EVERY));
        assert_eq!(allowances.take(address(u32::MAX), EVERY), Ok(()));
        assert_eq!(allowances.full_at.len(), 1);
    }
}
