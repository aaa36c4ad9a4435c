//! Who gets in: users and passwords, TLS, client certificates, addresses, several listeners on one node.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use postgres::{Client, Config, NoTls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tests::certificates::Authority;
use tests::node::{Node, Setup};
use tests::psql::Printed;
use tests::wait::wait_until;

const DATABASE: &str = "[db]\npath = 'node.db'\n[admin]\npath = 'admin.sock'\n";
const TLS: &str = "cert_file = 'server.pem', key_file = 'server.key'";

/// A node's directory with these listeners, a server certificate, and client certificates of ann and mallory, the latter
/// signed by somebody else.
fn setup(listeners: &str) -> Setup {
    let setup = Setup::file(&format!("{DATABASE}{listeners}"));
    let authority = Authority::new("ours");
    let dir = setup.path("");
    std::fs::write(setup.path("ca.pem"), authority.pem()).expect("write the authority");
    authority.server().write(&dir, "server");
    authority.client("ann").write(&dir, "ann");
    Authority::new("theirs").client("ann").write(&dir, "mallory");
    setup
}

/// `corrosion user add` with the password on standard input.
fn add(setup: &Setup, name: &str, role: &str, password: &str) {
    let printed = setup.run_with_input(&["user", "add", name, "--role", role], &format!("{password}\n"));
    assert!(printed.success && printed.stdout.is_empty(), "{}", printed.stderr);
}

/// `select current_user` by psql with these words of a connection string.
fn psql(node: &Node, listener: usize, words: &str) -> Printed {
    let address = node.listeners()[listener];
    let mut server = node.server();
    server.port = address.port();
    // Relative names of files are psql's own.
    let dir = node.path("").display().to_string();
    server.database = format!("dbname=corrosion {}", words.replace("./", &dir));
    server.script(&["-Atq", "-w"], "select current_user")
}

#[track_caller]
fn gets_in(node: &Node, listener: usize, words: &str, user: &str) {
    let printed = psql(node, listener, words);
    assert_eq!((printed.stdout.trim_end(), &*printed.stderr), (user, ""), "{words}");
}

#[track_caller]
fn stays_out(node: &Node, listener: usize, words: &str, why: &str) {
    let printed = psql(node, listener, words);
    assert!(!printed.success && printed.stdout.is_empty(), "{words}");
    assert!(printed.stderr.contains(why), "{words}: {}", printed.stderr);
}

/// SQLSTATE and message of a refused connection.
fn refusal(address: SocketAddr, user: &str, password: &str) -> (String, String) {
    let mut config = Config::new();
    config.host("127.0.0.1").port(address.port()).user(user).dbname("corrosion").password(password);
    let error = config.connect(NoTls).err().expect("refused");
    let error = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((error.severity(), error.detail(), error.hint()), ("FATAL", None, None));
    (error.code().code().to_owned(), error.message().to_owned())
}

