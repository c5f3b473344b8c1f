//! Games written in the text format of WebAssembly, for what Rust cannot express or what must be wrong in itself.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A core module and the contract it claims to keep. Where nothing is changed it is an honest game, whose method `play`
/// answers `"played"`.
#[derive(Clone)]
pub(super) struct Handmade {
    pub(super) id: String,
    pub(super) methods: Vec<String>,
    pub(super) params_schema: String,
    pub(super) result_schema: String,
    /// What `handle` answers with.
    pub(super) body: String,
    /// The contract's text.
    pub(super) contract: String,
    /// Another package with a world `hostile` that is kept instead.
    pub(super) world: Option<&'static str>,
    /// Of the core module.
    pub(super) imports: &'static str,
    pub(super) memory: &'static str,
    /// Of the core module, beyond what a game needs.
    pub(super) items: &'static str,
    /// Instructions that run before `describe` answers.
    pub(super) describe: &'static str,
    /// Instructions that run before `handle` answers.
    pub(super) handle: &'static str,
    /// Instructions that run whenever the host puts something in the game's memory.
    pub(super) realloc: &'static str,
    /// Added to where the descriptor is.
    pub(super) descriptor_offset: u32,
}

pub(super) const BALANCE: &str = r#"(import "croupier:game/wallet@0.1.0" "balance" (func $balance (result i64)))"#;
const KEYS: &str = r#"(import "croupier:game/store@0.1.0" "keys" (func $keys (param i32)))"#;
pub(super) const LOOP: &str = "(loop $for_ever (br $for_ever))";

/// Where the memory of a handmade game has what; the heap has the second page and what follows.
const STRINGS_AT: u32 = 4096;
const METHODS_AT: u32 = 1024;
const REPLY_AT: u32 = 512;
const DESCRIPTOR_AT: u32 = 16;

impl Default for Handmade {
    fn default() -> Self {
        let contract = std::fs::read_to_string(crate::harness::root().join("wit/game.wit")).unwrap();
        Self {
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
}

impl Handmade {
    pub(super) fn component(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let contract = resolve.push_str("game.wit", &self.contract).unwrap();
        let world = match self.world {
            Some(text) => {
                let package = resolve.push_str("hostile.wit", text).unwrap();
                resolve.select_world(&[package], Some("hostile")).unwrap()
            }
            None => resolve.select_world(&[contract], Some("casino-game")).unwrap(),
        };
        let text = self.module();
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
pub(super) fn broken_when_played() -> Vec<(&'static str, Vec<u8>)> {
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
