//! `#[game]`: reads the arguments and the methods, writes the implementation of `Game` and the component's exports.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Lit, Meta, MetaNameValue, Path,
    Result, ReturnType, Token, Type, Visibility,
};

/// The block as it was, and what makes a game of it or says why it is none.
pub(crate) fn expand(arguments: TokenStream, item: &ItemImpl) -> TokenStream {
    let game = implementation(arguments, item).unwrap_or_else(Error::into_compile_error);
    quote! {
        #[allow(unreachable_pub, reason = "`pub` says what clients can call")]
        #item
        #game
    }
}

fn implementation(arguments: TokenStream, item: &ItemImpl) -> Result<TokenStream> {
    let arguments = Arguments::parse(arguments).and_then(|arguments| arguments.fitting(item));
    let methods = methods(item);
    let (arguments, methods) = both(arguments, methods)?;
    let Arguments { id, title, version, rtp_ppm, max_win_ppm, state_version, simulation } = arguments;

    let game = &item.self_ty;
    let migration = state_version.as_ref().map(|version| migration(game, version));
    let migration_export = state_version.as_ref().map(|_| {
        quote! {
            ::croupier_sdk::__private::migration::export!(Component with_types_in ::croupier_sdk::__private::migration);
        }
    });
    let simulation_export = simulation.map(|_| {
        quote! {
            ::croupier_sdk::__private::simulation::export!(Component with_types_in ::croupier_sdk::__private::simulation);
        }
    });
    let descriptions = methods.iter().map(Method::description);
    let arms = methods.iter().map(Method::arm);
    Ok(quote_spanned! { game.span() =>
        #[automatically_derived]
        impl ::croupier_sdk::Game for #game {
            fn descriptor() -> ::croupier_sdk::Descriptor {
                ::croupier_sdk::Descriptor {
                    id: #id,
                    title: #title,
                    version: #version,
                    rtp_ppm: #rtp_ppm,
                    max_win_ppm: #max_win_ppm,
                    methods: ::std::vec![#(#descriptions),*],
                }
            }

            fn dispatch(
                &mut self,
                table: &mut ::croupier_sdk::Table<'_>,
                call: &::croupier_sdk::Call,
            ) -> ::std::result::Result<::std::string::String, ::croupier_sdk::Fault> {
                match call.method.as_str() {
                    #(#arms)*
                    other => ::std::panic!("the game has no method `{other}`"),
                }
            }

            #migration
        }

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = ::croupier_sdk::__private::Component<#game>;
            ::croupier_sdk::__private::bindings::export!(Component with_types_in ::croupier_sdk::__private::bindings);
            #migration_export
            #simulation_export
        };
    })
}

/// The items of `Game` that make a release migrate: the block's own `migrate` does it.
fn migration(game: &Type, version: &Expr) -> TokenStream {
    quote_spanned! { version.span() =>
        const STATE_VERSION: u32 = {
            let version: u32 = #version;
            ::std::assert!(version > 0, "state versions begin with 1: releases without one have version 0");
            version
        };

        fn migrate(
            from: u32,
            documents: ::croupier_sdk::Documents,
        ) -> ::std::result::Result<::croupier_sdk::Documents, ::std::string::String> {
            <#game>::migrate(from, documents)
        }
    }
}

/// The values of two results, or the errors of both.
fn both<A, B>(a: Result<A>, b: Result<B>) -> Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.combine(b);
            Err(a)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// What stands in `#[game(...)]`.
struct Arguments {
    id: String,
    title: Expr,
    version: Expr,
    rtp_ppm: Expr,
    max_win_ppm: Expr,
    state_version: Option<Expr>,
    /// The game implements `Simulation`.
    simulation: Option<Path>,
}

