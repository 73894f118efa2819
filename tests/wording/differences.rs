//! Differences between our extension texts and those of the linked OpenSSL that are not differences of
//! layout, each with its reason.

use crate::compare;
use crate::der::Certificate;
use crate::layout;
use crate::reference::{self, AltName, Extension};
use openssl::asn1::Asn1ObjectRef;
use openssl::nid::Nid;
use openssl::x509::X509NameRef;
use std::sync::LazyLock;

/// The last identifier of OpenSSL 1.1.1. OpenSSL numbers its identifiers in the order in which they were
/// added.
pub const LAST_OF_1_1_1: i32 = 1194;
/// Larger than any identifier.
pub const NO_MORE: i32 = 2000;

/// Whether OpenSSL 1.1.1 had a name for it. Our code has names for the same identifiers.
pub fn has_name(nid: i32) -> bool {
    (1..=LAST_OF_1_1_1).contains(&nid)
}

/// An extension whose texts may differ.
pub struct Case<'a> {
    extension: &'a Extension,
    /// OpenSSL's text in the layout of 1.1.
    pub expected: String,
    ours: &'a str,
}

/// An intended difference.
struct Difference {
    /// The difference, and why our text is correct.
    reason: &'static str,
    /// The extensions to which it applies; empty for all.
    extensions: &'static [&'static str],
    /// Whether the difference explains this case.
    explains: fn(&Case<'_>) -> bool,
}

const LINES: &[&str] = &[
    "nameConstraints",
    "crlDistributionPoints",
    "freshestCRL",
    "issuingDistributionPoint",
    "serviceLocator",
    "x509ExtAdmission",
];
const VALUES: &[&str] = &[
    "issuerAltName",
    "certificateIssuer",
    "authorityKeyIdentifier",
    "authorityInfoAccess",
    "subjectInfoAccess",
];

const DIFFERENCES: &[Difference] = &[
    Difference {
        reason: "words that came with OpenSSL 3: 1.1 had none, so that the text is NULL",
        extensions: &[
            "subjectDirectoryAttributes",
            "targetInformation",
            "noRevAvail",
            "issuerSignTool",
            "subjectSignTool",
        ],
        explains: |case| case.ours == "NULL",
    },
    Difference {
        reason: "object names that came with OpenSSL 3: dotted in 1.1",
        extensions: &[],
        explains: |case| with_dotted_younger(&case.expected) == case.ours,
    },
    Difference {
        reason: "an object that OpenSSL 3 renamed",
        extensions: &[],
        explains: |case| with_names_of_1_1(&case.expected) == case.ours,
    },
    Difference {
        reason: "otherName: 1.1 shows none, OpenSSL 3 some",
        extensions: &[],
        explains: |case| without_other_names(&case.expected) == case.ours,
    },
    Difference {
        reason: "iPAddress of a wrong length: OpenSSL 3 shows how long",
        extensions: &[],
        explains: |case| without_invalid_lengths(&case.expected) == case.ours,
    },
    Difference {
        reason: "UTF-8 and control characters in a name on a line of its own: 1.1.0 shows them, later ones a point",
        extensions: LINES,
        explains: |case| pointed(&plain(&case.expected)) == pointed(case.ours),
    },
    Difference {
        reason: "NUL in a name: 1.1 shows what is before it, OpenSSL 3 nothing of the extension",
        extensions: VALUES,
        explains: |case| case.expected == "NULL" && case.extension.value.contains(&0),
    },
    Difference {
        reason: "a directory name in a list of values: OpenSSL cuts it at 255 bytes, ours is whole",
        extensions: VALUES,
        explains: |case| is_cut(&case.expected, case.ours, |line| line.contains("DirName:/")),
    },
    Difference {
        reason: "a version that SXNET does not have: OpenSSL versions differ in what they make of it",
        extensions: &["SXNetID"],
        explains: |case| case.ours == "NULL" && case.expected.starts_with("Version: "),
    },
    Difference {
        reason: "a naming authority that names nothing: OpenSSL gives up the whole extension for it",
        extensions: &["x509ExtAdmission"],
        explains: |case| {
            let names_nothing = |bytes: &[u8]| matches!(bytes, [0xA0 | 0xA1, 2, 0x30, 0]);
            case.expected == "NULL" && case.extension.value.windows(4).any(names_nothing)
        },
    },
    Difference {
        reason: "naming authority: 1.1.1 indents otherwise, and calls its identifier admissionAuthorityId",
        extensions: &["x509ExtAdmission"],
        explains: |case| bare_admission(&case.expected) == bare_admission(case.ours),
    },
    Difference {
        reason: "several of these in one extension",
        extensions: &[],
        explains: |case| without_line_feeds(&plain(&case.expected)) == without_line_feeds(case.ours),
    },
];

