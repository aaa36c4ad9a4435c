//! Address rules: ranges in CIDR notation that a listener lets in.
//!
//! Pure. An IPv4 address in IPv6's clothes (`::ffff:10.0.0.1`, as sockets on `[::]` show it) is the IPv4 address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network: the first `bits` bits of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    network: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressRangeError {
    #[error("`{0}` is no range of addresses such as 10.0.0.0/8, fd00::/8 or 192.168.1.7")]
    Syntax(String),
    /// A typing mistake more often than not: which of the two was meant?
    #[error("`{text}` has bits set outside of its network; write {network}, or {address} for the one address")]
    HostBits { text: String, network: AddressRange, address: IpAddr },
}

impl AddressRange {
    /// Whether the range has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.network.is_ipv4() == address.is_ipv4() && masked(address, self.bits) == self.network
    }
}

impl FromStr for AddressRange {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || AddressRangeError::Syntax(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| syntax())?;
        let width = width(address);
        let bits = match bits {
            // `u8` would read `+8`.
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().map_err(|_| syntax())?,
            Some(_) => return Err(syntax()),
            None => width,
        };
        if bits > width {
            return Err(syntax());
        }
        let network = masked(address, bits);
        if network != address {
            let network = Self { network, bits };
            return Err(AddressRangeError::HostBits { text: text.to_owned(), network, address });
        }
        Ok(Self { network, bits })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with all bits after the first `bits` cleared.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range: AddressRange = range.parse().expect(range);
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(range.contains(address.parse().expect("an address")), expected, "{address} in {range}");
            }
        }
    }

    #[test]
    fn a_range_has_the_addresses_of_its_network_and_no_others() {
        check("10.0.0.0/8", &["10.0.0.0", "10.255.1.2", "::ffff:10.1.1.1"], &["11.0.0.0", "9.255.255.255", "::a00:1"]);
        check("192.168.1.7", &["192.168.1.7"], &["192.168.1.6", "192.168.1.8"]);
        check("192.168.1.128/25", &["192.168.1.128", "192.168.1.255"], &["192.168.1.127"]);
        check("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1", "fd00::1"]);
        check("::/0", &["::1", "fd00::1"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check("fd00::/8", &["fd12:3456::1"], &["fe80::1", "10.0.0.1"]);
        check("::1", &["::1"], &["::2", "127.0.0.1"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let texts =
            ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "a/8", "10.0.0.0/+8", "10.0.0.0/-1", "1.2.3.4/8/8"];
        for text in texts {
            assert_eq!(text.parse::<AddressRange>(), Err(AddressRangeError::Syntax(text.to_owned())));
        }
        let error = "10.1.2.3/8".parse::<AddressRange>().expect_err("host bits");
        assert_eq!(
            error.to_string(),
            "`10.1.2.3/8` has bits set outside of its network; write 10.0.0.0/8, or 10.1.2.3 for the one address"
        );
    }
}
