//! The contract with games, which releases that were built against it rely on for ever.

use std::{collections::BTreeMap, path::Path};

use sha2::{Digest as _, Sha256};
use wit_component::{OutputToString, WitPrinter};
use wit_parser::{PackageId, Resolve};

use crate::harness;

/// Every version of the contract that was released, oldest first, with the checksum of its meaning. A line is never
/// changed and never removed: components are out there that were built against it. `wit/` holds the newest, and
/// `wit/released/` the text of those before it.
const RELEASED: &[(&str, &str)] = &[
    ("0.1.0", "926a63345182a8e5d06e98ee3823919a431def4088e9cfba2ac3aca8a8ff6512"),
    ("0.1.1", "923922e8a46f703524cea94b4a9dbcd4bb3387df14124462398dd78d4872362f"),
    ("0.1.2", "8d3cb17ce3436eda324c20e7f69303576a50cf5802d04e54b6f64ccb4f26e669"),
];

/// A text of the contract.
struct Contract {
    version: String,
    /// Without comments and layout.
    meaning: String,
}

/// What games are built against.
fn newest() -> Contract {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(harness::root().join("wit")).unwrap();
    Contract::of(&resolve, package)
}

/// What games were built against.
fn released(version: &str) -> Contract {
    let path = harness::root().join(format!("wit/released/game-{version}.wit"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Contract::parse(&path, &text)
}

impl Contract {
    fn parse(path: &Path, text: &str) -> Self {
        let mut resolve = Resolve::default();
        let package = resolve.push_str(path, text).unwrap();
        Self::of(&resolve, package)
    }

    fn of(resolve: &Resolve, package: PackageId) -> Self {
        let version = resolve.packages[package].name.version.as_ref().expect("the package has a version").to_string();
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.emit_docs(false).print(resolve, package, &[]).unwrap();
        let text = printer.output.to_string();
        Self { version, meaning: text.split_whitespace().collect::<Vec<_>>().join(" ") }
    }

    fn checksum(&self) -> String {
        Sha256::digest(&self.meaning).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What stands in each of the contract's interfaces and worlds, by `interface <name>` or `world <name>`.
    fn parts(&self) -> BTreeMap<&str, Vec<&str>> {
        let (_package, rest) = self.meaning.split_once(';').unwrap();
        items(rest)
            .into_iter()
            .map(|part| {
                let (head, body) = part.split_once('{').unwrap();
                (head.trim(), items(body.strip_suffix('}').unwrap()))
            })
            .collect()
    }
}

/// The items of a block: each ends with a semicolon, or with the block that it opens.
fn items(text: &str) -> Vec<&str> {
    let (mut items, mut begin, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        // `use types.{json};` goes on after its brace.
        let ends = match character {
            ';' => depth == 0,
            '}' => depth == 0 && !text[at + 1..].starts_with(';'),
            _ => false,
        };
        if ends {
            items.push(text[begin..=at].trim());
            begin = at + 1;
        }
    }
    items
}

/// What keeps a game that was built against one text from running on a host that speaks the other.
fn broken_promises(old: &Contract, new: &Contract) -> Vec<String> {
    let (old, new) = (old.parts(), new.parts());
    let mut broken = Vec::new();
    for (part, old_items) in old {
        let new_items = new.get(part).cloned().unwrap_or_default();
        let gone = old_items.iter().filter(|item| !new_items.contains(item));
        broken.extend(gone.map(|item| format!("{part} has no '{item}' any more")));
        // A game need not import what is new, but it cannot export what it has never heard of.
        let demands = |item: &&&str| part == "interface game" || item.starts_with("export ");
        let added = new_items.iter().filter(demands).filter(|item| !old_items.contains(item));
        broken.extend(added.map(|item| format!("{part} demands '{item}'")));
    }
    broken
}

#[test]
fn a_released_contract_never_changes() {
    let (newest, (last, older)) = (newest(), RELEASED.split_last().unwrap());
    let sum = newest.checksum();
    assert_eq!(
        newest.version, last.0,
        "wit/ has a new version: keep the text of {} in wit/released/, and add (\"{}\", \"{sum}\") at the end of RELEASED \
         in tests/contract.rs",
        last.0, newest.version
    );
    for (version, expected) in older {
        assert_eq!(released(version).version, *version);
        assert_eq!(released(version).checksum(), *expected, "wit/released/game-{version}.wit has another meaning");
    }
    assert_eq!(
        last.1, sum,
        "the meaning of wit/ has changed, but its version {} is released and games were built against it. \
         Either undo the change, or give the package line in wit/game.wit a new version: a compatible one for a new \
         import or an optional export, an incompatible one for anything else (a field, a case, a demanded export, a changed or \
         removed function). Then add a line for the new version to RELEASED in tests/contract.rs, and the old text to \
         wit/released/; never change what is there. It now reads:\n{}",
        last.0, newest.meaning
    );
}

#[test]
fn a_compatible_version_only_adds() {
    let newest = newest();
    // While the first number is 0, the second one says what is compatible.
    let compatible =
        |version: &&&str| version.rsplit_once('.').unwrap().0 == newest.version.rsplit_once('.').unwrap().0;
    let versions: Vec<_> = RELEASED.iter().map(|(version, _)| version).filter(compatible).collect();
    assert!(versions.len() > 1, "{versions:?}");
    for version in versions.into_iter().filter(|version| **version != newest.version) {
        assert_eq!(broken_promises(&released(version), &newest), [""; 0], "since {version}");
    }
}

#[test]
fn what_would_break_games_is_found() {
    let path = harness::root().join("wit/game.wit");
    let text = std::fs::read_to_string(&path).unwrap();
    let newest = Contract::parse(&path, &text);
    for (from, to, expected) in [
        ("balance: func() -> amount;", "", "interface wallet has no 'balance: func() -> amount;' any more"),
        ("amount = u64", "amount = u32", "interface types has no 'type amount = u64;' any more"),
        ("message: string,\n        data: option<json>,", "message: string,", "interface types has no 'record fault {"),
        ("interface game {", "interface game { rest: func();", "interface game demands 'rest: func();'"),
        ("export game;", "export game; export migration;", "world casino-game demands 'export migration;'"),
        ("    import log;\n", "", "world casino-game has no 'import log;' any more"),
    ] {
        let changed = Contract::parse(&path, &text.replacen(from, to, 1));
        let broken = broken_promises(&newest, &changed).join("\n");
        assert!(broken.contains(expected), "{from}: {broken}");
    }
    let more = text.replacen("interface wallet {", "interface wallet { worth: func() -> amount;", 1);
    assert_eq!(broken_promises(&newest, &Contract::parse(&path, &more)), [""; 0], "a new import is no promise broken");
}

#[test]
fn comments_and_layout_are_no_part_of_the_contracts_meaning() {
    let meaning = newest().meaning;
    assert!(meaning.starts_with("package croupier:game@"), "{meaning}");
    assert!(meaning.contains("below: func(bound: u64) -> u64;"), "{meaning}");
    assert!(!meaning.contains("//"), "{meaning}");
}

/// What the host takes games for must be what is released.
#[test]
fn the_host_speaks_the_newest_contract() {
    assert_eq!(croupier::engine::CONTRACT_VERSION, newest().version);
}
