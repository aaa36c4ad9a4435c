//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
//!
//! Pure: the nonce is given. Call [`Exchange::on_first`] with the client's first message, send what it returns, then
//! [`Exchange::on_final`]. A user who does not exist, or has no password, goes through the same steps with the same work and
//! fails where a wrong password fails; the salt such a user is shown is the same every time (I10: nothing here grows with
//! what a client sends).
//! Sources: RFC 5802 and 7677; RFC 5929 section 4; `src/backend/libpq/auth-scram.c` for the errors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::verifier::{ITERATIONS, KEY_LEN, SALT_LEN, Verifier, hash, hmac};
use crate::error::{SqlError, sqlstate};

pub(crate) const PLAIN: &str = "SCRAM-SHA-256";
pub(crate) const PLUS: &str = "SCRAM-SHA-256-PLUS";
/// Random bytes in the server's part of the nonce.
pub(crate) const NONCE_LEN: usize = 18;

/// What the client's proof is checked against.
#[derive(Debug)]
pub(crate) struct Credential {
    verifier: Verifier,
    /// False: whatever the proof, it is wrong.
    is_real: bool,
}

impl Credential {
    /// Of the user of that name. `verifier`: as kept, if there is such a user with a password; `secret`: the node's.
    pub(crate) fn of(user: &str, verifier: Option<&str>, secret: &[u8]) -> Self {
        if let Some(verifier) = verifier.and_then(|text| text.parse().ok()) {
            return Self { verifier, is_real: true };
        }
        let salt = hmac(secret, user.as_bytes())[..SALT_LEN].to_vec();
        let verifier = Verifier { iterations: ITERATIONS, salt, stored_key: [0; KEY_LEN], server_key: [0; KEY_LEN] };
        Self { verifier, is_real: false }
    }
}

/// How the proof came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server's last message, which proves to the client that the server knew the password.
    Proven(String),
    WrongPassword,
}

/// One authentication.
#[derive(Debug)]
pub(crate) struct Exchange {
    credential: Credential,
    /// The data of `tls-server-end-point`, if the connection has it.
    binding: Option<Vec<u8>>,
    server_nonce: String,
    /// After the first message: what the client's second one must begin with, and the messages so far.
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    /// `c=`: header and channel binding as the client must repeat them.
    channel: String,
    nonce: String,
    /// The client's first message without its header, and the server's first.
    messages: String,
}

impl Exchange {
    /// `nonce`: fresh random bytes.
    pub(crate) fn new(credential: Credential, binding: Option<Vec<u8>>, nonce: [u8; NONCE_LEN]) -> Self {
        Self { credential, binding, server_nonce: STANDARD.encode(nonce), begun: None }
    }

