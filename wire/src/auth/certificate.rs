//! Two facts of an X.509 certificate: whose name it bears, and what its channel binding is.
//!
//! Pure. Trust is decided before, by the TLS library, which has also checked a client's certificate as a whole. This only
//! walks the few fields on the way; what it does not expect is `None`, never a guess and never a panic.
//! Sources: RFC 5280 section 4.1, RFC 5929 section 4.1, ITU-T X.690.

use ring::digest::{self, Algorithm};

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, the version of a certificate.
const VERSION: u8 = 0xa0;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// Signature algorithms and the hash that a certificate's channel binding uses: the signature's own, or SHA-256 where that
/// is MD5 or SHA-1. An algorithm that is not here (Ed25519, RSA-PSS) has no channel binding.
const BINDINGS: [(&[u8], &Algorithm); 9] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], &digest::SHA384),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], &digest::SHA512),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], &digest::SHA256),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], &digest::SHA384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], &digest::SHA512),
];

/// The subject's common name. `None` if it has none, several, or one that is no plain text: it must say one thing only.
pub(crate) fn common_name(certificate: &[u8]) -> Option<String> {
    let mut fields = Der(Der(Der(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
    if fields.0.first() == Some(&VERSION) {
        fields.take(VERSION)?;
    }
    fields.take(INTEGER)?; // serial number
    fields.take(SEQUENCE)?; // signature algorithm
    fields.take(SEQUENCE)?; // issuer
    fields.take(SEQUENCE)?; // validity
    let mut subject = Der(fields.take(SEQUENCE)?);
    let mut found = None;
    while !subject.0.is_empty() {
        let mut attributes = Der(subject.take(SET)?);
        while !attributes.0.is_empty() {
            let mut attribute = Der(attributes.take(SEQUENCE)?);
            if attribute.take(OBJECT_IDENTIFIER)? != COMMON_NAME {
                continue;
            }
            if found.is_some() {
                return None;
            }
            found = Some(plain_text(&mut attribute)?);
        }
    }
    found
}

fn plain_text(value: &mut Der<'_>) -> Option<String> {
    let (tag, bytes) = value.next()?;
    if ![UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// The data of channel binding `tls-server-end-point`: a hash of the server's certificate.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Der(Der(certificate).take(SEQUENCE)?);
    fields.take(SEQUENCE)?; // what is signed
    let algorithm = Der(fields.take(SEQUENCE)?).take(OBJECT_IDENTIFIER)?;
    let (_, hash) = BINDINGS.iter().find(|(identifier, _)| *identifier == algorithm)?;
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

/// What is left of a run of DER values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The contents of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, contents) = self.next()?;
        (found == tag).then_some(contents)
    }

    /// Tag and contents of the next value.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, short], rest) = self.0.split_first_chunk::<2>()?;
        let (len, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            // The length itself has one to three bytes; no certificate has 16 MiB.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                (bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, contents))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SignatureAlgorithm};

    use super::*;

    fn certificate(names: &[(DnType, &str)], algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let mut params = CertificateParams::new(vec!["db.example".to_owned()]).expect("a name");
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.self_signed(&key).expect("signed").der().to_vec()
    }

    fn ecdsa(names: &[(DnType, &str)]) -> Vec<u8> {
        certificate(names, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    #[test]
    fn the_common_name_is_the_subjects() {
        let both = ecdsa(&[(DnType::OrganizationName, "acme"), (DnType::CommonName, "ann é")]);
        assert_eq!(common_name(&both).as_deref(), Some("ann é"));
        assert_eq!(common_name(&ecdsa(&[(DnType::OrganizationName, "acme")])), None);
        assert_eq!(common_name(&ecdsa(&[(DnType::CommonName, "a\0b")])), None);
        assert_eq!(common_name(&ecdsa(&[(DnType::CommonName, "")])), None);
    }

    #[test]
    fn a_subject_with_two_common_names_has_none() {
        let one = ecdsa(&[(DnType::CommonName, "ann"), (DnType::CustomDnType(vec![2, 5, 4, 4]), "bob")]);
        assert_eq!(common_name(&one).as_deref(), Some("ann"));
        // The surname (2.5.4.4) becomes a second common name; signatures are not looked at here.
        let at = one.windows(3).position(|bytes| bytes == [0x55, 0x04, 0x04]).expect("the attribute");
        let mut two = one;
        while let Some(next) = two.windows(3).position(|bytes| bytes == [0x55, 0x04, 0x04]) {
            two[next + 2] = 3;
        }
        assert!(at > 0);
        assert_eq!(common_name(&two), None);
    }

    #[test]
    fn the_end_point_is_hashed_as_the_certificate_is_signed() {
        for (algorithm, hash) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, &digest::SHA256), (&rcgen::PKCS_ECDSA_P384_SHA384, &digest::SHA384)]
        {
            let certificate = certificate(&[], algorithm);
            let expected = digest::digest(hash, &certificate);
            assert_eq!(end_point(&certificate).as_deref(), Some(expected.as_ref()));
        }
        assert_eq!(end_point(&certificate(&[], &rcgen::PKCS_ED25519)), None);
    }

    proptest! {
        #[test]
        fn random_bytes_and_broken_certificates_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0..300_usize, byte: u8,
        ) {
            let mut broken = ecdsa(&[(DnType::CommonName, "ann")]);
            if let Some(place) = broken.get_mut(at) {
                *place = byte;
            }
            for der in [bytes, broken] {
                let _ = common_name(&der);
                let _ = end_point(&der);
            }
        }
    }
}
