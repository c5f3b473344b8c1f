//! The contract's Rust face, generated from `wit/`. Only [`crate::engine`] looks in here.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "casino-game-with-everything",
    imports: { default: trappable },
    exports: { default: async },
});