    /// What the client may choose from, the best first.
    pub(crate) fn mechanisms(&self) -> &'static [&'static str] {
        if self.binding.is_some() { &[PLUS, PLAIN] } else { &[PLAIN] }
    }

    /// Takes the client's first message, and gives the server's.
    ///
    /// # Errors
    /// 08P01 when it is malformed, 28000 when the client was told of other mechanisms than the server told it, 0A000 for
    /// extensions.
    pub(crate) fn on_first(&mut self, mechanism: &str, message: &[u8]) -> Result<String, SqlError> {
        let is_plus = match mechanism {
            PLAIN => false,
            PLUS if self.binding.is_some() => true,
            _ => return Err(violation("client selected an invalid SASL authentication mechanism")),
        };
        let message = text(message)?;
        let (header, bare) = split_header(message)?;
        let channel = self.channel(is_plus, header)?;
        if bare.starts_with("m=") {
            return Err(SqlError::unsupported("client requires an unsupported SCRAM extension"));
        }
        let mut attributes = bare.split(',');
        // The name of the start-up packet counts; this one is sent empty by libpq.
        attributes.next().and_then(|name| name.strip_prefix("n=")).ok_or_else(malformed)?;
        let client_nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or_else(malformed)?;
        if client_nonce.is_empty() || !client_nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(malformed().detail("The nonce is empty or has characters that cannot be printed."));
        }
        let nonce = format!("{client_nonce}{}", self.server_nonce);
        let verifier = &self.credential.verifier;
        let reply = format!("r={nonce},s={},i={}", STANDARD.encode(&verifier.salt), verifier.iterations);
        self.begun = Some(Begun { channel, nonce, messages: format!("{bare},{reply}") });
        Ok(reply)
    }

    /// Header and binding as `c=` repeats them.
    fn channel(&self, is_plus: bool, header: &str) -> Result<String, SqlError> {
        let (flag, _) = header.split_once(',').ok_or_else(malformed)?;
        let binding = match (is_plus, &self.binding) {
            (true, Some(binding)) if flag == "p=tls-server-end-point" => &binding[..],
            (false, Some(_)) if flag == "y" => {
                // Somebody in between may have hidden the better mechanism.
                return Err(negotiation_failed("The client supports channel binding but thinks the server does not."));
            }
            (false, _) if matches!(flag, "n" | "y") => &[],
            (true, _) if flag.starts_with("p=") => {
                return Err(violation("unsupported SCRAM channel-binding type")
                    .detail("The only channel binding is tls-server-end-point."));
            }
            (true | false, _) => return Err(malformed().detail("The channel binding does not fit the mechanism.")),
        };
        Ok(STANDARD.encode([header.as_bytes(), binding].concat()))
    }

    /// Takes the client's final message and judges its proof, in a time that does not depend on what is wrong.
    ///
    /// # Errors
    /// 08P01 when it is malformed or out of turn, 28000 when its channel binding is another's.
    pub(crate) fn on_final(&mut self, message: &[u8]) -> Result<Verdict, SqlError> {
        let begun = self.begun.take().ok_or_else(malformed)?;
        let message = text(message)?;
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or_else(malformed)?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next().and_then(|channel| channel.strip_prefix("c=")).ok_or_else(malformed)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or_else(malformed)?;
        if channel != begun.channel {
            return Err(SqlError::new(sqlstate::INVALID_AUTHORIZATION, "SCRAM channel binding check failed"));
        }
        if nonce != begun.nonce {
            return Err(malformed().detail("The nonce does not match."));
        }
        let proof: [u8; KEY_LEN] =
            STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or_else(malformed)?;
        let verifier = &self.credential.verifier;
        let messages = format!("{},{without_proof}", begun.messages);
        let signature = hmac(&verifier.stored_key, messages.as_bytes());
        let mut client_key = [0; KEY_LEN];
        for (key, (proof, signature)) in client_key.iter_mut().zip(proof.iter().zip(signature)) {
            *key = proof ^ signature;
        }
        let is_right = hash(&client_key).ct_eq(&verifier.stored_key);
        let server_signature = STANDARD.encode(hmac(&verifier.server_key, messages.as_bytes()));
        if bool::from(is_right) && self.credential.is_real {
            Ok(Verdict::Proven(format!("v={server_signature}")))
        } else {
            Ok(Verdict::WrongPassword)
        }
    }
}

/// The header of the first message with its second comma, and the rest.
fn split_header(message: &str) -> Result<(&str, &str), SqlError> {
    let flag = message.find(',').ok_or_else(malformed)?;
    let rest = message.get(flag + 1..).unwrap_or_default();
    let name = rest.find(',').ok_or_else(malformed)?;
    if name > 0 {
        return Err(SqlError::unsupported("client uses authorization identity, but it is not supported"));
    }
    message.split_at_checked(flag + 2).ok_or_else(malformed)
}

fn text(message: &[u8]) -> Result<&str, SqlError> {
    std::str::from_utf8(message).ok().filter(|text| !text.contains('\0')).ok_or_else(malformed)
}

fn malformed() -> SqlError {
    violation("malformed SCRAM message")
}

fn violation(message: &str) -> SqlError {
    SqlError::new(sqlstate::PROTOCOL_VIOLATION, message)
}