impl Arguments {
    fn parse(tokens: TokenStream) -> Result<Self> {
        let list = syn::parse::Parser::parse2(Punctuated::<Meta, Token![,]>::parse_terminated, tokens)?;
        let (mut id, mut title, mut version, mut rtp_ppm, mut max_win_ppm, mut state_version) =
            (None, None, None, None, None, None);
        let mut simulation = None;
        for meta in list {
            let path = meta.path().clone();
            let is_given_twice = match (path.to_token_stream().to_string().as_str(), meta) {
                ("simulation", Meta::Path(flag)) => simulation.replace(flag).is_some(),
                (name, meta) => {
                    let argument = match name {
                        "id" => &mut id,
                        "title" => &mut title,
                        "version" => &mut version,
                        "rtp_ppm" => &mut rtp_ppm,
                        "max_win_ppm" => &mut max_win_ppm,
                        "state_version" => &mut state_version,
                        "simulation" => {
                            return Err(Error::new_spanned(path, "`simulation` stands alone: it has no value"));
                        }
                        other => {
                            let message = format!(
                                "unknown argument `{other}`: there are id, title, rtp_ppm, max_win_ppm, version, \
                                 state_version and simulation"
                            );
                            return Err(Error::new_spanned(path, message));
                        }
                    };
                    argument.replace(meta.require_name_value()?.value.clone()).is_some()
                }
            };
            if is_given_twice {
                let message = format!("`{}` is given twice", path.to_token_stream());
                return Err(Error::new_spanned(path, message));
            }
        }
        Ok(Self {
            id: game_id(&required(id, r#"id = "fruit-slots""#)?)?,
            title: required(title, r#"title = "Fruit Slots""#)?,
            version: version.unwrap_or_else(|| syn::parse_quote!(::std::env!("CARGO_PKG_VERSION"))),
            rtp_ppm: required(rtp_ppm, "rtp_ppm = 960_000 (parts per million of the stake)")?,
            max_win_ppm: required(max_win_ppm, "max_win_ppm = 500_000_000 (parts per million of the stake)")?,
            state_version,
            simulation,
        })
    }

    /// Themselves, where the block has all that they ask for.
    fn fitting(self, item: &ItemImpl) -> Result<Self> {
        let is_migration = |item: &ImplItem| matches!(item, ImplItem::Fn(function) if function.sig.ident == "migrate" && function.sig.receiver().is_none());
        match &self.state_version {
            Some(version) if !item.items.iter().any(is_migration) => Err(Error::new_spanned(
                version,
                "state_version needs `fn migrate(from: u32, documents: Documents) -> Result<Documents, String>` in this block",
            )),
            _ => Ok(self),
        }
    }
}

fn required(argument: Option<Expr>, example: &str) -> Result<Expr> {
    argument.ok_or_else(|| Error::new(Span::call_site(), format!("#[game] needs {example}")))
}

fn game_id(id: &Expr) -> Result<String> {
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = id else {
        return Err(Error::new_spanned(id, "a game's id is a string literal: it is the same in every release"));
    };
    let id = literal.value();
    let well_formed = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if well_formed { Ok(id) } else { Err(Error::new_spanned(literal, "a game's id is [a-z][a-z0-9-]*")) }
}

/// One `pub fn` of the block.
struct Method {
    ident: Ident,
    name: String,
    summary: String,
    params: Option<Type>,
    outcome: Type,
    access: Access,
}

/// How a method holds the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    /// `&mut Table`: the call settles the round unless it keeps it open.
    Play,
    /// `&Table`: the call leaves the round as it is.
    Look,
}

/// The methods of the block, or what is wrong with each of them.
fn methods(item: &ItemImpl) -> Result<Vec<Method>> {
    if let Some((_, path, _)) = &item.trait_ {
        return Err(Error::new_spanned(path, "#[game] goes on the game's own methods: `impl MyGame`, without a trait"));
    }
    if !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.generics, "a game has no generic parameters"));
    }
    let mut methods = Ok(Vec::new());
    for item in &item.items {
        match item {
            ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => {
                methods = both(methods, Method::parse(function)).map(|(mut methods, method)| {
                    methods.push(method);
                    methods
                });
            }
            _ => {}
        }
    }
    let methods: Vec<Method> = methods?;
    if methods.is_empty() {
        return Err(Error::new_spanned(&item.self_ty, "a game needs a method: a `pub fn` in this block"));
    }
    Ok(methods)
}

const SHAPE: &str = "a method of a game is `pub fn name(&mut self, table: &mut Table, params: Params) -> Result<T, E>`, \
                     without params if it has none, and with `&self` or `&Table` if it only looks";

