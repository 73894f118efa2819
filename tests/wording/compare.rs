//! Compares the output of our code with that of OpenSSL for one certificate, part by part.

use crate::differences::{self, Case};
use crate::reference::{self, Extension};
use certstream_server::certificate::{Certificate as Parsed, Leaf, LeafKind};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::x509::{X509NameRef, X509Ref};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The number of comparisons, and of those that did not match.
#[derive(Default)]
pub struct Counters {
    pub certificates: usize,
    /// Number of certificates that OpenSSL rejects as a whole.
    pub refused: usize,
    pub extensions: usize,
    /// How often each documented difference occurred.
    pub differences: BTreeMap<&'static str, usize>,
    pub disagreements: Vec<String>,
    is_generated: bool,
}

impl Counters {
    /// Counters for generated certificates, which no CA would issue; see `differences`.
    pub fn of_generated() -> Self {
        Counters { is_generated: true, ..Counters::default() }
    }

    pub fn add(&mut self, label: &str, der: &[u8]) {
        let ours = worded(der);
        self.certificates += 1;
        self.add_digests(label, &ours, der);
        let Some(reference) = reference::parse(der) else {
            self.refused += 1;
            if ours.get("parse_error").is_none() {
                let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
                self.disagree(label, &format!("parse_error {hex}"), &"something", &"nothing");
            }
            return;
        };
        self.add_names(&format!("{label} subject"), &ours["subject"], reference.subject_name());
        self.add_names(&format!("{label} issuer"), &ours["issuer"], reference.issuer_name());
        self.add_plain_members(label, &ours, &reference);
        let Value::Object(texts) = &ours["extensions"] else { panic!("no extensions: {ours}") };
        let extensions = reference::extensions(&reference);
        self.add_is_ca(label, &ours, &reference, &extensions);
        self.add_extensions(label, texts, extensions);
    }

    pub fn assert_agreement(&self) {
        let shown: Vec<_> = self.disagreements.iter().take(25).map(String::as_str).collect();
        assert!(
            self.disagreements.is_empty(),
            "{} disagreements, among them:\n{}",
            self.disagreements.len(),
            shown.join("\n")
        );
    }

    pub fn report(&self, what: &str) {
        let Counters { certificates, refused, extensions, .. } = self;
        println!("{what}: {certificates} certificates ({refused} refused), {extensions} extensions agree");
        for (reason, count) in &self.differences {
            println!("  {count} x {reason}");
        }
    }

    fn disagree(
        &mut self,
        label: &str,
        part: &str,
        openssl: &dyn std::fmt::Debug,
        ours: &dyn std::fmt::Debug,
    ) {
        self.disagreements.push(format!("{label}, {part}\n  OpenSSL {openssl:?}\n  ours    {ours:?}"));
    }

    fn expect_same<T: PartialEq + std::fmt::Debug>(&mut self, label: &str, part: &str, openssl: T, ours: T) {
        if openssl != ours {
            self.disagree(label, part, &openssl, &ours);
        }
    }

    fn add_names(&mut self, label: &str, ours: &Value, name: &X509NameRef) {
        let aggregated = ours["aggregated"].as_str().expect("aggregated");
        let line = differences::one_line(name);
        self.expect_same(label, "aggregated", line.as_deref(), Some(aggregated));
        let members = [
            ("C", Nid::COUNTRYNAME),
            ("ST", Nid::STATEORPROVINCENAME),
            ("L", Nid::LOCALITYNAME),
            ("O", Nid::ORGANIZATIONNAME),
            ("OU", Nid::ORGANIZATIONALUNITNAME),
            ("CN", Nid::COMMONNAME),
            ("email_address", Nid::PKCS9_EMAILADDRESS),
        ];
        for (member, nid) in members {
            match reference::first_attribute(name, nid) {
                // Not a string, so OpenSSL has no text. Our text is whatever can be decoded.
                Some(None) => assert!(ours[member].is_string(), "{label} {member}"),
                Some(Some(text)) => {
                    self.expect_same(label, member, Some(text.as_str()), ours[member].as_str())
                }
                None => self.expect_same(label, member, &Value::Null, &ours[member]),
            }
        }
    }

