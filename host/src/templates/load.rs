//! Reads a directory of templates: `<template>/<channel>.<locale>.<part>`. What is not understood there is an error, so
//! that a slip of the pen is found when the host starts and not when the first message is due.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use minijinja::Environment;

use super::{
    Templates, Variant,
    file::{FileName, Part},
    key, strict_environment,
};
use crate::{
    identity::{Locale, TemplateName},
    limits::{TEMPLATE_BYTES_MAX, TEMPLATES_MAX},
    notifications::Channel,
};

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {why}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TemplateError {
    /// The file or directory.
    pub file: PathBuf,
    /// The line, where it is one line that is wrong.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl TemplateError {
    fn of(file: &Path, why: impl ToString) -> Self {
        Self { file: file.to_owned(), line: None, why: why.to_string() }
    }
}

/// Files of one template, below its channels and languages.
pub(super) type Channels = BTreeMap<Channel, BTreeMap<Option<String>, Variant>>;

impl Templates {
    /// Reads every template of a directory. Names that begin with a dot are passed over; a directory that is not there
    /// has no templates. `fallback` is the language of those who have none, or one that a template has no words in.
    ///
    /// # Errors
    /// Where something cannot be read, is not named as a template's file is, is no template, or lacks a part.
    pub fn load(directory: &Path, fallback: Locale) -> Result<Self, TemplateError> {
        let mut environment = strict_environment();
        let mut templates = BTreeMap::new();
        for path in entries(directory, true)? {
            let (template, channels) = load_template(&path, &mut environment)?;
            templates.insert(template, channels);
            if templates.len() > TEMPLATES_MAX {
                return Err(TemplateError::of(directory, format!("there are more than {TEMPLATES_MAX} templates")));
            }
        }
        Ok(Self { environment, templates, fallback })
    }
}

fn load_template(
    directory: &Path,
    environment: &mut Environment<'static>,
) -> Result<(TemplateName, Channels), TemplateError> {
    let template: TemplateName = name_of(directory).parse().map_err(|error| TemplateError::of(directory, error))?;
    if !directory.is_dir() {
        return Err(TemplateError::of(directory, "a template is a directory"));
    }
    let mut channels = Channels::new();
    for path in entries(directory, false)? {
        let file = FileName::parse(name_of(&path)).map_err(|why| TemplateError::of(&path, why))?;
        let text = read(&path)?;
        let name = format!("{template}/{file}");
        environment.add_template_owned(name.clone(), text).map_err(|error| TemplateError {
            file: path.clone(),
            line: error.line(),
            why: error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
        })?;
        let variants = channels.entry(file.channel).or_default();
        let variant = variants.entry(file.locale.as_ref().map(key)).or_default();
        variant.locale = file.locale;
        if variant.parts.insert(file.part, name).is_some() {
            return Err(TemplateError::of(&path, "the same language is there in another spelling"));
        }
    }
    for (channel, variants) in &channels {
        for variant in variants.values() {
            must_be_whole(directory, *channel, variant)?;
        }
    }
    Ok((template, channels))
}

/// A message that lacks a part would fail each time.
fn must_be_whole(directory: &Path, channel: Channel, variant: &Variant) -> Result<(), TemplateError> {
    let lacks = |part| {
        let file = FileName { channel, locale: variant.locale.clone(), part };
        Err(TemplateError::of(&directory.join(file.to_string()), "this file is missing"))
    };
    for (part, required) in Part::of(channel) {
        if *required && !variant.parts.contains_key(part) {
            return lacks(*part);
        }
    }
    let is_said = variant.parts.keys().any(|part| matches!(part, Part::Text | Part::Html | Part::Body));
    if is_said { Ok(()) } else { lacks(Part::Text) }
}

/// What is in a directory, in order.
fn entries(directory: &Path, may_be_absent: bool) -> Result<Vec<PathBuf>, TemplateError> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if may_be_absent && error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(TemplateError::of(directory, error)),
    };
    let paths: Result<Vec<_>, _> = listed.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| TemplateError::of(directory, error))?;
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, TemplateError> {
    let length = fs::metadata(path).map_err(|error| TemplateError::of(path, error))?.len();
    if length > TEMPLATE_BYTES_MAX {
        return Err(TemplateError::of(path, format!("it has {length} bytes of at most {TEMPLATE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| TemplateError::of(path, error))
}

/// Empty where it is no UTF-8, which is no name of ours.
fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::directory_of;
    use super::*;

    fn fails(files: &[(&str, &str)]) -> String {
        let directory = directory_of(files);
        let error = Templates::load(directory.path(), "en".parse().unwrap()).err().unwrap().to_string();
        error.replace(&directory.path().display().to_string(), "templates")
    }

    #[test]
    fn an_error_says_which_file_and_which_line() {
        let broken = [("big-win/push.en.txt", "You won!\n\n{{ amount")];
        assert!(fails(&broken).starts_with("templates/big-win/push.en.txt:3: "), "{}", fails(&broken));
        assert_eq!(fails(&[("Big Win/push.en.txt", "")]).split(": ").next(), Some("templates/Big Win"));
        assert_eq!(fails(&[("readme", "")]), "templates/readme: a template is a directory");
        assert!(fails(&[("a/sms.en.txt", "")]).starts_with("templates/a/sms.en.txt: a file's name begins with"));
        let large = "x".repeat(usize::try_from(TEMPLATE_BYTES_MAX).unwrap() + 1);
        assert!(fails(&[("a/push.en.txt", &large)]).ends_with("262145 bytes of at most 262144"));
        let spelt = [("a/push.en-gb.txt", ""), ("a/push.en-GB.txt", "")];
        assert!(fails(&spelt).ends_with("the same language is there in another spelling"));
    }

    #[test]
    fn a_message_that_lacks_a_part_is_no_message() {
        assert_eq!(fails(&[("a/email.en.txt", "")]), "templates/a/email.en.subject.txt: this file is missing");
        assert_eq!(fails(&[("a/email.en.subject.txt", "")]), "templates/a/email.en.txt: this file is missing");
        assert_eq!(fails(&[("a/push.de.title.txt", "")]), "templates/a/push.de.txt: this file is missing");
    }

    #[test]
    fn hidden_files_and_an_absent_directory_are_no_templates() {
        let directory = directory_of(&[(".git/config", ""), ("a/.push.en.txt.swp", "{{"), ("a/push.en.txt", "")]);
        let templates = Templates::load(directory.path(), "en".parse().unwrap()).unwrap();
        assert_eq!(templates.names().map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
        let absent = Templates::load(&directory.path().join("none"), "en".parse().unwrap()).unwrap();
        assert_eq!(absent.names().count(), 0);
    }
}
