use std::fs;

use super::*;

/// A directory with these files.
pub(super) fn directory_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn load(files: &[(&str, &str)]) -> Templates {
    Templates::load(directory_of(files).path(), "en".parse().unwrap()).unwrap()
}

/// The template 'a', filled.
fn fill(files: &[(&str, &str)], channel: Channel, locale: &str, data: &str) -> Result<Message, RenderError> {
    let locale = locale.parse().ok();
    load(files).render(&"a".parse().unwrap(), channel, locale.as_ref(), &Json::parse(data.to_owned()).unwrap())
}

fn push(text: &str) -> Result<Message, RenderError> {
    Ok(Message::Push { title: None, text: text.to_owned() })
}

fn failure(text: &str, data: &str) -> String {
    fill(&[("a/push.en.txt", text)], Channel::Push, "", data).unwrap_err().to_string()
}

#[test]
fn every_channel_has_its_parts() {
    let files = [
        ("a/email.en.subject.txt", "{{ name }}, you won {{ amount }}!\n"),
        ("a/email.en.txt", "Hello {{ name }},\nyou won {{ amount }}.\n"),
        ("a/email.en.html", "<p>Hello {{ name }}</p>"),
        ("a/push.en.title.txt", "A big win"),
        ("a/push.en.txt", "{% if amount > 10 %}Big{% else %}Small{% endif %}: {{ amount }}"),
        ("a/social.en.txt", "{{ games|join(' and ') }}"),
        ("a/social.en.link.txt", "?game={{ games[0] }}"),
        ("a/webhook.json", r#"{"name": {{ name }}, "games": {{ games }}, "amount": {{ amount }}}"#),
    ];
    let data = r#"{"name":"Ann","amount":12,"games":["plinko","slots"]}"#;
    let email = Message::Email {
        subject: "Ann, you won 12!".to_owned(),
        text: Some("Hello Ann,\nyou won 12.".to_owned()),
        html: Some("<p>Hello Ann</p>".to_owned()),
    };
    assert_eq!(fill(&files, Channel::Email, "", data), Ok(email));
    let push = Message::Push { title: Some("A big win".to_owned()), text: "Big: 12".to_owned() };
    assert_eq!(fill(&files, Channel::Push, "", data), Ok(push));
    let social = Message::Social { text: "plinko and slots".to_owned(), link: Some("?game=plinko".to_owned()) };
    assert_eq!(fill(&files, Channel::Social, "", data), Ok(social));
    let Ok(Message::Webhook { body }) = fill(&files, Channel::Webhook, "", data) else { panic!() };
    assert_eq!(body.as_str(), r#"{"name": "Ann", "games": ["plinko","slots"], "amount": 12}"#);
    let templates = load(&files);
    let variants: Vec<_> = templates
        .variants(&"a".parse().unwrap())
        .map(|(channel, locale)| format!("{channel} {}", locale.map_or("-", |locale| locale.as_str())))
        .collect();
    assert_eq!(variants, ["email en", "push en", "social en", "webhook -"]);
}

#[test]
fn data_is_escaped_as_the_file_demands() {
    let files = [
        ("a/email.en.subject.txt", "Hi"),
        ("a/email.en.txt", "{{ name }}"),
        ("a/email.en.html", "<b title=\"{{ name }}\">{{ name }}</b>"),
        ("a/webhook.en.json", "{\"name\": {{ name }}}"),
    ];
    let data = r#"{"name":"<i>\"A\" & {{ b }}</i>\n"}"#;
    let Ok(Message::Email { text, html, .. }) = fill(&files, Channel::Email, "", data) else { panic!() };
    assert_eq!(text.unwrap(), "<i>\"A\" & {{ b }}</i>\n");
    let escaped = "&lt;i&gt;&quot;A&quot; &amp; {{ b }}&lt;&#x2f;i&gt;\n";
    assert_eq!(html.unwrap(), format!("<b title=\"{escaped}\">{escaped}</b>"));
    let Ok(Message::Webhook { body }) = fill(&files, Channel::Webhook, "", data) else { panic!() };
    let body: serde_json::Value = serde_json::from_str(body.as_str()).unwrap();
    assert_eq!(body["name"], "<i>\"A\" & {{ b }}</i>\n");
}

#[test]
fn what_is_made_of_a_json_file_is_json() {
    let fails = |text: &str, data: &str| fill(&[("a/webhook.json", text)], Channel::Webhook, "", data).unwrap_err();
    let quoted = fails("{\n\"name\": \"{{ name }}\"}", r#"{"name":"x"}"#).to_string();
    assert!(quoted.starts_with("a/webhook.json:2: what was made of it is no JSON"), "{quoted}");
    assert!(matches!(fails("{{ name|safe }}", r#"{"name":"1, 2"}"#), RenderError::Failed { .. }));
}

#[test]
fn a_header_stays_one_line_whatever_is_in_the_data() {
    let files = [
        ("a/email.en.subject.txt", "Well\ndone, {{ name }}"),
        ("a/email.en.txt", ""),
        ("a/push.en.title.txt", "{{ name }}"),
        ("a/push.en.txt", ""),
        ("a/social.en.txt", ""),
        ("a/social.en.link.txt", "?n={{ name }}"),
    ];
    let data = r#"{"name":"A\r\nBcc: all@example.com\u2028\u0000\u0085\u000b\u001b[31m"}"#;
    let Ok(Message::Email { subject, .. }) = fill(&files, Channel::Email, "", data) else { panic!() };
    assert_eq!(subject, "Well done, A Bcc: all@example.com [31m");
    let Ok(Message::Push { title, .. }) = fill(&files, Channel::Push, "", data) else { panic!() };
    assert_eq!(title.unwrap(), "A Bcc: all@example.com [31m");
    let Ok(Message::Social { link, .. }) = fill(&files, Channel::Social, "", data) else { panic!() };
    assert_eq!(link.unwrap(), "?n=A Bcc: all@example.com [31m");
    let empty = fill(&files, Channel::Push, "", r#"{"name":"\r\n"}"#).unwrap_err();
    assert_eq!(empty.to_string(), "a/push.en.title.txt: nothing is left of it");
}

#[test]
fn the_nearest_language_is_taken() {
    let files = [("a/push.en.txt", "en"), ("a/push.de.txt", "de"), ("a/push.zh-Hant.txt", "zh-Hant")];
    for (locale, text) in [
        ("de-AT", "de"),
        ("DE", "de"),
        ("en-GB", "en"),
        ("fr", "en"),
        ("", "en"),
        ("zh-hant-TW", "zh-Hant"),
        ("zh", "en"),
    ] {
        assert_eq!(fill(&files, Channel::Push, locale, "{}"), push(text), "{locale}");
    }
    let webhook = [("a/webhook.json", "1"), ("a/webhook.de.json", "2")];
    let body = |text: &str| Ok(Message::Webhook { body: Json::parse(text.to_owned()).unwrap() });
    assert_eq!(fill(&webhook, Channel::Webhook, "fr", "{}"), body("1"));
    assert_eq!(fill(&webhook, Channel::Webhook, "de-CH", "{}"), body("2"));
}

#[test]
fn a_sender_is_told_what_there_is_not() {
    let files = [("a/push.de.txt", "de"), ("a/push.it.txt", "it")];
    let none = load(&files).render(&"b".parse().unwrap(), Channel::Push, None, &Json::parse("{}".to_owned()).unwrap());
    assert_eq!(none.unwrap_err().to_string(), "there is no template 'b'");
    let words = |channel, locale| fill(&files, channel, locale, "{}").unwrap_err().to_string();
    assert_eq!(words(Channel::Email, ""), "the template 'a' has no words for email; it has them for push");
    assert_eq!(words(Channel::Push, "fr"), "the template 'a' has no words for push in fr, en; it has them in de, it");
}

#[test]
fn what_the_data_lacks_is_named() {
    let text = "Hello\n{{ player.name }}, {{ amount }}{% if bonus is defined %}{{ bonus }}{% endif %}";
    assert_eq!(
        failure(text, r#"{"player":{"age":7},"bonus":1}"#),
        "a/push.en.txt:2: the data does not have: amount, player.name"
    );
    let whole = fill(&[("a/push.en.txt", text)], Channel::Push, "", r#"{"player":{"name":"A"},"amount":1}"#);
    assert_eq!(whole, push("Hello\nA, 1"));
    assert!(failure("{{ player.name.first }}", r#"{"player":{"name":{}}}"#).ends_with("player.name.first"));
    assert_eq!(failure("x", "[1]"), "a: the data is no JSON object");
}

#[test]
fn no_template_works_or_talks_forever() {
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    assert!(failure(endless, "{}").ends_with("not done within 100000 instructions"));
    let long = "{% for a in range(1000) %}{{ text }}{% endfor %}";
    let data = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    assert!(failure(long, &data).ends_with("makes more than 262144 bytes"));
    assert!(failure("{{ text * 1000000000 }}", &data).starts_with("a/push.en.txt:1: "));
    assert!(failure("{{ text|money }}", &data).contains("money"));
}