impl Method {
    fn parse(function: &ImplItemFn) -> Result<Self> {
        let signature = &function.sig;
        let no_method = |place: &dyn ToTokens, what: &str| {
            Err(Error::new_spanned(
                place.to_token_stream(),
                format!("{what}: {SHAPE}; a function that is none is not `pub`"),
            ))
        };
        if let Some(asyncness) = &signature.asyncness {
            return no_method(asyncness, "a call of a game has nothing to wait for");
        }
        if !signature.generics.params.is_empty() {
            return no_method(&signature.generics, "clients cannot call a generic function");
        }

        let mut inputs = signature.inputs.iter();
        match inputs.next() {
            Some(FnArg::Receiver(receiver)) if receiver.reference.is_some() => {}
            Some(other) => return no_method(other, "the first parameter is not `&mut self`"),
            None => return no_method(&signature.ident, "`&mut self` is missing"),
        }
        let access = match inputs.next() {
            Some(FnArg::Typed(table)) => Access::of(&table.ty),
            Some(FnArg::Receiver(_)) => None,
            None => return no_method(&signature.ident, "`table: &mut Table` is missing"),
        };
        let Some(access) = access else {
            return no_method(&signature.inputs[1], "the second parameter is not `table: &mut Table`");
        };
        let params = match inputs.next() {
            Some(FnArg::Typed(params)) => Some((*params.ty).clone()),
            _ => None,
        };
        if let Some(more) = inputs.next() {
            return no_method(more, "all params belong into one struct");
        }
        let ReturnType::Type(_, outcome) = &signature.output else {
            return no_method(&signature.ident, "`-> Result<T, E>` is missing");
        };

        let name = signature.ident.to_string().trim_start_matches("r#").to_owned();
        if !name.starts_with(|c: char| c.is_ascii_lowercase())
            || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            return no_method(&signature.ident, "the name is not [a-z][a-z0-9_]*");
        }
        let summary = first_paragraph(&function.attrs);
        Ok(Self { ident: signature.ident.clone(), name, summary, params, outcome: (**outcome).clone(), access })
    }

    /// The entry in the descriptor.
    fn description(&self) -> TokenStream {
        let Self { name, summary, outcome, .. } = self;
        let params_schema = match &self.params {
            Some(params) => quote_spanned! { params.span() => ::croupier_sdk::__private::params_schema::<#params>() },
            None => quote!(::croupier_sdk::__private::no_params_schema()),
        };
        quote_spanned! { outcome.span() =>
            ::croupier_sdk::__private::method::<#outcome>(#name, #summary, #params_schema)
        }
    }

    /// The branch that calls it.
    fn arm(&self) -> TokenStream {
        let Self { ident, name, .. } = self;
        let params = self.params.as_ref().map(|params| {
            quote_spanned! { params.span() => , ::croupier_sdk::__private::params::<#params>(&call.params)? }
        });
        let table = match self.access {
            Access::Play => quote!(table),
            Access::Look => quote!(::croupier_sdk::__private::look(table)),
        };
        quote! { #name => ::croupier_sdk::__private::body(Self::#ident(self, #table #params)), }
    }
}

impl Access {
    /// The access that a reference to a `Table` gives, by whatever path.
    fn of(ty: &Type) -> Option<Self> {
        let Type::Reference(reference) = ty else { return None };
        let Type::Path(path) = &*reference.elem else { return None };
        let is_table = path.path.segments.last().is_some_and(|segment| segment.ident == "Table");
        is_table.then_some(if reference.mutability.is_some() { Self::Play } else { Self::Look })
    }
}

/// The first paragraph of the documentation in one line.
fn first_paragraph(attributes: &[Attribute]) -> String {
    let documentation: Vec<_> = attributes.iter().filter_map(documentation).collect();
    let documentation = documentation.join("\n");
    let lines = documentation.lines().map(str::trim);
    let paragraph: Vec<_> = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    paragraph.join(" ")
}

/// The text of a doc comment.
fn documentation(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(MetaNameValue { path, value, .. }) = &attribute.meta else { return None };
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    const ARGUMENTS: &str = r#"id = "dice", title = "Dice", rtp_ppm = 1, max_win_ppm = 1"#;

    /// The errors of `#[game(arguments)] item`, in order.
    fn errors(arguments: &str, item: &str) -> Vec<String> {
        let item = syn::parse_str(item).unwrap();
        match implementation(arguments.parse().unwrap(), &item) {
            Ok(_) => Vec::new(),
            Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
        }
    }

    fn check_arguments(arguments: &str, expected: &str) {
        let errors =
            errors(arguments, "impl Dice { pub fn roll(&mut self, table: &mut Table) -> Result<u64, Fault> {} }");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
    }

    fn check_method(method: &str, expected: &str) {
        let errors = errors(ARGUMENTS, &format!("impl Dice {{ {method} }}"));
        assert_eq!(errors.len(), 1, "{method}: {errors:?}");
        assert!(errors[0].contains(expected), "{method}: {errors:?}");
    }

    #[test]
    fn wrong_arguments_are_named() {
        check_arguments(r#"title = "Dice", rtp_ppm = 1, max_win_ppm = 1"#, "#[game] needs id");
        check_arguments(r#"id = "dice", rtp_ppm = 1, max_win_ppm = 1"#, "#[game] needs title");
        check_arguments(r#"id = "dice", title = "Dice", max_win_ppm = 1"#, "#[game] needs rtp_ppm");
        check_arguments(r#"id = "dice", title = "Dice", rtp_ppm = 1"#, "#[game] needs max_win_ppm");
        check_arguments(&format!("{ARGUMENTS}, simulation, simulation"), "`simulation` is given twice");
        check_arguments(&format!("{ARGUMENTS}, simulation = 1"), "`simulation` stands alone");
        check_arguments(&format!("{ARGUMENTS}, version"), "expected a value for this attribute");
        check_arguments(&format!("{ARGUMENTS}, rtp = 1"), "unknown argument `rtp`");
        check_arguments(&format!(r#"{ARGUMENTS}, id = "dice""#), "`id` is given twice");
        check_arguments(&format!("{ARGUMENTS}, state_version = 1"), "state_version needs `fn migrate(from: u32");
        check_arguments(&ARGUMENTS.replace("\"dice\"", "ID"), "a string literal");
        for id in ["", "Dice", "1dice", "di ce", "di_ce"] {
            check_arguments(&ARGUMENTS.replace("\"dice\"", &format!("{id:?}")), "[a-z][a-z0-9-]*");
        }
    }

    #[test]
    fn wrong_methods_are_named() {
        check_method("fn roll(&mut self) {}", "a game needs a method");
        check_method("pub fn new() -> Self {}", "`&mut self` is missing");
        check_method("pub fn roll(self, table: &mut Table) -> R {}", "the first parameter is not `&mut self`");
        check_method("pub fn roll(&mut self) -> R {}", "`table: &mut Table` is missing");
        check_method("pub fn roll(&mut self, params: P) -> R {}", "the second parameter is not `table: &mut Table`");
        check_method("pub fn roll(&mut self, table: Table) -> R {}", "the second parameter is not `table: &mut Table`");
        check_method(
            "pub fn roll(&mut self, table: &mut Table, a: A, b: B) -> R {}",
            "all params belong into one struct",
        );
        check_method("pub fn roll(&mut self, table: &mut Table) {}", "`-> Result<T, E>` is missing");
        check_method("pub fn roll<T>(&mut self, table: &mut Table) -> R {}", "generic");
        check_method("pub async fn roll(&mut self, table: &mut Table) -> R {}", "nothing to wait for");
        check_method("pub fn rollTwice(&mut self, table: &mut Table) -> R {}", "[a-z][a-z0-9_]*");
    }

    #[test]
    fn wrong_blocks_are_named() {
        let method = "pub fn roll(&mut self, table: &mut Table) -> R {}";
        assert!(errors(ARGUMENTS, &format!("impl Game for Dice {{ {method} }}"))[0].contains("without a trait"));
        assert!(errors(ARGUMENTS, &format!("impl<T> Dice<T> {{ {method} }}"))[0].contains("no generic parameters"));
    }

    #[test]
    fn every_error_is_reported_at_once() {
        let item = "impl Dice { pub fn a(&mut self) -> R {} pub fn b(&mut self) -> R {} }";
        assert_eq!(errors("", item).len(), 3);
    }

    #[test]
    fn a_summary_is_the_first_paragraph() {
        let function: ImplItemFn = parse_quote! {
            ///
            /// Rolls the
            ///   dice.
            #[inline]
            ///
            /// More.
            pub fn roll(&mut self, table: &mut Table) -> R {}
        };
        assert_eq!(first_paragraph(&function.attrs), "Rolls the dice.");
    }

    #[test]
    fn a_method_plays_or_looks() {
        let access = |function| Method::parse(&function).unwrap().access;
        assert_eq!(access(parse_quote! { pub fn roll(&mut self, table: &mut Table) -> R {} }), Access::Play);
        assert_eq!(access(parse_quote! { pub fn rules(&self, table: &sdk::Table<'_>) -> R {} }), Access::Look);
    }

    #[test]
    fn a_method_may_be_named_like_a_keyword() {
        let function = parse_quote! { pub fn r#match(&mut self, table: &mut Table) -> R {} };
        assert_eq!(Method::parse(&function).unwrap().name, "match");
    }
}