/// Differences that occur only in certificates that were generated with unusual content.
const DIFFERENCES_IF_GENERATED: &[Difference] = &[
    Difference {
        reason: "an identifier octet in the long form: OpenSSL reads small numbers there too",
        extensions: &[],
        explains: |case| {
            let is_long = |byte: &u8| byte & 0x1F == 0x1F;
            matches!(case.ours, "NULL" | "") && case.extension.value.iter().any(is_long)
        },
    },
    Difference {
        reason: "line feeds inside of what is shown, from which the layout of 1.1 cannot be told",
        extensions: &[],
        explains: |case| without_line_feeds(&case.expected) == without_line_feeds(case.ours),
    },
    Difference {
        reason: "line feeds and commas inside of an otherName that only OpenSSL 3 shows",
        extensions: &[],
        explains: |case| {
            let before = |text| str::split_once(text, "othername:").map(|(before, _)| before.to_string());
            before(case.ours).is_some() && before(case.ours) == before(&plain(&case.expected))
        },
    },
    Difference {
        reason: "the values of otherName and ediPartyName, which no text shows: ours does not look at them",
        extensions: &[],
        explains: |case| {
            let hides = |kind| case.ours.contains(kind);
            matches!(case.expected.as_str(), "NULL" | "")
                && (hides("othername:<unsupported>") || hides("EdiPartyName:<unsupported>"))
        },
    },
    Difference {
        reason: "a list whose identifier says that it is none: OpenSSL does not mind, ours does",
        extensions: &[],
        explains: |case| matches!(case.ours, "NULL" | "") && agrees_with_a_list(case),
    },
    Difference {
        reason: "a BIT STRING in segments: OpenSSL puts them together, no encoder of X.509 makes them",
        extensions: &[],
        explains: |case| {
            let is_in_segments = |byte: &u8| matches!(byte, 0x23 | 0xA1 | 0xA3);
            case.ours == "NULL" && case.extension.value.iter().any(is_in_segments)
        },
    },
    Difference {
        reason: "an identifier of more than 79 characters in a list of values: OpenSSL cuts it, ours is whole",
        extensions: &[],
        explains: |case| {
            let pieces = |text: &str| text.replace(", ", "\n");
            let expected = with_dotted_younger(&case.expected);
            is_cut(&pieces(&expected), &pieces(case.ours), |chunk| chunk.len() == 79)
        },
    },
    Difference {
        reason: "two faults in one subjectAltName: the text is that of the one found first",
        extensions: &["subjectAltName"],
        explains: |case| case.ours == "NULL" && case.expected.is_empty(),
    },
];

impl<'a> Case<'a> {
    pub fn new(extension: &'a Extension, ours: &'a str) -> Self {
        Case { extension, expected: expected(extension), ours }
    }

