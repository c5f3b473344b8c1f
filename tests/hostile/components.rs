//! Games written in the text format of WebAssembly, for what Rust cannot express or what must be wrong in itself.

use std::fmt::Write as _;

use croupier::engine::CONTRACT_VERSION;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A core module and the contract it claims to keep. Where nothing is changed it is an honest game, whose method `play`
/// answers `"played"`.
#[derive(Clone)]
pub(crate) struct Handmade {
    pub(crate) id: String,
    pub(crate) methods: Vec<String>,
    pub(crate) params_schema: String,
    pub(crate) result_schema: String,
    /// What `handle` answers with.
    pub(crate) body: String,
    /// The contract's version that it was built against.
    pub(crate) version: String,
    /// The contract's text.
    pub(crate) contract: String,
    /// Of its documents, where it brings older ones to its own version.
    pub(crate) migration: Option<Migration>,
    /// Another package with a world `hostile` that is kept instead.
    pub(crate) world: Option<&'static str>,
    /// Of the core module.
    pub(crate) imports: &'static str,
    pub(crate) memory: &'static str,
    /// Of the core module, beyond what a game needs.
    pub(crate) items: &'static str,
    /// Instructions that run before `describe` answers.
    pub(crate) describe: &'static str,
    /// Instructions that run before `handle` answers.
    pub(crate) handle: &'static str,
    /// Instructions that run whenever the host puts something in the game's memory.
    pub(crate) realloc: &'static str,
    /// Added to where the descriptor is.
    pub(crate) descriptor_offset: u32,
}

/// How a handmade game migrates a player's documents.
#[derive(Clone)]
pub(crate) struct Migration {
    /// What it says its version is.
    pub(crate) version: u32,
    /// Instructions that run before `version` answers.
    pub(crate) on_version: &'static str,
    /// Instructions that run before `migrate` answers.
    pub(crate) on_migrate: &'static str,
    /// Its answer to whatever documents there are.
    pub(crate) answer: Result<Vec<(String, String)>, String>,
}

impl Migration {
    /// One that answers with these documents.
    pub(crate) fn to(version: u32, documents: &[(&str, &str)]) -> Self {
        let documents = documents.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self { version, on_version: "", on_migrate: "", answer: Ok(documents.collect()) }
    }

    fn exports(&self, image: &mut Image) -> String {
        let Self { version, on_version, on_migrate, answer } = self;
        let answer = match answer {
            Ok(documents) => {
                let items: Vec<_> =
                    documents.iter().flat_map(|(key, value)| [image.text(key), image.text(value)]).flatten().collect();
                image.place(DOCUMENTS_AT, &items);
                [0, DOCUMENTS_AT, u32::try_from(documents.len()).unwrap()].map(u32::to_le_bytes).concat()
            }
            Err(why) => [1_u32.to_le_bytes().to_vec(), image.text(why)].concat(),
        };
        image.place(MIGRATED_AT, &answer);
        format!(
            r#"(func (export "croupier:game/migration@0.1.0#version") (result i32) {on_version} (i32.const {version}))
               (func (export "croupier:game/migration@0.1.0#migrate") (param i32 i32 i32) (result i32)
                    {on_migrate}
                    (i32.const {MIGRATED_AT}))"#
        )
    }
}

pub(crate) const BALANCE: &str = r#"(import "croupier:game/wallet@0.1.0" "balance" (func $balance (result i64)))"#;
const KEYS: &str = r#"(import "croupier:game/store@0.1.0" "keys" (func $keys (param i32)))"#;
pub(crate) const LOOP: &str = "(loop $for_ever (br $for_ever))";

/// Where the memory of a handmade game has what; the heap has the second page and what follows.
const STRINGS_AT: u32 = 4096;
const METHODS_AT: u32 = 1024;
const DOCUMENTS_AT: u32 = 768;
const REPLY_AT: u32 = 512;
const MIGRATED_AT: u32 = 256;
const DESCRIPTOR_AT: u32 = 16;

impl Default for Handmade {
    fn default() -> Self {
        Self::built_against("0.1.0")
    }
}

