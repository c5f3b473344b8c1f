//! The contract with games, which releases that were built against it rely on for ever.

use sha2::{Digest as _, Sha256};
use wit_component::{OutputToString, WitPrinter};
use wit_parser::Resolve;

use crate::harness;

/// Every version of `wit/` that was released, oldest first, with the checksum of its meaning. A line is never changed
/// and never removed: components are out there that were built against it.
const RELEASED: &[(&str, &str)] = &[("0.1.0", "926a63345182a8e5d06e98ee3823919a431def4088e9cfba2ac3aca8a8ff6512")];

/// What games are built against, without comments and layout.
fn contract() -> (String, String) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(harness::root().join("wit")).unwrap();
    let version = resolve.packages[package].name.version.as_ref().expect("the package has a version").to_string();
    let mut printer = WitPrinter::new(OutputToString::default());
    printer.emit_docs(false).print(&resolve, package, &[]).unwrap();
    let text = printer.output.to_string();
    (version, text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn checksum(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_released_contract_never_changes() {
    let (version, meaning) = contract();
    let sum = checksum(&meaning);
    let Some((_, released)) = RELEASED.iter().find(|(released, _)| *released == version) else {
        panic!(
            "wit/ has the new version {version}: add (\"{version}\", \"{sum}\") at the end of RELEASED in tests/contract.rs"
        );
    };
    assert_eq!(
        *released, sum,
        "the meaning of wit/ has changed, but its version {version} is released and games were built against it. \
         Either undo the change, or give the package line in wit/game.wit a new version: a minor one for a new import, \
         a major one for anything else (a field, a case, an export, a changed or removed function). Then add a line \
         for the new version to RELEASED in tests/contract.rs; never change a line that is there. It now reads:\n{meaning}"
    );
}

#[test]
fn comments_and_layout_are_no_part_of_the_contracts_meaning() {
    let (_, meaning) = contract();
    assert!(meaning.starts_with("package croupier:game@"), "{meaning}");
    assert!(meaning.contains("below: func(bound: u64) -> u64;"), "{meaning}");
    assert!(!meaning.contains("//"), "{meaning}");
}

/// What the host takes games for must be what is released.
#[test]
fn the_hosts_version_of_the_contract_is_the_newest_released() {
    let (version, _) = contract();
    assert_eq!(RELEASED.last().map(|(released, _)| *released), Some(version.as_str()));
}