#[test]
fn users_are_managed_while_the_node_runs_and_while_it_rests() {
    let setup = setup("[api.pg]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\n");
    add(&setup, "ann", "admin", "secret of ann");
    let node = setup.start();
    add(&setup, "Bob \"the\" reader", "read-only", "secret of bob");
    let printed = setup.run(&["user", "add", "carl", "--role", "read-write", "--no-password"]);
    assert!(printed.success, "{}", printed.stderr);
    let list = "name              role        password\nBob \"the\" reader  read-only   yes\nann               admin       yes\n\
                carl              read-write  no\n";
    assert_eq!(setup.run(&["user", "list"]).stdout, list);
    gets_in(&node, 0, "user=ann password='secret of ann'", "ann");
    gets_in(&node, 0, "user='Bob \"the\" reader' password='secret of bob'", "Bob \"the\" reader");
    stays_out(&node, 0, "user=carl password=x", "password authentication failed for user \"carl\"");

    let printed = setup.run_with_input(&["user", "set-password", "ann"], "another\n");
    assert!(printed.success, "{}", printed.stderr);
    stays_out(&node, 0, "user=ann password='secret of ann'", "password authentication failed for user \"ann\"");
    gets_in(&node, 0, "user=ann password=another", "ann");
    assert!(setup.run(&["user", "set-role", "carl", "read-only"]).success);
    assert!(setup.run(&["user", "remove", "Bob \"the\" reader"]).success);
    for (command, message) in [
        (&["user", "remove", "nobody"][..], "user \"nobody\" does not exist"),
        (&["user", "set-role", "nobody", "admin"], "user \"nobody\" does not exist"),
        (&["user", "add", "ann", "--role", "admin", "--no-password"], "user \"ann\" exists already"),
        (&["user", "add", "pg_x", "--role", "admin", "--no-password"], "\"pg_x\" cannot be the name of a user"),
        (&["user", "add", "dora", "--role", "admin"], "the password is empty"),
    ] {
        let printed = setup.run(command);
        assert!(!printed.success && printed.stderr.contains(message), "{command:?}: {}", printed.stderr);
    }
    node.stop();
    let list = "name  role        password\nann   admin       yes\ncarl  read-only   no\n";
    assert_eq!(setup.run(&["user", "list"]).stdout, list);
    let log = std::fs::read_to_string(setup.path("log-0")).expect("the log");
    assert!(!log.contains("secret") && !log.contains("SCRAM-SHA-256$"), "{log}");
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let setup = setup("[api.pg]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\n");
    add(&setup, "ann", "admin", "secret");
    let node = setup.start();
    let address = node.listeners()[0];
    for (user, password) in [("ann", "Secret"), ("ann", "secret "), ("nobody", "secret"), ("Ann", "secret")] {
        let message = format!("password authentication failed for user \"{user}\"");
        assert_eq!(refusal(address, user, password), ("28P01".to_owned(), message));
    }
    // The salt that a user who does not exist is shown looks like one, and stays.
    let challenge = |user: &str| {
        let mut raw = Raw::connect(address);
        raw.start(user);
        assert_eq!(raw.message().1[4..], *b"SCRAM-SHA-256\0\0");
        raw.send(b'p', b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abc");
        let (tag, body) = raw.message();
        let text = String::from_utf8_lossy(&body[4..]).into_owned();
        let salt = text.split(',').find_map(|part| part.strip_prefix("s=")).expect("a salt").to_owned();
        assert!(text.ends_with(",i=4096"), "{text}");
        (tag, body.len(), salt)
    };
    let (real, mock) = (challenge("ann"), challenge("nobody"));
    assert_eq!((real.0, real.1, real.2.len()), (mock.0, mock.1, mock.2.len()));
    assert_eq!(challenge("nobody").2, mock.2);
    assert_eq!(challenge("ann").2, real.2);
    assert_ne!(challenge("somebody").2, mock.2);
    node.stop();
}

#[test]
fn messages_that_are_no_password_end_the_connection() {
    let setup = setup("[api.pg]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\n");
    let node = setup.start();
    let long = vec![b'x'; 2_000];
    for (tag, body) in [
        (b'p', &b""[..]),
        (b'p', b"SCRAM-SHA-256\0\0\0\0\xff"),
        (b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        (b'p', b"SCRAM-SHA-1\0\0\0\0\x0bn,,n=,r=abc"),
        (b'p', b"SCRAM-SHA-256-PLUS\0\0\0\0\x0bn,,n=,r=abc"),
        (b'p', &long),
        (b'Q', b"select 1\0"),
        (b'X', b""),
    ] {
        let mut raw = Raw::connect(node.listeners()[0]);
        raw.start("ann");
        raw.message();
        raw.send(tag, body);
        assert_eq!(raw.error(), "08P01", "{}", String::from_utf8_lossy(body));
    }
    node.stop();
}

#[test]
fn tls_verifies_the_server_and_binds_the_password_to_it() {
    let setup = setup(&format!("[api.pg]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\ntls = {{ {TLS} }}\n"));
    add(&setup, "ann", "admin", "secret");
    let node = setup.start();
    let good = "user=ann password=secret sslrootcert=./ca.pem";
    gets_in(&node, 0, &format!("{good} sslmode=verify-full channel_binding=require"), "ann");
    gets_in(&node, 0, &format!("{good} sslmode=verify-full host=localhost channel_binding=disable"), "ann");
    gets_in(&node, 0, "user=ann password=secret sslmode=require", "ann");
    gets_in(&node, 0, "user=ann password=secret sslmode=require ssl_max_protocol_version=TLSv1.2", "ann");
    stays_out(&node, 0, "user=ann password=wrong sslmode=require", "password authentication failed for user \"ann\"");
    stays_out(
        &node,
        0,
        "user=ann password=secret sslmode=verify-full sslrootcert=./mallory.pem",
        "certificate verify failed",
    );
    stays_out(&node, 0, "user=ann password=secret sslmode=disable", "This listener takes encrypted connections only.");
    let address = node.listeners()[0];
    let mut raw = Raw::connect(address);
    raw.start("ann");
    assert_eq!(raw.error(), "28000");
    node.stop();
}

#[test]
fn certificates_are_read_again_on_reload_and_bad_ones_change_nothing() {
    let setup = setup(&format!("[api.pg]\naddr = '127.0.0.1:0'\ntls = {{ {TLS} }}\n"));
    let node = setup.start();
    let words = "user=ann sslmode=verify-full sslrootcert=./ca.pem";
    gets_in(&node, 0, words, "ann");
    std::fs::write(setup.path("server.pem"), "no certificate").expect("write");
    let printed = setup.run(&["reload"]);
    assert!(!printed.success && printed.stderr.contains("holds no certificate"), "{}", printed.stderr);
    gets_in(&node, 0, words, "ann");
    let other = Authority::new("the next year's");
    other.server().write(&setup.path(""), "server");
    std::fs::write(setup.path("ca2.pem"), other.pem()).expect("write");
    let printed = setup.run(&["reload"]);
    assert!(printed.success && printed.stderr.contains("certificates read again"), "{}", printed.stderr);
    gets_in(&node, 0, "user=ann sslmode=verify-full sslrootcert=./ca2.pem", "ann");
    stays_out(&node, 0, words, "certificate verify failed");
    node.stop();
}

#[test]
fn client_certificates_prove_a_name() {
    let ca = "ca_file = 'ca.pem'";
    let setup = setup(&format!(
        "[[api.pg]]\naddr = '127.0.0.1:0'\nauth = 'cert'\ntls = {{ {TLS}, {ca} }}\n\
         [[api.pg]]\naddr = '127.0.0.1:0'\nauth = 'scram-sha-256'\ntls = {{ {TLS}, {ca}, verify_client = true }}\n\
         [[api.pg]]\naddr = '127.0.0.1:0'\ntls = {{ {TLS}, {ca}, verify_client = true }}\n"
    ));
    for (name, password) in [("ann", "secret"), ("bob", "secret of bob")] {
        add(&setup, name, "read-write", password);
    }
    let node = setup.start();
    let ann = "sslmode=verify-full sslrootcert=./ca.pem sslcert=./ann.pem sslkey=./ann.key";
    let nobody = "sslmode=verify-full sslrootcert=./ca.pem sslcert=./none.pem";
    let mallory = "sslmode=verify-full sslrootcert=./ca.pem sslcert=./mallory.pem sslkey=./mallory.key";
    gets_in(&node, 0, &format!("user=ann {ann}"), "ann");
    stays_out(&node, 0, &format!("user=bob {ann}"), "certificate authentication failed for user \"bob\"");
    // With a verified certificate and any name, trust.
    gets_in(&node, 2, &format!("user=carl {ann}"), "carl");
    // With the password too.
    gets_in(&node, 1, &format!("user=bob password='secret of bob' {ann}"), "bob");
    stays_out(&node, 1, &format!("user=bob password=secret {ann}"), "password authentication failed for user \"bob\"");
    for listener in 0..3 {
        let user = "user=ann password=secret";
        stays_out(&node, listener, &format!("{user} {nobody}"), "connection requires a valid client certificate");
        stays_out(&node, listener, &format!("{user} {mallory}"), "alert");
        stays_out(&node, listener, &format!("{user} sslmode=disable"), "takes encrypted connections only");
    }
    assert!(setup.run(&["user", "remove", "ann"]).success);
    stays_out(&node, 0, &format!("user=ann {ann}"), "certificate authentication failed for user \"ann\"");
    node.stop();
}

#[test]
fn each_listener_lets_in_its_own_addresses() {
    let setup = setup(
        "[[api.pg]]\naddr = '127.0.0.1:0'\nallow = ['127.0.0.0/8']\n\
         [[api.pg]]\naddr = '127.0.0.1:0'\nallow = ['10.0.0.0/8', '127.0.0.2', '::1']\nauth = 'scram-sha-256'\n",
    );
    add(&setup, "ann", "admin", "secret");
    let node = setup.start();
    gets_in(&node, 0, "user=ann", "ann");
    stays_out(
        &node,
        1,
        "user=ann password=secret",
        "no listener rule lets in host \"127.0.0.1\", user \"ann\", database \"corrosion\", no encryption",
    );
    let mut raw = Raw::connect(node.listeners()[1]);
    raw.start("nobody");
    assert_eq!(raw.error(), "28000");
    node.stop();
}

#[test]
fn a_removed_user_is_cut_off_and_a_new_role_counts_at_once() {
    let setup = setup("[api.pg]\naddr = '127.0.0.1:0'\n");
    add(&setup, "ann", "admin", "secret");
    let node = setup.start();
    let address = node.listeners()[0];
    let mut config = Config::new();
    config.host("127.0.0.1").port(address.port()).user("ann").dbname("corrosion");
    let mut client: Client = config.connect(NoTls).expect("connect");
    let prepared = client.prepare("select 1").expect("prepare");
    client.batch_execute("create table t (id int primary key)").expect("an admin may");
    assert!(setup.run(&["user", "set-role", "ann", "read-only"]).success);
    let error = client.batch_execute("insert into t values (1)").expect_err("a reader may not");
    assert_eq!(error.code().map(postgres::error::SqlState::code), Some("42501"));
    assert_eq!(client.query("select id from t", &[]).expect("a reader may read").len(), 0);
    client.query(&prepared, &[]).expect("what was prepared before runs on");

    let mut raw = Raw::connect(address);
    raw.start("ann");
    while raw.message().0 != b'Z' {}
    assert!(setup.run(&["user", "remove", "ann"]).success);
    raw.send(b'Q', b"select 1\0");
    assert_eq!(raw.error(), "57P01");
    client.query(&prepared, &[]).expect_err("nobody may nothing");
    // The client learns of the end of its connection a moment after the last message.
    wait_until("the connection to be over", Duration::from_secs(20), || {
        client.query(&prepared, &[]).is_err_and(|error| error.is_closed()).then_some(())
    });
    node.stop();
}

#[test]
fn what_cannot_be_served_safely_does_not_start() {
    let refused = |listeners: &str, message: &str| {
        let printed = setup(listeners).run(&["agent"]);
        assert!(!printed.success && printed.stderr.contains(message), "{listeners}: {}", printed.stderr);
    };
    refused("[api.pg]\naddr = '0.0.0.0:0'\n", "is reachable from other machines");
    refused("[api.pg]\naddr = '0.0.0.0:0'\nauth = 'scram-sha-256'\n", "takes connections in the clear");
    let tls = |cert: &str, key: &str| {
        format!("[api.pg]\naddr = '127.0.0.1:0'\ntls = {{ cert_file = '{cert}', key_file = '{key}' }}\n")
    };
    refused(&tls("none.pem", "server.key"), "read certificate none.pem: check that it exists");
    refused(&tls("server.key", "server.key"), "certificate server.key holds no certificate");
    refused(&tls("server.pem", "server.pem"), "private key server.pem holds no private key");
    refused(&tls("server.pem", "ann.key"), "certificate server.pem and private key ann.key cannot be used together");
}

#[test]
fn direct_tls_needs_the_protocols_name() {
    let setup =
        setup(&format!("[[api.pg]]\naddr = '127.0.0.1:0'\ntls = {{ {TLS} }}\n[[api.pg]]\naddr = '127.0.0.1:0'\n"));
    let node = setup.start();
    let address = node.listeners()[0];
    let direct = |protocols: &[&str]| {
        let stream = TcpStream::connect(address).expect("connect");
        let mut tls = rustls::StreamOwned::new(tls_client(&node, protocols), stream);
        tls.write_all(&startup("ann")).map(|()| first_byte(&mut tls))
    };
    assert_eq!(direct(&["postgresql"]).expect("a session"), Some(b'R'));
    assert_eq!(direct(&["http/1.1", "postgresql"]).expect("a session"), Some(b'R'));
    assert_eq!(direct(&[]).expect("the connection ends after the handshake"), None);
    assert!(direct(&["http/1.1"]).is_err(), "the handshake fails");
    // A listener without TLS does not know what that is.
    let mut raw = Raw::connect(node.listeners()[1]);
    raw.stream.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).expect("send");
    assert_eq!(raw.error(), "08P01");
    node.stop();
}

#[test]
fn bytes_before_the_handshake_are_refused_and_gssapi_is_declined() {
    let setup = setup(&format!("[api.pg]\naddr = '127.0.0.1:0'\ntls = {{ {TLS}, required = false }}\n"));
    let node = setup.start();
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];
    let mut raw = Raw::connect(node.listeners()[0]);
    // What a man in the middle would put before the client's encrypted start-up packet (CVE-2021-23222).
    raw.stream.write_all(&[&SSL_REQUEST[..], &startup("mallory")].concat()).expect("send");
    assert_eq!(raw.error(), "08P01");
    let mut raw = Raw::connect(node.listeners()[0]);
    raw.stream.write_all(&GSS_REQUEST).expect("send");
    assert_eq!(first_byte(&mut raw.stream), Some(b'N'));
    raw.stream.write_all(&SSL_REQUEST).expect("send");
    assert_eq!(first_byte(&mut raw.stream), Some(b'S'));
    let mut tls = rustls::StreamOwned::new(tls_client(&node, &[]), raw.stream);
    tls.write_all(&startup("ann")).expect("send");
    assert_eq!(first_byte(&mut tls), Some(b'R'));
    // Junk instead of a handshake.
    let mut raw = Raw::connect(node.listeners()[0]);
    raw.stream.write_all(&SSL_REQUEST).expect("send");
    assert_eq!(first_byte(&mut raw.stream), Some(b'S'));
    raw.stream.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("send");
    let mut rest = Vec::new();
    raw.stream.read_to_end(&mut rest).expect("an alert, then the end");
    assert_eq!(rest.first(), Some(&0x15), "{rest:?}");
    assert_eq!(node.server().rows("select 1"), "1");
    node.stop();
}