impl Handmade {
    /// An honest game that was built against this version of the contract, whether there ever was one or not.
    pub(crate) fn built_against(version: &str) -> Self {
        let text = match version {
            "0.1.0" => "wit/released/game-0.1.0.wit",
            _ => "wit/game.wit",
        };
        let contract = std::fs::read_to_string(crate::harness::root().join(text)).unwrap();
        let contract = contract.replace(&format!("@{CONTRACT_VERSION};"), &format!("@{version};"));
        Self {
            version: version.to_owned(),
            migration: None,
            id: "handmade".to_owned(),
            methods: vec!["play".to_owned()],
            params_schema: r#"{"type":"object"}"#.to_owned(),
            result_schema: "{}".to_owned(),
            body: r#""played""#.to_owned(),
            contract,
            world: None,
            imports: "",
            memory: "2",
            items: "",
            describe: "",
            handle: "",
            realloc: "",
            descriptor_offset: 0,
        }
    }

    /// An honest game that migrates.
    pub(crate) fn migrating(migration: Migration) -> Self {
        Self { migration: Some(migration), ..Self::built_against(CONTRACT_VERSION) }
    }

    pub(crate) fn component(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let contract = resolve.push_str("game.wit", &self.contract).unwrap();
        let world = match self.world {
            Some(text) => {
                let package = resolve.push_str("hostile.wit", text).unwrap();
                resolve.select_world(&[package], Some("hostile")).unwrap()
            }
            None if self.migration.is_some() => {
                resolve.select_world(&[contract], Some("casino-game-with-migration")).unwrap()
            }
            None => resolve.select_world(&[contract], Some("casino-game")).unwrap(),
        };
        let text = self.module().replace("@0.1.0", &format!("@{}", self.version));
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
        // Not validated: some of these games are to be found invalid by the host.
        ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .encode()
            .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    }

    fn module(&self) -> String {
        let mut image = Image::default();
        let descriptor = self.descriptor(&mut image);
        // `ok` of a reply that closes the round.
        let reply = [vec![0, 0, 0, 0], image.text(&self.body), vec![0; 20]].concat();
        image.place(REPLY_AT, &reply);
        image.place(DESCRIPTOR_AT, &descriptor);
        let migration = self.migration.as_ref().map(|migration| migration.exports(&mut image)).unwrap_or_default();
        let Self { imports, memory, items, describe, handle, realloc, .. } = self;
        let data = image.data;
        let descriptor_at = DESCRIPTOR_AT + self.descriptor_offset;
        format!(
            r#"(module
                {imports}
                (memory (export "memory") {memory})
                {items}
                (global $top (mut i32) (i32.const 65536))
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                    {realloc}
                    (local.set $at (global.get $top))
                    (global.set $top (i32.and (i32.add (i32.add (local.get $at) (local.get 3)) (i32.const 7)) (i32.const -8)))
                    (local.get $at))
                (func (export "croupier:game/game@0.1.0#describe") (result i32)
                    {describe}
                    (i32.const {descriptor_at}))
                (func (export "croupier:game/game@0.1.0#handle")
                    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i64 i32 i32 i32 i32) (result i32)
                    {handle}
                    (i32.const {REPLY_AT}))
                {migration}
                {data})"#
        )
    }

    fn descriptor(&self, image: &mut Image) -> Vec<u8> {
        let mut methods = Vec::new();
        for method in &self.methods {
            for text in [method.as_str(), "Plays.", &self.params_schema, &self.result_schema] {
                methods.extend(image.text(text));
            }
        }
        image.place(METHODS_AT, &methods);
        let methods_list = [METHODS_AT, u32::try_from(self.methods.len()).unwrap()].map(u32::to_le_bytes).concat();
        // rtp-ppm, padding, max-win-ppm
        let numbers = vec![0; 4 + 4 + 8];
        [image.text(&self.id), image.text("Handmade"), image.text("1.0.0"), numbers, methods_list].concat()
    }
}

/// The initial memory of a module.
#[derive(Default)]
struct Image {
    data: String,
    used: u32,
}

impl Image {
    fn place(&mut self, at: u32, bytes: &[u8]) {
        write!(self.data, "(data (i32.const {at}) \"").unwrap();
        for byte in bytes {
            write!(self.data, "\\{byte:02x}").unwrap();
        }
        self.data.push_str("\")\n");
    }

    /// Places a text and answers with its address and length, as the component model has them.
    fn text(&mut self, text: &str) -> Vec<u8> {
        let at = STRINGS_AT + self.used;
        self.place(at, text.as_bytes());
        let length = u32::try_from(text.len()).unwrap();
        self.used += length;
        [at, length].map(u32::to_le_bytes).concat()
    }
}

