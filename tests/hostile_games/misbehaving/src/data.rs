//! Documents, effects, and strings that are none.

use std::slice;

use crate::{
    Act,
    bindings::croupier::game::{notify, store, track, types},
    reply,
};

pub(crate) const ACTS: &[(&str, Act)] = &[
    ("documents_over_the_limit", documents_over_the_limit),
    ("document_over_the_limit", || put("key", &format!("\"{}\"", "x".repeat(16 << 10)))),
    ("document_without_key", || put("", "1")),
    ("document_with_a_long_key", || put(&"k".repeat(65), "1")),
    ("document_with_a_path_for_a_key", || put("../alice", "1")),
    ("document_with_a_foreign_key", || put("clé", "1")),
    ("document_with_a_nul_in_its_key", || put("a\0b", "1")),
    ("document_that_is_not_json", || put("key", "{'a':1}")),
    ("document_that_is_too_deep", || put("key", &format!("{}{}", "[".repeat(8000), "]".repeat(8000)))),
    ("read_with_huge_keys", || each_key(2000, &"k".repeat(500_000), |key| drop(store::get(key)))),
    ("delete_with_huge_keys", || each_key(2000, &"k".repeat(500_000), store::delete)),
    ("read_keys_without_end", || each_key(usize::MAX, "k", |key| drop(store::get(key)))),
    ("delete_many_keys", || each_key(50_000, "k", store::delete)),
    ("put_and_delete_many_keys", put_and_delete_many_keys),
    ("keep_a_secret", || put("secret", "\"mine\"")),
    ("tell_the_secret", tell_the_secret),
    ("too_many_effects", too_many_effects),
    ("effect_over_the_limit", || event(&format!("\"{}\"", "x".repeat(4 << 10)))),
    ("effect_of_a_long_template", effect_of_a_long_template),
    ("effect_that_is_not_json", || event("{")),
    ("effect_that_is_too_deep", || event(&format!("{}{}", "[".repeat(1000), "]".repeat(1000)))),
    ("hand_over_invalid_utf8", || hand_over(&[b'k', 0xff])),
    ("hand_over_a_text_outside_of_memory", hand_over_a_text_outside_of_memory),
    ("hand_over_too_much", || hand_over(&vec![b'k'; 2 << 20])),
];

fn put(key: &str, json: &str) -> Result<types::Reply, types::Fault> {
    store::put(key, json)?;
    reply("null")
}

fn documents_over_the_limit() -> Result<types::Reply, types::Fault> {
    let document = format!("\"{}\"", "x".repeat(1000));
    for number in 0..1000 {
        store::put(&number.to_string(), &document)?;
    }
    reply("null")
}

fn each_key(count: usize, word: &str, act: impl Fn(&str)) -> Result<types::Reply, types::Fault> {
    for number in 0..count {
        act(&format!("{word}{number}"));
    }
    reply("null")
}

fn put_and_delete_many_keys() -> Result<types::Reply, types::Fault> {
    for number in 0..40_000 {
        let key = number.to_string();
        store::put(&key, "1")?;
        store::delete(&key);
    }
    reply("null")
}

fn tell_the_secret() -> Result<types::Reply, types::Fault> {
    reply(format!("[{:?},{}]", store::keys(), store::get("secret").unwrap_or_else(|| "null".to_owned())))
}

fn too_many_effects() -> Result<types::Reply, types::Fault> {
    for _ in 0..1000 {
        track::event("noise", "{}")?;
    }
    reply("null")
}

fn event(props: &str) -> Result<types::Reply, types::Fault> {
    track::event("event", props)?;
    reply("null")
}

fn effect_of_a_long_template() -> Result<types::Reply, types::Fault> {
    let (channel, template) = ("email".to_owned(), "t".repeat(5 << 10));
    notify::send(&notify::Notification { channel, template, data: "{}".to_owned(), delay_ms: 0 })?;
    reply("null")
}

fn hand_over(bytes: &[u8]) -> Result<types::Reply, types::Fault> {
    // SAFETY: none. That this is no text is what the host must find out.
    let text = unsafe { str::from_utf8_unchecked(bytes) };
    store::delete(text);
    reply("null")
}

fn hand_over_a_text_outside_of_memory() -> Result<types::Reply, types::Fault> {
    // SAFETY: none. That there is no such memory is what the host must find out.
    hand_over(unsafe { slice::from_raw_parts(0xffff_ff00_usize as *const u8, 100) })
}