    fn add_plain_members(&mut self, label: &str, ours: &Value, reference: &X509Ref) {
        for (member, time) in [("not_before", reference.not_before()), ("not_after", reference.not_after())] {
            let unix_seconds = reference::unix_seconds(time);
            // If OpenSSL cannot parse a time, our code may parse it, but must report a fault.
            if unix_seconds.is_some() || ours.get("parse_error").is_none() {
                self.expect_same(label, member, unix_seconds, ours[member].as_i64());
            }
        }
        let number = reference.serial_number().to_bn().expect("a number");
        let serial = number.to_hex_str().expect("hex").to_string();
        let serial = if serial == "0" { "00".to_string() } else { serial };
        self.expect_same(label, "serial_number", Some(serial.as_str()), ours["serial_number"].as_str());
        let algorithm = reference.signature_algorithm().object();
        let name = ours["signature_algorithm"].as_str().expect("signature_algorithm");
        let expected = differences::signature_algorithm(algorithm, name);
        self.expect_same(label, "signature_algorithm", expected.as_str(), name);
    }

    fn add_digests(&mut self, label: &str, ours: &Value, der: &[u8]) {
        let (sha1, sha256) = (MessageDigest::sha1(), MessageDigest::sha256());
        for (member, digest) in [("fingerprint", sha1), ("sha1", sha1), ("sha256", sha256)] {
            let digest = openssl::hash::hash(digest, der).expect("a digest");
            let pairs: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
            self.expect_same(label, member, Some(pairs.join(":").as_str()), ours[member].as_str());
        }
    }

    /// For a repeated extension, or one that it cannot parse, OpenSSL does not report cA.
    fn add_is_ca(&mut self, label: &str, ours: &Value, reference: &X509Ref, extensions: &[Extension]) {
        let constraints = extensions.iter().filter(|extension| extension.short_name == "basicConstraints");
        let texts: Vec<_> = constraints.map(|extension| extension.text.is_some()).collect();
        if texts == [true] || texts.is_empty() {
            self.expect_same(label, "is_ca", Some(reference::is_ca(reference)), ours["is_ca"].as_bool());
        }
    }

    fn add_extensions(&mut self, label: &str, ours: &Map<String, Value>, extensions: Vec<Extension>) {
        // The last of repeated extensions is used.
        let mut standing: BTreeMap<String, Extension> = BTreeMap::new();
        for extension in extensions {
            standing.insert(extension.dotted.clone(), extension);
        }
        let mut named = 0;
        for extension in standing.values() {
            let text = ours.get(&extension.short_name).and_then(Value::as_str);
            if !differences::has_name(extension.nid) {
                self.expect_same(label, &extension.dotted, None, text);
                continue;
            }
            named += 1;
            self.extensions += 1;
            let Some(text) = text else {
                self.disagree(label, &extension.short_name, &extension.text, &"left out");
                continue;
            };
            let case = Case::new(extension, text);
            if case.expected == text {
                continue;
            }
            match case.documented(self.is_generated) {
                Some(reason) => *self.differences.entry(reason).or_default() += 1,
                None => {
                    let hex: String = extension.value.iter().map(|byte| format!("{byte:02x}")).collect();
                    let part = format!("{} {hex}", extension.short_name);
                    self.disagree(label, &part, &case.expected, &text);
                }
            }
        }
        self.expect_same(label, "number of extensions", named, ours.len());
    }
}

/// The leaf that our code writes.
pub fn worded(der: &[u8]) -> Value {
    let mut out = Vec::new();
    Parsed::parse(der).write_leaf(Leaf { kind: LeafKind::X509, tbs_sha256: None, with_der: false }, &mut out);
    serde_json::from_slice(&out).expect("the leaf is JSON")
}
