//! Schema files: applied at start and on `corrosion reload`, all or nothing.

use tests::node::Setup;

const NOTES: &str = "CREATE TABLE notes (\n  id TEXT NOT NULL PRIMARY KEY,\n  body TEXT NOT NULL DEFAULT ''\n);\n";

fn write(setup: &Setup, name: &str, text: &str) {
    let dir = setup.path("corrosion-data/schema");
    std::fs::create_dir_all(&dir).expect("create the schema directory");
    std::fs::write(dir.join(name), text).expect("write a schema file");
}

#[test]
fn files_are_applied_at_start_and_again_on_reload() {
    let setup = Setup::built_in();
    write(&setup, "notes.sql", NOTES);
    let node = setup.start();
    let server = node.server();
    server.rows("insert into notes (id) values ('a')");
    write(&setup, "tags.sql", "CREATE TABLE tags (id INTEGER NOT NULL PRIMARY KEY, name TEXT);\n");
    let printed = node.run(&["reload"]);
    assert!(printed.success, "{}", printed.stderr);
    assert_eq!(
        server.rows("insert into tags values (1, 'x'); select name from tags; select id, body from notes"),
        "x\na|"
    );
    node.stop();
}

#[test]
fn a_bad_file_changes_nothing_and_the_answer_says_where() {
    let setup = Setup::built_in();
    write(&setup, "a.sql", NOTES);
    let node = setup.start();
    write(&setup, "b.sql", "CREATE TABLE good (id INTEGER NOT NULL PRIMARY KEY);\n");
    write(&setup, "c.sql", "\nCREATE TABLE bad (id INTEGER NOT NULL PRIMARY KEY, x TEXT UNIQUE);\n");
    let printed = node.run(&["reload"]);
    assert!(!printed.success);
    assert!(printed.stderr.contains("c.sql") && printed.stderr.contains('2'), "{}", printed.stderr);
    let missing = node.server().script(&["-At"], "select * from good");
    assert!(missing.stderr.contains("relation \"good\" does not exist"), "{}", missing.stderr);
    assert_eq!(node.server().rows("select count(*) from notes"), "0");
    node.stop();
}

#[test]
fn a_bad_schema_file_is_told_and_the_old_schema_stays() {
    let setup = Setup::built_in().expect_log("schema files were not applied");
    write(&setup, "a.sql", NOTES);
    setup.start().stop();
    write(&setup, "b.sql", "CREATE TABLE bad (x TEXT UNIQUE);\n");
    let node = setup.start();
    assert!(node.log().contains("b.sql"), "{}", node.log());
    assert_eq!(node.server().rows("select count(*) from notes"), "0");
    node.stop();
}

#[test]
fn reload_without_a_node_says_so() {
    let printed = Setup::built_in().run(&["reload"]);
    assert!(!printed.success);
    assert!(printed.stderr.contains("is it running?"), "{}", printed.stderr);
}
