//! A case that no macro names would never run.

#[test]
fn every_case_is_in_the_macro() {
    let macros = include_str!("../../src/conformance.rs");
    let full = macros.split("macro_rules! conformance_renewable").next().unwrap();
    let files = [
        include_str!("../../src/cases/bytes.rs"),
        include_str!("../../src/cases/cancel.rs"),
        include_str!("../../src/cases/cas.rs"),
        include_str!("../../src/cases/crud.rs"),
        include_str!("../../src/cases/errors.rs"),
        include_str!("../../src/cases/expiry.rs"),
        include_str!("../../src/cases/lease.rs"),
        include_str!("../../src/cases/limits.rs"),
        include_str!("../../src/cases/list.rs"),
    ];
    let mut cases = 0;
    for line in files.iter().flat_map(|file| file.lines()) {
        if let Some(rest) = line.strip_prefix("pub async fn ") {
            let name = rest.split('<').next().unwrap();
            assert!(full.split_whitespace().any(|word| word == name), "{name} is never run");
            cases += 1;
        }
    }
    assert!(cases > 50, "{cases} cases found");
}
