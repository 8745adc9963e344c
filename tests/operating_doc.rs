//! What is written for the operator agrees with what the program does.

/// The document with the table of options.
const DOCUMENT: &str = include_str!("../docs/OPERATING.md");

#[test]
fn the_table_of_options_is_the_one_the_program_prints() {
    let (_, rest) = DOCUMENT.split_once("a test compares -->\n\n").expect("the first mark");
    let (table, _) = rest.split_once("<!-- options end -->").expect("the second mark");
    assert!(
        table == gigawamp::server::options_markdown(),
        "docs/OPERATING.md is out of date: put what `gigawamp options` prints between its marks"
    );
}

#[test]
fn every_exit_code_is_in_the_document() {
    for code in [0, 1, 2, 78] {
        assert!(DOCUMENT.contains(&format!("\n| {code} | ")), "{code}");
    }
}
