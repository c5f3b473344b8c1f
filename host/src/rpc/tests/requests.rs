//! Single requests: ids, members, params, and what is refused.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};

use super::super::{Error, Limits, answer};
use super::{LIMITS, Toy, answer_bytes, answer_json, answer_text, refusal};

#[test]
fn every_legal_id_comes_back_as_it_was_sent() {
    for id in [
        "null",
        "0",
        "-1",
        "-0",
        "1.50",
        "1e3",
        "1E+02",
        "-2.5e-7",
        "1e999",
        "18446744073709551616",
        "123456789012345678901234567890",
        r#""""#,
        r#""a""#,
        r#""\u0041\/\n""#,
        r#""\ud83c\udfb0""#,
        r#""🎰 é""#,
    ] {
        let request = format!(r#"{{"jsonrpc":"2.0","method":"echo","id": {id} }}"#);
        assert_eq!(answer_text(&request).unwrap(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":null}}"#));
        let refused = format!(r#"{{"id":{id},"jsonrpc":"1.0","method":"echo"}}"#);
        assert!(answer_text(&refused).unwrap().starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#)));
    }
}

#[test]
fn any_other_id_is_an_invalid_request() {
    for id in ["true", "false", "[]", "[1]", "{}", r#"{"a":1}"#, r#""\ud800""#] {
        let response = answer_json(format!(r#"{{"jsonrpc":"2.0","method":"echo","id":{id}}}"#).as_bytes());
        assert_eq!(refusal(&response), (-32600, "invalid_request", None), "{id}");
        assert_eq!(response["id"], Value::Null, "{id}");
    }
}

#[test]
fn without_an_id_nothing_is_answered_whatever_comes_of_the_call() {
    for params in ["", r#","params":[1]"#, r#","params":{"a":1,"a":2}"#, r#","params":[[[[[]]]]]"#] {
        for method in ["echo", "sum", "nonesuch", "fault", "by_name"] {
            assert_eq!(answer_text(&format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#)), None);
        }
    }
}

#[test]
fn bytes_that_are_not_json_are_a_parse_error() {
    let bodies: &[&[u8]] = &[
        b"",
        b" ",
        b"\0",
        b"nope",
        b"{",
        b"[",
        b"[1,]",
        b"{\"a\"}",
        b"{'a':1}",
        b"[] []",
        b"{} x",
        b"1 2",
        b"\"a",
        b"01",
        b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"id\":1}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,}",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\",\"id\":1}",
        b"\xc2\xa0{}",
        b"[{\"jsonrpc\":\"2.0\"},{]",
        b"\"\x01\"",
    ];
    for body in bodies {
        let response = answer_json(body);
        assert_eq!(refusal(&response), (-32700, "parse_error", None), "{body:?}");
        assert_eq!(response["id"], Value::Null);
    }
}

/// Request, id of the answer, reason, pointer.
const INVALID: &[(&str, &str, &str, Option<&str>)] = &[
    ("{}", "null", "invalid_request", None),
    ("1e999", "null", "invalid_request", None),
    (r#""\ud800""#, "null", "invalid_request", None),
    ("null", "null", "invalid_request", None),
    (r#"{"method":"echo","id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":2.0,"method":"echo","id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.00","method":"echo","id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":null,"method":"echo","id":"a"}"#, "\"a\"", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":null,"id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":"\udead","id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":["echo"],"id":1}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":"echo","id":1,"params":null}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":"echo","id":1,"params":"a"}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":"echo","id":1,"params":7}"#, "1", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","method":"echo","params":false}"#, "null", "invalid_request", None),
    (r#"{"jsonrpc":"2.0","jsonrpc":"2.0","method":"echo","id":1}"#, "1", "duplicate_member", Some("/jsonrpc")),
    (r#"{"jsonrpc":"2.0","method":"echo","m\u0065thod":"sum","id":1}"#, "1", "duplicate_member", Some("/method")),
    (r#"{"jsonrpc":"2.0","method":"echo","params":[],"params":[],"id":1}"#, "1", "duplicate_member", Some("/params")),
    (r#"{"jsonrpc":"2.0","method":"echo","id":1,"id":1}"#, "null", "duplicate_member", Some("/id")),
    (r#"{"jsonrpc":"2.0","method":"echo","id":1,"a/b":1,"a/b":2}"#, "1", "duplicate_member", Some("/a~1b")),
    (r#"{"jsonrpc":"2.0","method":"echo","id":{},"x":1,"x":2}"#, "null", "duplicate_member", Some("/x")),
];

#[test]
fn json_that_is_no_request_is_an_invalid_request() {
    for &(request, id, reason, pointer) in INVALID {
        let response = answer_json(request.as_bytes());
        assert_eq!(refusal(&response), (-32600, reason, pointer), "{request}");
        assert_eq!(response["id"].to_string(), id, "{request}");
    }
}

#[test]
fn unknown_members_are_ignored() {
    for extra in [r#""x":1"#, r#""x":1,"y":{"a":1,"a":2}"#, r#""JSONRPC":"1.0""#, r#""":1e999"#, r#""\ud800":"\ud800""#]
    {
        let response = answer_json(format!(r#"{{{extra},"jsonrpc":"2.0","method":"echo","id":1}}"#).as_bytes());
        assert_eq!(response, json!({"jsonrpc": "2.0", "id": 1, "result": null}), "{extra}");
    }
}

#[test]
fn escaped_names_mean_what_they_spell() {
    let request = r#"{"\u006asonrpc":"\u0032.0","method":"\u0065cho","i\u0064":1,"p\u0061rams":["\u0061"]}"#;
    assert_eq!(answer_json(request.as_bytes()), json!({"jsonrpc": "2.0", "id": 1, "result": ["a"]}));
}

/// Params, reason, pointer.
const INVALID_PARAMS: &[(&str, &str, &str)] = &[
    (r#"{"a":1,"a":1}"#, "duplicate_member", "/a"),
    (r#"{"a":1,"\u0061":1}"#, "duplicate_member", "/a"),
    (r#"{"b":[0,{"c~d/e":1,"c~d/e":2}]}"#, "duplicate_member", "/b/1/c~0d~1e"),
    (r#"[{"":1,"":2}]"#, "duplicate_member", "/0/"),
    ("[[[[[]]]]]", "too_deep", "/0/0/0/0"),
    (r#"{"a":{"b":[[{}]]}}"#, "too_deep", "/a/b/0/0"),
    ("[18446744073709551616]", "number_not_exact", "/0"),
    (r#"{"a":[1,-9223372036854775809]}"#, "number_not_exact", "/a/1"),
    ("[9007199254740992.0]", "number_not_exact", "/0"),
    ("[1e23]", "number_not_exact", "/0"),
    ("[[1e999]]", "invalid_params", "/0/0"),
    (r#"{"a":"\ud800"}"#, "invalid_params", "/a"),
    (r#"{"a":{"\ud800":1}}"#, "invalid_params", "/a"),
];

#[test]
fn ambiguous_params_are_refused_at_their_place() {
    for &(params, reason, pointer) in INVALID_PARAMS {
        let response =
            answer_json(format!(r#"{{"jsonrpc":"2.0","method":"echo","params":{params},"id":"x"}}"#).as_bytes());
        assert_eq!(refusal(&response), (-32602, reason, Some(pointer)), "{params}");
        assert_eq!(response["id"], "x");
    }
}

#[test]
fn params_as_deep_as_the_bound_are_read() {
    for params in ["[[[[]]]]", r#"{"a":{"b":[{}]}}"#] {
        let response =
            answer_json(format!(r#"{{"jsonrpc":"2.0","method":"echo","params":{params},"id":1}}"#).as_bytes());
        assert_eq!(response["result"].to_string(), params);
    }
}

#[test]
fn no_depth_of_params_or_body_is_too_deep_for_the_host() {
    let limits = Limits { depth_max: usize::MAX, body_bytes_max: usize::MAX, ..LIMITS };
    for depth in [126, 127, 128, 400_000] {
        let nested = "[".repeat(depth) + &"]".repeat(depth);
        let call = format!(r#"{{"jsonrpc":"2.0","method":"echo","params":{nested},"id":1}}"#);
        for body in [nested, call.clone(), format!("[{call}]")] {
            let answer = futures_util::FutureExt::now_or_never(answer(body.as_bytes(), &limits, &Toy::default(), &()));
            let text = String::from_utf8(answer.flatten().expect("an answer")).unwrap();
            let is_read = depth == 126 && body.contains("echo");
            assert_eq!(text.contains("result"), is_read, "{depth}: {text:.200}");
            assert!(is_read || text.contains("too_deep") || text.contains("invalid_request"), "{depth}: {text:.200}");
        }
    }
}

#[test]
fn positional_params_do_not_fit_a_method_by_name() {
    let response = answer_json(br#"{"jsonrpc":"2.0","method":"by_name","params":[],"id":1}"#);
    assert_eq!(refusal(&response), (-32602, "invalid_params", Some("")));
    assert_eq!(response["error"]["message"], "params must be an object, by name");
    let absent = answer_json(br#"{"jsonrpc":"2.0","method":"by_name","id":1}"#);
    assert_eq!(absent["result"], json!({}));
}

#[test]
fn errors_of_games_and_host_keep_their_code_and_data() {
    let error = |method: &str| {
        answer_json(format!(r#"{{"jsonrpc":"2.0","method":"{method}","id":1}}"#).as_bytes())["error"].take()
    };
    assert_eq!(error("fault"), json!({"code": 7, "message": "no such bet", "data": {"bets": [1]}}));
    let closed = json!({"code": -32001, "message": "the table is closed", "data": {"reason": "closed", "until_ms": 5}});
    assert_eq!(error("closed"), closed);
}

#[test]
fn a_recorded_error_is_answered_word_for_word() {
    let bets = to_raw_value(&json!([1, 2])).unwrap();
    for error in [
        Error::host(-32001, "closed", "the table is closed").with("until_ms", 5),
        Error::invalid_params("no").because("too_deep").with("pointer", "/a"),
        Error::game(7, "no such bet", Some(bets.into())),
        Error::game(8, "no data", None),
    ] {
        let recorded = Error::recorded(error.code(), error.message().to_owned(), error.data());
        assert_eq!(recorded.to_response(), error.to_response());
    }
}

#[test]
fn a_body_over_the_bound_is_refused_unread() {
    let body = vec![b' '; LIMITS.body_bytes_max + 1];
    assert_eq!(refusal(&answer_json(&body)), (-32600, "body_too_large", None));
    assert_eq!(refusal(&answer_json(&body[1..])), (-32700, "parse_error", None));
    assert!(answer_bytes(&body).is_some());
}
