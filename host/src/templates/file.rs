//! The names of a template's files: `<channel>.<locale>.<part>.<kind>`.

use std::fmt;

use crate::{identity::Locale, notifications::Channel};

/// What a file holds of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// `email.en.subject.txt`
    Subject,
    /// `push.en.title.txt`
    Title,
    /// `social.en.link.txt`
    Link,
    /// `email.en.txt`, `push.en.txt`, `social.en.txt`
    Text,
    /// `email.en.html`
    Html,
    /// `webhook.en.json`, `webhook.json`
    Body,
}

impl Part {
    /// The channel's parts; those with `true` it must have.
    pub(super) fn of(channel: Channel) -> &'static [(Self, bool)] {
        match channel {
            Channel::Email => &[(Self::Subject, true), (Self::Text, false), (Self::Html, false)],
            Channel::Push => &[(Self::Title, false), (Self::Text, true)],
            Channel::Social => &[(Self::Text, true), (Self::Link, false)],
            Channel::Webhook => &[(Self::Body, true)],
        }
    }

    /// What follows channel and locale in the file's name.
    fn ending(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Title => "title.txt",
            Self::Link => "link.txt",
            Self::Text => "txt",
            Self::Html => "html",
            Self::Body => "json",
        }
    }
}

/// A file's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    pub(super) channel: Channel,
    /// `None` where it is for every language, which only a webhook's may be.
    pub(super) locale: Option<Locale>,
    pub(super) part: Part,
}

impl FileName {
    /// # Errors
    /// What is wrong with the name, in words.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let (channel, rest) = name.split_once('.').unwrap_or((name, ""));
        let Some(channel) = Channel::named(channel) else {
            return Err(format!("a file's name begins with email, push, social or webhook, not '{channel}'"));
        };
        let parts = Part::of(channel);
        if let Some((part, _)) = parts.iter().find(|(part, _)| part.ending() == rest) {
            if channel != Channel::Webhook {
                return Err(format!("it has no language, as in {channel}.en.{rest}"));
            }
            return Ok(Self { channel, locale: None, part: *part });
        }
        let (locale, ending) = rest.split_once('.').unwrap_or((rest, ""));
        let Some((part, _)) = parts.iter().find(|(part, _)| part.ending() == ending) else {
            let endings: Vec<_> = parts.iter().map(|(part, _)| part.ending()).collect();
            return Err(format!("a file of {channel} ends with one of {}", endings.join(", ")));
        };
        let locale = locale.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { channel, locale: Some(locale), part: *part })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.locale {
            Some(locale) => write!(f, "{}.{locale}.{}", self.channel, self.part.ending()),
            None => write!(f, "{}.{}", self.channel, self.part.ending()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_wrong_ones_are_explained() {
        for name in [
            "email.en.subject.txt",
            "email.de-AT.txt",
            "email.en.html",
            "push.en.title.txt",
            "push.en.txt",
            "social.zh-Hant-TW.txt",
            "social.en.link.txt",
            "webhook.en.json",
            "webhook.json",
        ] {
            assert_eq!(FileName::parse(name).unwrap().to_string(), name);
        }
        let fails = |name: &str| FileName::parse(name).unwrap_err();
        assert!(fails("mail.en.txt").contains("not 'mail'"));
        assert_eq!(fails("email.txt"), "it has no language, as in email.en.txt");
        assert_eq!(fails("email.subject.txt"), "it has no language, as in email.en.subject.txt");
        assert!(fails("push.en.html").contains("title.txt, txt"));
        assert!(fails("email.en.txt~").contains("subject.txt, txt, html"));
        assert!(fails("email.e.txt").contains("locale"));
    }
}
