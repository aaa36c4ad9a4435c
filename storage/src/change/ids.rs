//! The numbers that identify a change: site, version, sequence, timestamp.
//!
//! Pure. Two cells with equal (site, version, seq) never differ (I1).

use std::fmt;

/// A node's identity: 16 bytes, drawn once when its file is created. Orders by bytes, which decides ties of equal values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(pub [u8; 16]);

impl SiteId {
    /// The site that rows without history belong to (a reseeded file): equal on every node, so that nothing is sent for them.
    pub const BASELINE: Self = Self([0; 16]);

    /// The site of exactly these bytes; `None` unless there are 16.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A random (version 4) UUID made of these 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for SiteId {
    /// As a UUID: 8-4-4-4-12 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Counts the committed transactions of one site, from 1 without holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DbVersion(pub u64);

/// Position of a cell within its transaction, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

/// A hybrid logical clock reading in NTP's 64-bit form: seconds since 1970 in the upper 32 bits, fractions below. 0: unknown.
/// Informs; never decides a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_id_prints_as_a_uuid() {
        let site = SiteId::from_random([0xff; 16]);
        assert_eq!(site.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn a_site_id_has_exactly_sixteen_bytes() {
        assert_eq!(SiteId::from_slice(&[1; 15]), None);
        assert_eq!(SiteId::from_slice(&[1; 17]), None);
        assert_eq!(SiteId::from_slice(&[1; 16]), Some(SiteId([1; 16])));
    }
}
