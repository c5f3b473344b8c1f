//! Which scopes and collections a bucket has, and their numbers.

use serde_json::{Value, json};

use crate::protocol::Status;

/// The number of the collection that needs no number.
pub(crate) const DEFAULT: u32 = 0;

/// Collections are numbered from here; the server keeps those below for itself.
const FIRST_NUMBER: u32 = 8;

const DEFAULT_NAME: &str = "_default";

/// Names are up to this long.
const NAME_BYTES_MAX: usize = 251;

#[derive(Debug)]
struct Scope {
    name: String,
    number: u32,
    collections: Vec<Collection>,
}

#[derive(Debug)]
struct Collection {
    name: String,
    number: u32,
}

/// Why there is no such collection, or no new one. Worded as the server words it: SDKs read these words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("Scope with name \"{0}\" is not found")]
    NoScope(String),
    #[error("Collection with name \"{1}\" in scope \"{0}\" is not found")]
    NoCollection(String, String),
    #[error("Scope with name \"{0}\" already exists")]
    ScopeExists(String),
    #[error("Collection with name \"{1}\" in scope \"{0}\" already exists")]
    CollectionExists(String, String),
    #[error("Deleting _default scope is not allowed")]
    DefaultScope,
    #[error("Name \"{0}\" must not begin with _ or %, nor hold other than A-Z, a-z, 0-9, _, - and %")]
    Name(String),
}

impl Refused {
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::NoScope(_) => Status::UnknownScope,
            Self::NoCollection(..) => Status::UnknownCollection,
            _ => Status::InvalidArguments,
        }
    }
}

/// A bucket's manifest.
#[derive(Debug)]
pub(crate) struct Collections {
    /// Counts changes.
    revision: u64,
    next_number: u32,
    scopes: Vec<Scope>,
}

impl Default for Collections {
    fn default() -> Self {
        let collections = vec![Collection { name: DEFAULT_NAME.to_owned(), number: DEFAULT }];
        let scopes = vec![Scope { name: DEFAULT_NAME.to_owned(), number: DEFAULT, collections }];
        Self { revision: 0, next_number: FIRST_NUMBER, scopes }
    }
}

impl Collections {
    /// As the protocol writes it everywhere.
    pub(crate) fn revision_hex(&self) -> String {
        format!("{:x}", self.revision)
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn number(&self, scope: &str, collection: &str) -> Result<u32, Refused> {
        let found = self.scope(scope)?.collections.iter().find(|each| each.name == collection);
        found.map(|each| each.number).ok_or_else(|| Refused::NoCollection(scope.to_owned(), collection.to_owned()))
    }

    /// `scope.collection`, if there is a collection of this number.
    pub(crate) fn path(&self, number: u32) -> Option<String> {
        self.scopes.iter().find_map(|scope| {
            let collection = scope.collections.iter().find(|collection| collection.number == number)?;
            Some(format!("{}.{}", scope.name, collection.name))
        })
    }

    pub(crate) fn create_scope(&mut self, name: &str) -> Result<(), Refused> {
        check_name(name)?;
        if self.scope(name).is_ok() {
            return Err(Refused::ScopeExists(name.to_owned()));
        }
        let number = self.next();
        self.scopes.push(Scope { name: name.to_owned(), number, collections: Vec::new() });
        Ok(())
    }

    pub(crate) fn create_collection(&mut self, scope: &str, name: &str) -> Result<(), Refused> {
        check_name(name)?;
        self.scope(scope)?;
        if self.number(scope, name).is_ok() {
            return Err(Refused::CollectionExists(scope.to_owned(), name.to_owned()));
        }
        let number = self.next();
        self.scope_mut(scope)?.collections.push(Collection { name: name.to_owned(), number });
        Ok(())
    }

    /// Gives the numbers of the collections that are gone.
    pub(crate) fn drop_scope(&mut self, name: &str) -> Result<Vec<u32>, Refused> {
        if name == DEFAULT_NAME {
            return Err(Refused::DefaultScope);
        }
        let gone = self.scope(name)?.collections.iter().map(|collection| collection.number).collect();
        self.scopes.retain(|scope| scope.name != name);
        self.revision += 1;
        Ok(gone)
    }

    /// Gives the number of the collection that is gone.
    pub(crate) fn drop_collection(&mut self, scope: &str, name: &str) -> Result<u32, Refused> {
        let gone = self.number(scope, name)?;
        self.scope_mut(scope)?.collections.retain(|collection| collection.number != gone);
        self.revision += 1;
        Ok(gone)
    }

    /// The manifest as JSON, numbers in hexadecimal.
    pub(crate) fn manifest(&self) -> Value {
        let collection =
            |each: &Collection| json!({"name": each.name, "uid": format!("{:x}", each.number), "history": false});
        let scope = |each: &Scope| {
            let collections: Vec<_> = each.collections.iter().map(collection).collect();
            json!({"name": each.name, "uid": format!("{:x}", each.number), "collections": collections})
        };
        json!({"uid": self.revision_hex(), "scopes": self.scopes.iter().map(scope).collect::<Vec<_>>()})
    }

    fn scope(&self, name: &str) -> Result<&Scope, Refused> {
        self.scopes.iter().find(|scope| scope.name == name).ok_or_else(|| Refused::NoScope(name.to_owned()))
    }

    fn scope_mut(&mut self, name: &str) -> Result<&mut Scope, Refused> {
        self.scopes.iter_mut().find(|scope| scope.name == name).ok_or_else(|| Refused::NoScope(name.to_owned()))
    }

    fn next(&mut self) -> u32 {
        self.revision += 1;
        self.next_number += 1;
        self.next_number - 1
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|first| !b"_%".contains(&first));
    match begins_well && name.len() <= NAME_BYTES_MAX && name.bytes().all(is_allowed) {
        true => Ok(()),
        false => Err(Refused::Name(name.to_owned())),
    }
}