    /// The reason for the difference, if it is documented.
    pub fn documented(&self, is_generated: bool) -> Option<&'static str> {
        let only_generated = DIFFERENCES_IF_GENERATED.iter().filter(|_| is_generated);
        let concerned = |difference: &&Difference| {
            let extensions = difference.extensions;
            extensions.is_empty() || extensions.contains(&self.extension.short_name.as_str())
        };
        let explains = |difference: &&Difference| (difference.explains)(self);
        let mut all = DIFFERENCES.iter().chain(only_generated).filter(concerned);
        all.find(explains).map(|difference| difference.reason)
    }
}

/// The reasons of all differences.
pub fn reasons() -> impl Iterator<Item = &'static str> {
    DIFFERENCES.iter().map(|difference| difference.reason)
}

/// OpenSSL's text in the layout of 1.1. The original server treated a text that is not UTF-8 as missing.
fn expected(extension: &Extension) -> String {
    let text = match (extension.short_name.as_str(), &extension.alt_names) {
        ("subjectAltName", Some(names)) => Some(original_alt_names(names)),
        // An extension that could not be parsed had an empty text.
        ("subjectAltName", None) => Some(Vec::new()),
        _ => extension.text.clone(),
    };
    let text = text.and_then(|text| String::from_utf8(text).ok());
    text.map_or_else(|| "NULL".to_string(), |text| layout::of_1_1(&extension.short_name, &text))
}

/// The original server got this extension from pyOpenSSL, which shows strings in full and uses OpenSSL for
/// the other kinds of names.
fn original_alt_names(names: &[AltName]) -> Vec<u8> {
    let texts = names.iter().map(|name| match &name.string {
        Some((label, bytes)) => [label.as_bytes(), bytes].concat(),
        None => name.text.clone(),
    });
    texts.collect::<Vec<_>>().join(&b", "[..])
}

fn with_dotted_younger(text: &str) -> String {
    static YOUNGER: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let objects = (LAST_OF_1_1_1 + 1..NO_MORE).filter_map(reference::object);
        let mut names: Vec<_> = objects
            .flat_map(|object| {
                [(object.long_name, object.dotted.clone()), (object.short_name, object.dotted)]
            })
            .collect();
        // A name may be a prefix of another.
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        names
    });
    YOUNGER.iter().fold(text.to_string(), |text, (name, dotted)| text.replace(name, dotted))
}

fn with_names_of_1_1(text: &str) -> String {
    text.replace("X509v3 Audit Identity", "ac-auditEntity").replace("ac-auditIdentity", "ac-auditEntity")
}

