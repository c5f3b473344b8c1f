//! `croupier game` on a host that runs: what a publisher and an operator type.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::{House, digest, saying};
use crate::harness::OPERATOR_TOKEN;

/// `croupier game <arguments>` in a folder: what it prints, or what it says where it fails.
fn game(folder: &Path, house: &House, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    command.arg("game").args(arguments).current_dir(folder).env("CROUPIER_OPERATOR_TOKEN", OPERATOR_TOKEN);
    if !["keygen", "sign"].contains(&arguments[0]) {
        command.args(["--host", &format!("http://{}", house.host.address())]);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn a_release_is_signed_published_tried_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut house = House::open("");
    let printed = game(folder, &house, &["keygen", "--out", "acme.key"]).unwrap();
    let key = printed.split_whitespace().find(|word| word.contains("ed25519:")).unwrap();
    let key = &key[key.find("ed25519:").unwrap()..][.."ed25519:".len() + 64];
    house.restart_with(&format!("[publishing]\nrequire_signed = true\nkeys = [\"acme={key}\"]\n"));

    let short = |word: &str| digest(&saying(word))[..12].to_owned();
    for word in ["one", "two"] {
        fs::write(folder.join(format!("{word}.wasm")), saying(word)).unwrap();
    }
    let run = |house: &House, line: &str| game(folder, house, &line.split(' ').collect::<Vec<_>>());
    let refused = run(&house, "publish one.wasm --activate").unwrap_err();
    assert!(refused.contains("it has no signature"), "{refused}");
    for word in ["one", "two"] {
        run(&house, &format!("sign --key acme.key {word}.wasm")).unwrap();
    }
    let printed = run(&house, "publish one.wasm --activate").unwrap();
    assert!(printed.contains(&short("one")) && printed.contains("active, owner acme"), "{printed}");
    let printed = run(&house, "publish two.wasm --activate --percent 10 --why trial").unwrap();
    assert!(printed.contains("candidate at 10 %"), "{printed}");
    let printed = run(&house, "list").unwrap();
    assert!(printed.contains(&format!("{} at 10 %", short("two"))), "{printed}");
    let printed = run(&house, &format!("activate handmade {}", short("two"))).unwrap();
    assert!(printed.contains(&short("two")), "{printed}");
    run(&house, "rollback handmade --why complaints").unwrap();
    let token = house.host.player("alice", 0);
    assert_eq!(house.said(&token), "one");
    run(&house, "disable handmade").unwrap();
    assert_eq!(house.said(&token)["data"]["reason"], "game_disabled");
    run(&house, "enable handmade").unwrap();

    let printed = run(&house, "releases handmade").unwrap();
    for words in ["acme", "published", "activated", "rolled back", "complaints", "trial", "disabled", "enabled", "10 %"]
    {
        assert!(printed.contains(words), "'{words}' is not in:\n{printed}");
    }
    assert!(run(&house, "verify").unwrap().contains("yes"));
    let kept = house.host.data().join("store/releases").join(format!("{}.wasm", digest(&saying("two"))));
    fs::write(kept, b"something else").unwrap();
    let said = run(&house, "verify").unwrap_err();
    assert!(!said.is_empty());
    let error = house.act("activate", json!({ "release": digest(&saying("two")) })).unwrap_err();
    assert_eq!(error["data"]["cause"], "broken");
}