/// Games that load and are broken when they are played, by their ids.
pub(crate) fn broken_when_played() -> Vec<(&'static str, Vec<u8>)> {
    let broken = [
        // A resource of the game's own: it makes handles and never drops one.
        (
            "handle-leak",
            Handmade {
                world: Some(
                    "package hostile:leak; interface pit { resource handle {} }
                 world hostile { include croupier:game/casino-game@0.1.0; export pit; }",
                ),
                imports: r#"(import "[export]hostile:leak/pit" "[resource-new]handle" (func $new (param i32) (result i32)))"#,
                handle: "(loop $for_ever (drop (call $new (i32.const 0))) (br $for_ever))",
                ..Handmade::default()
            },
        ),
        (
            "handle-forgery",
            Handmade {
                world: Some(
                    "package hostile:leak; interface pit { resource handle {} }
                 world hostile { include croupier:game/casino-game@0.1.0; export pit; }",
                ),
                imports: r#"(import "[export]hostile:leak/pit" "[resource-drop]handle" (func $drop (param i32)))"#,
                handle: "(call $drop (i32.const 77))",
                ..Handmade::default()
            },
        ),
        (
            "table-bomb",
            Handmade {
                items: "(table $table 1 funcref)",
                handle: "(loop $for_ever
                (drop (table.grow $table (ref.null func) (i32.const 1000))) (br $for_ever))",
                ..Handmade::default()
            },
        ),
        (
            "table-giant",
            Handmade {
                items: "(table $table 1 funcref)",
                handle: "(drop (table.grow $table (ref.null func) (i32.const 0x7fffffff)))",
                ..Handmade::default()
            },
        ),
        ("memory-giant", Handmade { handle: "(drop (memory.grow (i32.const 65534)))", ..Handmade::default() }),
        // The host asks the game for room for a list, and the game calls the host back.
        (
            "calls-back",
            Handmade {
                imports: concat!(
                    r#"(import "croupier:game/wallet@0.1.0" "balance" (func $balance (result i64)))"#,
                    r#"(import "croupier:game/store@0.1.0" "get" (func $get (param i32 i32 i32)))"#,
                ),
                realloc: "(drop (call $balance))",
                ..Handmade::default()
            },
        ),
        ("room-outside-of-memory", Handmade { realloc: "(return (i32.const 0x7ffffff0))", ..Handmade::default() }),
        (
            "list-outside-of-memory",
            Handmade {
                imports: r#"(import "croupier:game/random@0.1.0" "weighted" (func $weighted (param i32 i32) (result i32)))"#,
                handle: "(drop (call $weighted (i32.const 0x7ffffff0) (i32.const 1000)))",
                ..Handmade::default()
            },
        ),
        (
            "list-without-end",
            Handmade {
                imports: r#"(import "croupier:game/random@0.1.0" "weighted" (func $weighted (param i32 i32) (result i32)))"#,
                handle: "(drop (call $weighted (i32.const 0) (i32.const 0x7fffffff)))",
                ..Handmade::default()
            },
        ),
        ("reply-of-no-kind", Handmade { handle: "(i32.store8 (i32.const 512) (i32.const 2))", ..Handmade::default() }),
        ("reply-outside-of-memory", Handmade { handle: "(return (i32.const 0x7ffffff0))", ..Handmade::default() }),
        (
            "list-too-long",
            Handmade {
                memory: "40",
                imports: r#"(import "croupier:game/random@0.1.0" "weighted" (func $weighted (param i32 i32) (result i32)))"#,
                handle: "(drop (call $weighted (i32.const 0) (i32.const 500000)))",
                ..Handmade::default()
            },
        ),
        ("reply-of-no-kind", Handmade { handle: "(i32.store8 (i32.const 512) (i32.const 2))", ..Handmade::default() }),
        ("reply-outside-of-memory", Handmade { handle: "(return (i32.const 0x7ffffff0))", ..Handmade::default() }),
        (
            "divides-by-zero",
            Handmade { handle: "(drop (i32.div_u (i32.const 1) (i32.const 0)))", ..Handmade::default() },
        ),
        ("reads-outside-of-memory", Handmade { handle: "(drop (i32.load (i32.const -4)))", ..Handmade::default() }),
        (
            "calls-nobody",
            Handmade {
                items: "(table 1 funcref) (type $void (func))",
                handle: "(call_indirect (type $void) (i32.const 0))",
                ..Handmade::default()
            },
        ),
        (
            "keys-into-nowhere",
            Handmade { imports: KEYS, handle: "(call $keys (i32.const 0x7ffffff0))", ..Handmade::default() },
        ),
    ];
    let game = |(id, game): (&'static str, Handmade)| (id, Handmade { id: id.to_owned(), ..game }.component());
    broken.into_iter().map(game).collect()
}
