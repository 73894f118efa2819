//! Names that are made to look like a domain.
//!
//! The domain's own label is that of its registrable domain: `paypal` of `www.paypal.co.uk`. A name is like it if one
//! of its labels outside the public suffix, or a part of a label between hyphens, is one of these:
//!
//! - other-tld: the label itself, in a registrable domain: `paypal.net`;
//! - subdomain: the label itself, elsewhere: `paypal.com.evil.example`;
//! - confusable: a text with the same letters, which are those of UTS 39 without marks, and digits for letters (0 o, 1 l
//!   i, 3 e, 5 s): `раураl.com`, `paypa1.com`; from five letters on also a text of the same shape (`rn` m, `vv` w, `cl`
//!   d, `q` g, `c` e and the like): `arnazon.com`;
//! - affix: the label between hyphens; from five letters on with something before or behind it, from six on with
//!   both: `paypal-login.com`, `securepaypal.com`. A shorter one only with its top-level domain or a word such as
//!   `login` behind it, or such a word before it (`dhltracking.com`), and an everyday word only with such words
//!   (`appleid.com`, but not `pineapple.com`);
//! - edit: one insertion, omission, replacement or transposition away, from five letters on, or the label with a dot
//!   inside: `paypall.com`, `papyal.com`, `pay.pal.com`. Not an everyday word, unless somebody has registered it as a
//!   domain: `goggle.com` for `google.com`, but not `goggle-shop.com`.
//!
//! The registrable domain and what lies below it is never like it. The public suffixes are those of the version of
//! `psl` that was compiled.

mod edits;
mod index;
mod labels;
mod letters;
mod target;
mod words;

#[cfg(test)]
mod tests;

pub(super) use index::Lookalikes;
pub(super) use labels::Labels;
pub use target::Likeness;
pub(super) use target::Target;
#[cfg(feature = "nats")]
pub(crate) use target::registrable;
