//! Templates: the operator's words, by channel and language, filled with what a notification says. They are read once.
//!
//! The operator writes templates, anybody may be in the data. So data is escaped as its file demands, cannot break a line
//! that becomes a header, and cannot make a message longer than [`RENDERED_BYTES_MAX`]; a template's work is bounded, its
//! memory is not.

mod file;
mod load;

use std::{collections::BTreeMap, io};

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

pub use self::load::TemplateError;
use self::{file::Part, load::Channels};
use crate::{
    identity::{Locale, TemplateName},
    json::Json,
    limits::{RENDERED_BYTES_MAX, TEMPLATE_FUEL_MAX},
    notifications::{Channel, Message},
};

/// Every template.
pub struct Templates {
    environment: Environment<'static>,
    templates: BTreeMap<TemplateName, Channels>,
    fallback: Locale,
}

/// A template's words for one channel in one language.
#[derive(Debug, Default)]
struct Variant {
    locale: Option<Locale>,
    /// The names of the parts in the environment.
    parts: BTreeMap<Part, String>,
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// There is no such template.
    #[error("there is no template '{0}'")]
    NoTemplate(TemplateName),
    /// The template has nothing for the channel.
    #[error("the template '{template}' has no words for {channel}; it has them for {}", join(has))]
    NoChannel {
        /// The template.
        template: TemplateName,
        /// The channel.
        channel: Channel,
        /// What it has words for.
        has: Vec<Channel>,
    },
    /// The template has the channel in other languages only.
    #[error("the template '{template}' has no words for {channel} in {}; it has them in {}", join(wanted), join(has))]
    NoLanguage {
        /// The template.
        template: TemplateName,
        /// The channel.
        channel: Channel,
        /// The language asked for, and the one of those who have none.
        wanted: Vec<Locale>,
        /// What languages it has.
        has: Vec<Locale>,
    },
    /// The template and the data do not go together.
    #[error("{file}{}: {why}", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Failed {
        /// The file, below the templates' directory.
        file: String,
        /// The line, where it is one line that fails.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
}

impl Templates {
    /// Every template's name, in order.
    pub fn names(&self) -> impl Iterator<Item = &TemplateName> {
        self.templates.keys()
    }

    /// The channels of a template with their languages, in order; `None` is every language. Empty where there is no such
    /// template.
    pub fn variants(&self, template: &TemplateName) -> impl Iterator<Item = (Channel, Option<&Locale>)> {
        let channels = self.templates.get(template).into_iter().flatten();
        channels.flat_map(|(channel, variants)| variants.values().map(|variant| (*channel, variant.locale.as_ref())))
    }

    /// A template's message for a channel, in the recipient's language if there is one: `de-AT`, or else `de`, or else the
    /// fallback.
    ///
    /// # Errors
    /// Where there are no such words, or the data lacks something that they say.
    pub fn render(
        &self,
        template: &TemplateName,
        channel: Channel,
        locale: Option<&Locale>,
        data: &Json,
    ) -> Result<Message, RenderError> {
        let variant = self.variant(template, channel, locale)?;
        let context = serde_json::from_str::<Value>(data.as_str()).ok();
        let context = context.filter(|value| value.kind() == minijinja::value::ValueKind::Map).ok_or_else(|| {
            let why = "the data is no JSON object".to_owned();
            RenderError::Failed { file: template.to_string(), line: None, why }
        })?;
        let filling = Filling { environment: &self.environment, variant, context };
        match channel {
            Channel::Email => Ok(Message::Email {
                subject: filling.line(Part::Subject)?.unwrap_or_default(),
                text: filling.text(Part::Text)?,
                html: filling.text(Part::Html)?,
            }),
            Channel::Push => Ok(Message::Push {
                title: filling.line(Part::Title)?,
                text: filling.text(Part::Text)?.unwrap_or_default(),
            }),
            Channel::Social => Ok(Message::Social {
                text: filling.text(Part::Text)?.unwrap_or_default(),
                link: filling.line(Part::Link)?,
            }),
            Channel::Webhook => filling.body().map(|body| Message::Webhook { body }),
        }
    }

    fn variant(
        &self,
        template: &TemplateName,
        channel: Channel,
        locale: Option<&Locale>,
    ) -> Result<&Variant, RenderError> {
        let channels = self.templates.get(template).ok_or_else(|| RenderError::NoTemplate(template.clone()))?;
        let variants = channels.get(&channel).ok_or_else(|| RenderError::NoChannel {
            template: template.clone(),
            channel,
            has: channels.keys().copied().collect(),
        })?;
        let wanted = [locale, Some(&self.fallback)].into_iter().flatten();
        let found = wanted.clone().flat_map(|locale| wider(key(locale))).find_map(|key| variants.get(&Some(key)));
        found.or_else(|| variants.get(&None)).ok_or_else(|| RenderError::NoLanguage {
            template: template.clone(),
            channel,
            wanted: wanted.cloned().collect(),
            has: variants.values().filter_map(|variant| variant.locale.clone()).collect(),
        })
    }
}

