//! `#[derive(Faults)]`: reads the codes and messages, writes the conversions.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Data, DataEnum, DeriveInput, Error, Fields, Ident, LitInt, LitStr, Result, Token, Type, Variant};

/// The codes that are the games' own; 900 to 999 are the SDK's.
const CODES: std::ops::RangeInclusive<i32> = 1..=899;

pub(crate) fn expand(item: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &item.data else {
        return Err(Error::new_spanned(&item.ident, "Faults are the variants of an enum"));
    };
    let faults = faults(data)?;
    let (name, (generics, arguments, bounds)) = (&item.ident, item.generics.split_for_impl());
    // Out of the fields' sight, which may have the same names.
    let [f, message] = ["f", "message"].map(|local| Ident::new(local, Span::mixed_site()));
    let displays = faults.iter().map(|fault| fault.display(&f));
    let conversions = faults.iter().map(|fault| fault.conversion(name, &message));
    let sources = faults.iter().filter_map(|fault| match &fault.kind {
        Kind::Transparent { content } => Some((fault.variant, content)),
        Kind::Coded { .. } => None,
    });
    let sources = sources.map(|(variant, content)| {
        quote! {
            #[automatically_derived]
            impl #generics ::std::convert::From<#content> for #name #arguments #bounds {
                fn from(content: #content) -> Self {
                    Self::#variant(content)
                }
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::std::fmt::Display for #name #arguments #bounds {
            #[allow(unused_variables, reason = "a message need not show every field")]
            fn fmt(&self, #f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self { #(#displays)* }
            }
        }

        #[automatically_derived]
        impl #generics ::std::convert::From<#name #arguments> for ::croupier_sdk::Fault #bounds {
            fn from(error: #name #arguments) -> Self {
                let #message = ::std::string::ToString::to_string(&error);
                match error { #(#conversions)* }
            }
        }

        #(#sources)*
    })
}

/// The variants, or what is wrong with the first one that is.
fn faults(data: &DataEnum) -> Result<Vec<Fault<'_>>> {
    let mut taken = BTreeMap::new();
    let fault = |variant| {
        let kind = Kind::parse(variant)?;
        if let Kind::Coded { code, at, .. } = &kind
            && let Some(other) = taken.insert(*code, &variant.ident)
        {
            return Err(Error::new(at.span(), format!("code {code} is already that of `{other}`")));
        }
        Ok(Fault { variant: &variant.ident, kind })
    };
    data.variants.iter().map(fault).collect()
}

/// One variant of the enum.
struct Fault<'a> {
    variant: &'a Ident,
    kind: Kind,
}

/// What a variant's attribute and fields make of it.
enum Kind {
    /// A fault of its own; `at` is where the code stands.
    Coded { code: i32, at: LitInt, message: LitStr, fields: Vec<Ident> },
    /// The fault of its content.
    Transparent { content: Type },
}

impl Kind {
    fn parse(variant: &Variant) -> Result<Self> {
        match (attribute(variant)?.parse_args()?, &variant.fields) {
            (Arguments::Coded(at, message), Fields::Unit) => Self::coded(at, message, Vec::new()),
            (Arguments::Coded(at, message), Fields::Named(fields)) => {
                Self::coded(at, message, fields.named.iter().filter_map(|field| field.ident.clone()).collect())
            }
            (Arguments::Coded(..), Fields::Unnamed(fields)) => {
                Err(Error::new_spanned(fields, "name these fields: they become members of the fault's data"))
            }
            (Arguments::Transparent, Fields::Unnamed(fields)) if fields.unnamed.len() == 1 => {
                Ok(Self::Transparent { content: fields.unnamed[0].ty.clone() })
            }
            (Arguments::Transparent, _) => Err(Error::new_spanned(
                variant,
                "a transparent variant has one unnamed field, as in `Refused(Refusal)`",
            )),
        }
    }

    fn coded(at: LitInt, message: LitStr, fields: Vec<Ident>) -> Result<Self> {
        let code = at.base10_parse()?;
        if !CODES.contains(&code) {
            return Err(Error::new(at.span(), "a game's codes are 1 to 899"));
        }
        Ok(Self::Coded { code, at, message, fields })
    }
}

fn attribute(variant: &Variant) -> Result<&Attribute> {
    let mut attributes = variant.attrs.iter().filter(|attribute| attribute.path().is_ident("fault"));
    let Some(attribute) = attributes.next() else {
        let message = "this variant needs #[fault(code, \"message\")] or #[fault(transparent)]";
        return Err(Error::new_spanned(variant, message));
    };
    match attributes.next() {
        Some(second) => Err(Error::new_spanned(second, "a variant has one #[fault]")),
        None => Ok(attribute),
    }
}

/// What stands in `#[fault(...)]`.
enum Arguments {
    Coded(LitInt, LitStr),
    Transparent,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Ident) {
            let word: Ident = input.parse()?;
            return if word == "transparent" {
                Ok(Self::Transparent)
            } else {
                Err(Error::new(word.span(), "expected a code and a message, or `transparent`"))
            };
        }
        let code = input.parse()?;
        input.parse::<Token![,]>()?;
        let message = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self::Coded(code, message))
    }
}

impl Fault<'_> {
    fn display(&self, f: &Ident) -> TokenStream {
        let variant = self.variant;
        match &self.kind {
            Kind::Coded { message, fields, .. } => {
                quote! { Self::#variant { #(#fields),* } => ::std::write!(#f, #message), }
            }
            Kind::Transparent { .. } => quote! { Self::#variant(content) => ::std::fmt::Display::fmt(content, #f), },
        }
    }

    fn conversion(&self, name: &Ident, message: &Ident) -> TokenStream {
        let variant = self.variant;
        match &self.kind {
            Kind::Coded { code, fields, .. } if fields.is_empty() => {
                quote! { #name::#variant {} => ::croupier_sdk::Fault::new(#code, #message), }
            }
            Kind::Coded { code, fields, .. } => {
                let members = fields.iter().map(|field| field.to_string().trim_start_matches("r#").to_owned());
                quote! {
                    #name::#variant { #(#fields),* } => ::croupier_sdk::Fault::new(#code, #message)
                        .with_data(::croupier_sdk::__private::json!({ #(#members: #fields),* })),
                }
            }
            Kind::Transparent { .. } => quote! { #name::#variant(content) => ::std::convert::Into::into(content), },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(item: &str, expected: &str) {
        let error = expand(&syn::parse_str(item).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{item}: {error}");
    }

    #[test]
    fn wrong_errors_are_named() {
        check("struct E;", "the variants of an enum");
        check("enum E { A }", "this variant needs #[fault(code, \"message\")]");
        check(r#"enum E { #[fault(1, "a")] #[fault(2, "a")] A }"#, "a variant has one #[fault]");
        check(r#"enum E { #[fault(0, "a")] A }"#, "a game's codes are 1 to 899");
        check(r#"enum E { #[fault(900, "a")] A }"#, "a game's codes are 1 to 899");
        check(r#"enum E { #[fault(1, "a")] A, #[fault(1, "b")] B }"#, "code 1 is already that of `A`");
        check(r#"enum E { #[fault(1, "a")] A(u64) }"#, "name these fields");
        check("enum E { #[fault(refused)] A(Refusal) }", "`transparent`");
        check("enum E { #[fault(transparent)] A }", "one unnamed field");
        check("enum E { #[fault(transparent)] A { refusal: Refusal } }", "one unnamed field");
        check(r#"enum E { #[fault("a")] A }"#, "expected");
        check("enum E { #[fault(1)] A }", "expected");
    }
}
