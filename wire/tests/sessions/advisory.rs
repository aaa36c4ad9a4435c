//! Advisory locks between the sessions of a node.

use crate::harness::{Client, Node, query, wait_until};

fn asked(client: &mut Client, call: &str) -> String {
    client.query(&format!("select {call} as x"))
}

const TRUE: &str = "T(x) D(t) C(SELECT 1) Z(I)";
const FALSE: &str = "T(x) D(f) C(SELECT 1) Z(I)";
const VOID: &str = "T(x) D() C(SELECT 1) Z(I)";

#[test]
fn a_lock_excludes_others_until_it_is_given_back_as_often_as_taken() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    assert_eq!(asked(&mut a, "pg_advisory_lock(1)"), VOID);
    assert_eq!(asked(&mut a, "pg_try_advisory_lock(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), FALSE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock_shared(1)"), FALSE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(0, 1)"), TRUE, "two numbers are another space");
    assert_eq!(asked(&mut a, "pg_advisory_unlock(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), FALSE);
    assert_eq!(asked(&mut a, "pg_advisory_unlock(1)"), TRUE);
    assert_eq!(asked(&mut a, "pg_advisory_unlock(1)"), "T(x) D(f) N(01000) C(SELECT 1) Z(I)");
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_advisory_unlock_all()"), VOID);
    assert_eq!(asked(&mut a, "pg_try_advisory_lock_shared(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock_shared(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_advisory_unlock_shared(1)"), TRUE);
    assert_eq!(asked(&mut a, "pg_advisory_lock(null)"), "T(x) D(NULL) C(SELECT 1) Z(I)");
    node.stop();
}

#[test]
fn a_waiting_session_goes_on_when_the_holder_gives_the_lock_back_or_leaves() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    asked(&mut a, "pg_advisory_lock(1)");
    b.send(&query("select pg_advisory_lock(1) as x"));
    asked(&mut a, "pg_advisory_unlock(1)");
    assert_eq!(b.until_ready(), VOID);
    a.send(&query("select pg_advisory_lock(1) as x"));
    drop(b);
    assert_eq!(a.until_ready(), VOID);
    node.stop();
}

#[test]
fn locks_of_a_transaction_end_with_it_and_with_its_savepoint() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    a.query(
        "begin; select pg_advisory_xact_lock(1); savepoint s; select pg_advisory_xact_lock(2), pg_advisory_lock(3)",
    );
    a.query("rollback to s");
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), FALSE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(2)"), TRUE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(3)"), FALSE, "a session's lock survives the rollback");
    assert_eq!(asked(&mut a, "pg_advisory_unlock(1)"), "T(x) D(f) N(01000) C(SELECT 1) Z(T)");
    a.query("commit");
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), TRUE);
    a.query("rollback");
    assert_eq!(asked(&mut a, "pg_advisory_xact_lock(9)"), VOID);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(9)"), TRUE, "a statement alone is a transaction");
    node.stop();
}

#[test]
fn a_wait_ends_by_timeout_cancel_or_deadlock() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    asked(&mut a, "pg_advisory_lock(1)");
    asked(&mut b, "pg_advisory_lock(2)");
    b.query("set lock_timeout = '20ms'");
    assert_eq!(asked(&mut b, "pg_advisory_lock(1)"), "T(x) E(55P03) Z(I)");
    b.query("set lock_timeout = 0; set statement_timeout = '20ms'");
    assert_eq!(asked(&mut b, "pg_advisory_lock(1)"), "T(x) E(57014) Z(I)");
    b.query("reset all");
    // Each asks for what the other holds: the second to ask is refused, and then gives way.
    let settle = |mut client: Client, wanted: &str, own: &str| {
        let answer = asked(&mut client, &format!("pg_advisory_lock({wanted})"));
        asked(&mut client, &format!("pg_advisory_unlock({own})"));
        (client, answer)
    };
    let other = std::thread::spawn(move || settle(b, "1", "2"));
    let (_a, first) = settle(a, "2", "1");
    let (_b, second) = other.join().expect("no panic");
    let mut answers = [first, second];
    answers.sort();
    assert_eq!(answers, [VOID, "T(x) E(40P01) Z(I)"]);
    node.stop();
}

#[test]
fn a_failed_block_gives_its_locks_back_at_once() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    a.query("begin; select pg_advisory_xact_lock(1), pg_advisory_lock(2)");
    assert_eq!(a.query("select 1/0"), "T(?column?) E(22012) Z(E)");
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), TRUE);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(2)"), FALSE, "a session's lock stays");
    node.stop();
}

#[test]
fn a_waiting_statement_can_be_cancelled() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    asked(&mut a, "pg_advisory_lock(1)");
    let started = node.handle.stats().statements;
    b.send(&query("select pg_advisory_lock(1) as x"));
    wait_until("the statement to start", || node.handle.stats().statements > started);
    b.cancel(node.address(), &b.secret);
    assert_eq!(b.until_ready(), "T(x) E(57014) Z(I)");
    node.stop();
}

#[test]
fn a_pools_reset_text_frees_everything() {
    let node = Node::start();
    let (mut a, mut b) = (node.client(), node.client());
    a.query("listen c; set application_name = 'x'; select pg_advisory_lock(1)");
    let reset = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;";
    let answer = "T(pg_advisory_unlock_all) D() C(SELECT 1) C(CLOSE CURSOR ALL) C(UNLISTEN) C(RESET) Z(I)";
    assert_eq!(a.query(reset), answer);
    assert_eq!(asked(&mut b, "pg_try_advisory_lock(1)"), TRUE);
    assert_eq!(b.query("notify c"), "C(NOTIFY) Z(I)");
    assert_eq!(a.query("show application_name"), "T(application_name) D() C(SHOW) Z(I)");
    asked(&mut b, "pg_advisory_lock(7)");
    b.query("discard all");
    assert_eq!(asked(&mut a, "pg_try_advisory_lock(7)"), TRUE);
    node.stop();
}