#[test]
fn large_results_and_long_statements_pass_through_tls() {
    let setup = setup(&format!("[api.pg]\naddr = '127.0.0.1:0'\ntls = {{ {TLS} }}\n"));
    let node = setup.start();
    let mut server = node.server();
    server.database = "dbname=corrosion sslmode=require".into();
    assert_eq!(
        server.rows("select sum(length(x)) from (select repeat('x', 1000) as x from generate_series(1, 20000)) s"),
        "20000000"
    );
    let rows = server.rows("select repeat(i::text, 100) from generate_series(1, 20000) i");
    assert_eq!(rows.lines().count(), 20_000);
    assert_eq!(rows.lines().last(), Some("20000".repeat(100).as_str()));
    let long = "y".repeat(3_000_000);
    assert_eq!(server.rows(&format!("select length('{long}')")), "3000000");
    node.stop();
}

/// A client that speaks the protocol byte by byte.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        Self { stream }
    }

    fn start(&mut self, user: &str) {
        self.stream.write_all(&startup(user)).expect("send");
    }

    fn send(&mut self, tag: u8, body: &[u8]) {
        let len = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        self.stream.write_all(&[&[tag][..], &len, body].concat()).expect("send");
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        self.stream.read_exact(&mut header).expect("a message");
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let mut body = vec![0; len - 4];
        self.stream.read_exact(&mut body).expect("its body");
        (header[0], body)
    }

    /// The SQLSTATE of the error that comes next and is the last.
    fn error(&mut self) -> String {
        let (tag, body) = self.message();
        assert_eq!(tag, b'E');
        let code = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C")).expect("a code");
        let code = String::from_utf8_lossy(code).into_owned();
        // The end, or a reset where bytes were left unread.
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        assert_eq!(rest, b"");
        code
    }
}

fn startup(user: &str) -> Vec<u8> {
    let body = format!("user\0{user}\0database\0corrosion\0\0");
    let len = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
    [&len[..], &0x3_0000_u32.to_be_bytes(), body.as_bytes()].concat()
}

/// The next byte; None at the end.
fn first_byte(stream: &mut impl Read) -> Option<u8> {
    let mut byte = [0];
    (stream.read(&mut byte).expect("readable") == 1).then_some(byte[0])
}

fn tls_client(node: &Node, protocols: &[&str]) -> rustls::ClientConnection {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(node.path("ca.pem")).expect("the authority")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").expect("a name");
    rustls::ClientConnection::new(Arc::new(config), name).expect("a client")
}