fn negotiation_failed(detail: &str) -> SqlError {
    SqlError::new(sqlstate::INVALID_AUTHORIZATION, "SCRAM channel binding negotiation error").detail(detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The client of RFC 5802, for passwords that SASLprep leaves alone.
    struct Client<'a> {
        password: &'a str,
        header: &'a str,
        binding: &'a [u8],
    }

    impl Client<'_> {
        const BARE: &'static str = "n=,r=clientnonce";

        fn first(&self) -> String {
            format!("{}{}", self.header, Self::BARE)
        }

        fn last(&self, server_first: &str) -> String {
            let field = |name: &str| {
                server_first.split(',').find_map(|part| part.strip_prefix(name)).expect("a field").to_owned()
            };
            let salt = STANDARD.decode(field("s=")).expect("base64");
            let iterations = field("i=").parse().expect("a number");
            let mut salted = [0; KEY_LEN];
            ring::pbkdf2::derive(
                ring::pbkdf2::PBKDF2_HMAC_SHA256,
                iterations,
                &salt,
                self.password.as_bytes(),
                &mut salted,
            );
            let key = hmac(&salted, b"Client Key");
            let channel = STANDARD.encode([self.header.as_bytes(), self.binding].concat());
            let without_proof = format!("c={channel},r={}", field("r="));
            let messages = format!("{},{server_first},{without_proof}", Self::BARE);
            let signature = hmac(&hash(&key), messages.as_bytes());
            let proof: Vec<u8> = key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
            format!("{without_proof},p={}", STANDARD.encode(proof))
        }
    }

    fn pencil() -> String {
        Verifier::new("pencil", vec![7; SALT_LEN], ITERATIONS).to_string()
    }

    /// `verifier` None: the user does not exist.
    fn exchange(verifier: Option<&str>, binding: Option<&[u8]>) -> Exchange {
        Exchange::new(Credential::of("ann", verifier, b"secret"), binding.map(<[u8]>::to_vec), [3; NONCE_LEN])
    }

    fn run(exchange: &mut Exchange, mechanism: &str, client: &Client<'_>) -> Result<Verdict, SqlError> {
        let server_first = exchange.on_first(mechanism, client.first().as_bytes())?;
        exchange.on_final(client.last(&server_first).as_bytes())
    }

    const KNOWS: Client<'_> = Client { password: "pencil", header: "n,,", binding: b"" };
    const GUESSES: Client<'_> = Client { password: "pencils", header: "n,,", binding: b"" };
    const BINDS: Client<'_> = Client { password: "pencil", header: "p=tls-server-end-point,,", binding: b"hash" };

    #[test]
    fn the_example_of_rfc_7677() {
        let verifier = Verifier::new("pencil", STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("salt"), ITERATIONS);
        let mut exchange = exchange(Some(&verifier.to_string()), None);
        exchange.server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned();
        assert_eq!(
            exchange.on_first(PLAIN, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").expect("first"),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let proven = Verdict::Proven("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_owned());
        assert_eq!(exchange.on_final(last), Ok(proven));
    }

    #[test]
    fn only_the_password_opens() {
        let run =
            |verifier: Option<&str>, client| run(&mut exchange(verifier, None), PLAIN, client).expect("well-formed");
        assert!(matches!(run(Some(&pencil()), &KNOWS), Verdict::Proven(_)));
        assert_eq!(run(Some(&pencil()), &GUESSES), Verdict::WrongPassword);
        assert_eq!(run(None, &KNOWS), Verdict::WrongPassword);
        assert_eq!(run(Some("no verifier"), &KNOWS), Verdict::WrongPassword);
    }

    /// With keys of zeros the hash of a client key can be found by nobody, but a bug could compare the wrong things.
    #[test]
    fn no_proof_is_right_for_a_user_who_does_not_exist() {
        let mut exchange = exchange(None, None);
        exchange.credential.verifier = pencil().parse().expect("a verifier");
        assert_eq!(run(&mut exchange, PLAIN, &KNOWS), Ok(Verdict::WrongPassword));
    }

    #[test]
    fn a_user_who_does_not_exist_is_answered_like_one_who_does() {
        let first = |user, secret: &[u8]| {
            let mut exchange = Exchange::new(Credential::of(user, None, secret), None, [3; NONCE_LEN]);
            exchange.on_first(PLAIN, b"n,,n=,r=x").expect("first")
        };
        let real = exchange(Some(&pencil()), None).on_first(PLAIN, b"n,,n=,r=x").expect("first");
        let mock = first("ann", b"secret");
        assert_eq!(mock.len(), real.len());
        assert_eq!(mock, first("ann", b"secret"), "asking again tells nothing");
        assert_ne!(mock, first("bob", b"secret"));
        assert_ne!(mock, first("ann", b"another node's"));
    }

    #[test]
    fn channel_binding_ties_the_proof_to_the_servers_certificate() {
        let verifier = pencil();
        let run =
            |binding: Option<&[u8]>, mechanism, client| run(&mut exchange(Some(&verifier), binding), mechanism, client);
        assert!(matches!(run(Some(b"hash"), PLUS, &BINDS), Ok(Verdict::Proven(_))));
        let other = run(Some(b"another certificate's"), PLUS, &BINDS).expect_err("somebody is in between");
        assert_eq!((&*other.sqlstate, other.message.as_str()), ("28000", "SCRAM channel binding check failed"));
        assert!(matches!(run(Some(b"hash"), PLAIN, &KNOWS), Ok(Verdict::Proven(_))), "the client cannot bind");
        let hidden = Client { header: "y,,", ..KNOWS };
        assert_eq!(run(Some(b"hash"), PLAIN, &hidden).expect_err("downgraded").sqlstate, "28000");
        assert!(matches!(run(None, PLAIN, &hidden), Ok(Verdict::Proven(_))), "the server cannot bind");
        assert_eq!(run(None, PLUS, &BINDS).expect_err("not offered").sqlstate, "08P01");
        assert_eq!(run(Some(b"hash"), PLUS, &KNOWS).expect_err("no binding").sqlstate, "08P01");
        assert_eq!(run(Some(b"hash"), PLAIN, &BINDS).expect_err("binding").sqlstate, "08P01");
        let unique = Client { header: "p=tls-unique,,", ..BINDS };
        assert_eq!(
            run(Some(b"hash"), PLUS, &unique).expect_err("type").message,
            "unsupported SCRAM channel-binding type"
        );
    }

    #[test]
    fn malformed_messages_are_refused() {
        for (message, code) in [
            ("", "08P01"),
            ("n", "08P01"),
            ("n,", "08P01"),
            ("x,,n=,r=a", "08P01"),
            ("n,a=root,n=,r=a", "0A000"),
            ("n,,m=x,n=,r=a", "0A000"),
            ("n,,r=a", "08P01"),
            ("n,,n=", "08P01"),
            ("n,,n=,r=", "08P01"),
            ("n,,n=,r=a b", "08P01"),
            ("n,,n=,r=a\0", "08P01"),
        ] {
            let error = exchange(None, None).on_first(PLAIN, message.as_bytes()).expect_err(message);
            assert_eq!(error.sqlstate, code, "{message}");
        }
        for message in [
            "",
            "c=biws",
            "c=biws,r=x,p=AAAA",
            "c=eSws,r=x,p=",
            "r=x,c=biws,p=AAAA",
            ",p=",
            "c=biws,r=xAwMDAwMDAwMDAwMDAwMDAwMD,p=*",
        ] {
            let mut exchange = exchange(None, None);
            exchange.on_first(PLAIN, b"n,,n=,r=x").expect("first");
            assert!(exchange.on_final(message.as_bytes()).is_err(), "{message}");
            assert!(exchange.on_final(message.as_bytes()).is_err(), "and there is no second try");
        }
        assert_eq!(exchange(None, None).on_final(b"c=biws,r=x,p=AAAA").expect_err("out of turn").sqlstate, "08P01");
    }

    proptest! {
        #[test]
        fn random_messages_never_panic_and_never_prove(first in ".{0,40}", last in ".{0,60}", junk in any::<Vec<u8>>()) {
            for first in [first.as_bytes(), &junk, b"n,,n=,r=x"] {
                let mut exchange = exchange(Some(&pencil()), None);
                let _ = exchange.on_first(PLAIN, first);
                prop_assert!(!matches!(exchange.on_final(last.as_bytes()), Ok(Verdict::Proven(_))));
            }
        }
    }
}