/// Replaces each otherName with the text of 1.1. A name ends at the end of its line, or where the next name
/// of a list begins.
fn without_other_names(text: &str) -> String {
    let chunk = |chunk: &str| match chunk.find("othername:") {
        Some(start) => format!("{}othername:<unsupported>", &chunk[..start]),
        None => chunk.to_string(),
    };
    let line = |line: &str| line.split(", ").map(chunk).collect::<Vec<_>>().join(", ");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn without_invalid_lengths(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<invalid length=") {
        // A range in nameConstraints shows the address in any case.
        match before.rfind("  IP:").filter(|_| before.ends_with('/')) {
            Some(start) => out.push_str(&format!("{}  IP:IP Address:", &before[..start])),
            None => out.push_str(before),
        }
        out.push_str("<invalid>");
        rest = after.split_once('>').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Whether all lines are equal, except for lines that `may_be_cut` allows to be truncated.
fn is_cut(expected: &str, ours: &str, may_be_cut: fn(&str) -> bool) -> bool {
    let is_same = |(expected, ours): (&str, &str)| {
        expected == ours || may_be_cut(expected) && ours.starts_with(expected)
    };
    expected.lines().count() == ours.lines().count() && expected.lines().zip(ours.lines()).all(is_same)
}

/// Removes all text that only OpenSSL 3 prints.
fn plain(text: &str) -> String {
    let names = with_names_of_1_1(&with_dotted_younger(text));
    without_invalid_lengths(&without_other_names(&names))
}

/// Replaces every byte that is not printable ASCII with a period, and removes line feeds.
fn pointed(text: &str) -> String {
    let bytes = text.bytes().filter(|byte| *byte != b'\n');
    bytes.map(|byte| if (0x20..0x7F).contains(&byte) { char::from(byte) } else { '.' }).collect()
}

fn bare_admission(text: &str) -> String {
    let bare: String = text.split_whitespace().collect();
    bare.replace("admissionAuthorityId", "namingAuthorityId")
}

/// The output of `X509_NAME_oneline` of 1.1. `None` if the name is too long for OpenSSL.
pub fn one_line(name: &X509NameRef) -> Option<String> {
    let lines = reference::one_line(name)?.into_iter().map(|(nid, line)| {
        let line = layout::one_line(&line);
        match reference::object(nid.as_raw()) {
            Some(younger) if !has_name(nid.as_raw()) => {
                line.replacen(&younger.short_name, &younger.dotted, 1)
            }
            _ => with_names_of_1_1(&line),
        }
    });
    Some(lines.collect())
}

/// Algorithms that OpenSSL does not split into parts, or that existing servers do not name, with our text.
const OTHER_ALGORITHMS: [(&str, &str); 8] = [
    ("shaWithRSAEncryption", "1.3.14.3.2.15"),
    ("dsaWithSHA", "sha1, dsa"),
    ("mdc2WithRSA", "2.5.8.3.100"),
    ("ripemd160WithRSA", "1.3.36.3.3.1.2"),
    ("dsa_with_SHA384", "sha384, dsa"),
    ("dsa_with_SHA512", "sha512, dsa"),
    ("sha512-224WithRSAEncryption", "sha512-224, rsa"),
    ("sha512-256WithRSAEncryption", "sha512-256, rsa"),
];

/// `sha256, rsa` and so on, from OpenSSL's data about a signature algorithm. For RSASSA-PSS, OpenSSL's data
/// is not sufficient because the hash is in the parameters, so the hash is taken from `ours`.
pub fn signature_algorithm(object: &Asn1ObjectRef, ours: &str) -> String {
    let nid = object.nid();
    let dotted = || reference::object(nid.as_raw()).map_or(object.to_string(), |object| object.dotted);
    let long_name = nid.long_name().unwrap_or_default();
    if let Some((_, name)) = OTHER_ALGORITHMS.iter().find(|(other, _)| *other == long_name) {
        return name.to_string();
    }
    let Some(parts) = nid.signature_algorithms() else { return dotted() };
    let key = match parts.pkey.short_name() {
        Ok("RSA" | "rsaEncryption") => "rsa",
        Ok("id-ecPublicKey") => "ecdsa",
        Ok("DSA" | "DSA-old") => "dsa",
        Ok("RSASSA-PSS") => return format!("{}, rsa-pss", ours.split(", ").next().unwrap_or_default()),
        Ok(key @ ("ED25519" | "ED448")) => return key.to_lowercase(),
        // Existing servers do not name the others.
        _ => return dotted(),
    };
    match parts.digest.short_name() {
        Ok(digest) if parts.digest != Nid::UNDEF => format!("{}, {key}", digest.to_lowercase()),
        _ => dotted(),
    }
}

fn without_line_feeds(text: &str) -> String {
    text.replace('\n', "")
}

/// Whether our text is the same if a primitive element is described as a constructed one.
fn agrees_with_a_list(case: &Case<'_>) -> bool {
    let Extension { dotted, value, short_name, .. } = case.extension;
    (0..value.len()).filter(|place| value[*place] & 0x20 == 0).any(|place| {
        let mut value = value.clone();
        value[place] |= 0x20;
        let worded = compare::worded(&Certificate::with_extension(dotted, &value).der());
        let text = worded["extensions"][short_name].as_str().unwrap_or_default();
        let case = Case { extension: case.extension, expected: case.expected.clone(), ours: text };
        let same = without_line_feeds(text) == without_line_feeds(&plain(&case.expected));
        same || case.documented(false).is_some()
    })
}