/// Languages are the same in upper and lower case.
fn key(locale: &Locale) -> String {
    locale.as_str().to_ascii_lowercase()
}

/// `zh-hant-tw`, `zh-hant`, `zh`.
fn wider(key: String) -> impl Iterator<Item = String> {
    std::iter::successors(Some(key), |key| key.rsplit_once('-').map(|(wider, _)| wider.to_owned()))
}

fn join<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

fn strict_environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(TEMPLATE_FUEL_MAX));
    environment.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html") => AutoEscape::Html,
        Some("json") => AutoEscape::Json,
        _ => AutoEscape::None,
    });
    environment
}

/// One message being made.
struct Filling<'a> {
    environment: &'a Environment<'static>,
    variant: &'a Variant,
    context: Value,
}

impl Filling<'_> {
    /// A part as it is; `None` where the message has none.
    fn text(&self, part: Part) -> Result<Option<String>, RenderError> {
        self.variant.parts.get(&part).map(|file| self.fill(file)).transpose()
    }

    /// A part of one line, whatever is in the data: it becomes a header or a title.
    fn line(&self, part: Part) -> Result<Option<String>, RenderError> {
        let Some(file) = self.variant.parts.get(&part) else { return Ok(None) };
        let line = one_line(&self.fill(file)?);
        if line.is_empty() {
            return Err(RenderError::Failed {
                file: file.clone(),
                line: None,
                why: "nothing is left of it".to_owned(),
            });
        }
        Ok(Some(line))
    }

    fn body(&self) -> Result<Json, RenderError> {
        let file = self.variant.parts.get(&Part::Body).map(String::as_str).unwrap_or_default();
        let text = self.fill(file)?;
        Json::parse(text).map_err(|error| RenderError::Failed {
            file: file.to_owned(),
            line: Some(error.line()),
            why: format!("what was made of it is no JSON: {error}; a value brings its own quotation marks"),
        })
    }

    fn fill(&self, file: &str) -> Result<String, RenderError> {
        let failed = |error: Error| RenderError::Failed {
            file: file.to_owned(),
            line: error.line(),
            why: self.explain(file, &error),
        };
        let template = self.environment.get_template(file).map_err(failed)?;
        let mut output = Bounded(Vec::new());
        template.render_captured_to(self.context.clone(), &mut output).map_err(failed)?;
        // The engine writes nothing but UTF-8.
        Ok(String::from_utf8_lossy(&output.0).into_owned())
    }

    /// In words that say to whoever sends notifications what to change.
    fn explain(&self, file: &str, error: &Error) -> String {
        match error.kind() {
            ErrorKind::UndefinedError => match self.missing(file) {
                missing if missing.is_empty() => "it asks for something that the data does not have".to_owned(),
                missing => format!("the data does not have: {}", missing.join(", ")),
            },
            ErrorKind::OutOfFuel => format!("it is not done within {TEMPLATE_FUEL_MAX} instructions"),
            ErrorKind::WriteFailure => format!("it makes more than {RENDERED_BYTES_MAX} bytes"),
            kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        }
    }

    /// What a file names and the data does not have; some of it may be asked for only sometimes.
    fn missing(&self, file: &str) -> Vec<String> {
        let Ok(template) = self.environment.get_template(file) else { return Vec::new() };
        let names = template.undeclared_variables(true).into_iter();
        let globals: Vec<_> = self.environment.globals().map(|(name, _)| name).collect();
        let mut missing: Vec<_> = names.filter(|name| !globals.contains(&name.as_str()) && !self.has(name)).collect();
        missing.sort();
        missing
    }

    fn has(&self, name: &str) -> bool {
        let mut value = self.context.clone();
        for part in name.split('.') {
            match value.get_attr(part) {
                Ok(inner) if !inner.is_undefined() => value = inner,
                _ => return false,
            }
        }
        true
    }
}

/// Line breaks of every kind become spaces; other control characters go.
fn one_line(text: &str) -> String {
    let breaks = |character| matches!(character, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let clean = |line: &str| line.replace('\t', " ").replace(|character: char| character.is_control(), "");
    let lines = text.split(breaks).map(|line| clean(line).trim().to_owned()).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
