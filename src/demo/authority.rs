//! The certificate authorities: roots, intermediates, and the parts of a certificate that they determine.

use super::certificate::{Draft, Fields, Validity, sign};
use super::der::Der;
use super::entry::Chain;
use super::extensions::{self, usage};
use super::issuer_profile::{CommonName, ISSUER_PROFILES, IssuerProfile, Level, Manner};
use super::keys::{Algorithm, KeyPair};
use super::names::SubjectNames;
use super::subject::DistinguishedName;
use crate::ct::merkle::Hash;
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use openssl::error::ErrorStack;
use openssl::sha::sha256;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The longest common name (ub-common-name, RFC 5280 appendix A.1).
const MAX_COMMON_NAME: usize = 64;

/// An intermediate authority that issues certificates.
pub(super) struct Authority {
    pub profile: &'static IssuerProfile,
    key: KeyPair,
    name: DistinguishedName,
    /// The authority's certificate and its root's.
    pub chain: Arc<Chain>,
    /// The hash that identifies the authority in a precert's leaf (RFC 6962 section 3.2).
    pub issuer_key_hash: Hash,
    precert_signer: Option<PrecertSigner>,
}

/// A Precertificate Signing Certificate that signs an authority's precerts.
struct PrecertSigner {
    key: KeyPair,
    name: DistinguishedName,
    /// Its certificate, followed by the authority's chain.
    chain: Arc<Chain>,
}

struct Root {
    key: KeyPair,
    name: DistinguishedName,
    certificate: Vec<u8>,
}

impl Authority {
    /// Creates one authority for each profile, and the roots above them.
    ///
    /// `rsa_keys` should contain [`rsa_keys_needed`](Self::rsa_keys_needed) keys. Missing keys are generated.
    pub(super) fn establish(
        now: DateTime<Utc>,
        rsa_keys: Vec<KeyPair>,
        rng: &mut impl Rng,
    ) -> Result<Vec<Self>, ErrorStack> {
        let mut rsa_keys = rsa_keys.into_iter();
        let mut key_of = |algorithm| match algorithm {
            Algorithm::EcdsaP256 => KeyPair::ecdsa(),
            Algorithm::Rsa2048 => rsa_keys.next().map_or_else(KeyPair::rsa, Ok),
        };
        let mut roots: HashMap<&str, Root> = HashMap::new();
        let mut authorities = Vec::new();
        for profile in &ISSUER_PROFILES {
            let root = match roots.entry(profile.root_name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(Root::new(profile, key_of(profile.root_algorithm)?, now, rng)?)
                }
            };
            authorities.push(Self::below(root, profile, key_of(profile.algorithm)?, now, rng)?);
        }
        Ok(authorities)
    }

    /// Number of RSA keys that roots and intermediates need.
    pub(super) fn rsa_keys_needed() -> usize {
        let roots: HashMap<_, _> =
            ISSUER_PROFILES.iter().map(|profile| (profile.root_name, profile.root_algorithm)).collect();
        let intermediates = ISSUER_PROFILES.iter().map(|profile| profile.algorithm);
        roots.into_values().chain(intermediates).filter(|algorithm| *algorithm == Algorithm::Rsa2048).count()
    }

    fn below(
        root: &Root,
        profile: &'static IssuerProfile,
        key: KeyPair,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> Result<Self, ErrorStack> {
        let name = DistinguishedName::authority(profile.country, profile.organization, profile.name);
        let fields = Fields {
            serial: serial(rng),
            issuer: &root.name,
            validity: whole_days(now - TimeDelta::days(400), TimeDelta::days(5 * 365)),
            subject: &name,
            subject_key: &key,
        };
        let draft = Draft::new(&fields, &root.key, |der| {
            extensions::key_usage(der, usage::DIGITAL_SIGNATURE | usage::CERT_SIGN | usage::CRL_SIGN);
            extensions::extended_key_usage(der, profile.client_auth);
            extensions::is_authority(der, Some(0));
            extensions::subject_key_identifier(der, &key.key_id);
            extensions::authority_key_identifier(der, &root.key.key_id);
            extensions::authority_info_access(der, None, profile.root_issuers);
            extensions::crl_distribution_points(der, &[profile.root_crl]);
            extensions::certificate_policies(der, profile, profile.levels);
        });
        let certificate = sign(&draft.tbs_certificate(), &root.key)?;
        let chain = [certificate, root.certificate.clone()];
        let precert_signer = match profile.has_precert_signer {
            true => Some(PrecertSigner::new(profile, (&name, &key), &chain, now, rng)?),
            false => None,
        };
        let issuer_key_hash = sha256(&key.spki);
        let chain = Arc::new(Chain::new(chain));
        Ok(Self { profile, issuer_key_hash, key, name, chain, precert_signer })
    }

    /// The chain of its precerts.
    pub(super) fn precert_chain(&self) -> &Arc<Chain> {
        self.precert_signer.as_ref().map_or(&self.chain, |signer| &signer.chain)
    }

    /// Signs the precertificate with this TBSCertificate.
    pub(super) fn sign_precert(&self, tbs: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        sign(tbs, self.precert_signer.as_ref().map_or(&self.key, |signer| &signer.key))
    }

    /// Creates the draft of a certificate for `names`, without a signature.
    pub(super) fn draft(
        &self,
        names: &SubjectNames,
        subject_key: &KeyPair,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> Draft {
        let level = self.level(names, rng);
        let subject = DistinguishedName::site(level, self.common_name(names, rng), rng);
        let (serial, validity) = (serial(rng), self.validity(now, rng));
        let draft = |issuer: &DistinguishedName, key: &KeyPair| {
            let fields = Fields { serial, issuer, validity, subject: &subject, subject_key };
            // RFC 5280 section 4.1.2.6: if the subject is empty, the subjectAltName is critical.
            let san_critical = subject.is_empty();
            Draft::new(&fields, key, |der| self.extensions(der, names, level, subject_key, key, san_critical))
        };
        let certificate = draft(&self.name, &self.key);
        match &self.precert_signer {
            Some(signer) => certificate.with_precert(draft(&signer.name, &signer.key)),
            None => certificate,
        }
    }

    /// The extensions of a site's certificate, signed by `signer`.
    fn extensions(
        &self,
        der: &mut Der,
        names: &SubjectNames,
        level: Level,
        subject_key: &KeyPair,
        signer: &KeyPair,
        san_critical: bool,
    ) {
        let profile = self.profile;
        let key_usage = match subject_key.algorithm {
            Algorithm::EcdsaP256 => usage::DIGITAL_SIGNATURE,
            Algorithm::Rsa2048 => usage::DIGITAL_SIGNATURE | usage::KEY_ENCIPHERMENT,
        };
        match profile.manner {
            Manner::Automated => {
                extensions::key_usage(der, key_usage);
                extensions::extended_key_usage(der, profile.client_auth);
                extensions::not_an_authority(der);
                extensions::subject_key_identifier(der, &subject_key.key_id);
                extensions::authority_key_identifier(der, &signer.key_id);
                extensions::authority_info_access(der, profile.ocsp, profile.ca_issuers);
                extensions::subject_alt_name(der, names, san_critical);
                extensions::certificate_policies(der, profile, &[level]);
                extensions::crl_distribution_points(der, profile.crls);
            }
            Manner::Commercial => {
                extensions::authority_key_identifier(der, &signer.key_id);
                extensions::subject_key_identifier(der, &subject_key.key_id);
                extensions::subject_alt_name(der, names, san_critical);
                extensions::certificate_policies(der, profile, &[level]);
                extensions::key_usage(der, key_usage);
                extensions::extended_key_usage(der, profile.client_auth);
                extensions::crl_distribution_points(der, profile.crls);
                extensions::authority_info_access(der, profile.ocsp, profile.ca_issuers);
                extensions::not_an_authority(der);
            }
        }
    }

    /// Signs the certificate with this TBSCertificate, which this authority drafted.
    pub(super) fn sign(&self, tbs: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        sign(tbs, &self.key)
    }

    fn level(&self, names: &SubjectNames, rng: &mut impl Rng) -> Level {
        let level = self.profile.levels.choose(rng).copied().unwrap_or(Level::Domain);
        // Extended validation allows neither wildcards nor addresses.
        let plain = names.addresses.is_empty() && !names.dns.iter().any(|name| name.contains('*'));
        if level == Level::Extended && !plain { Level::Organization } else { level }
    }

    fn common_name<'a>(&self, names: &'a SubjectNames, rng: &mut impl Rng) -> Option<&'a str> {
        let wanted = match self.profile.common_name {
            CommonName::Never => false,
            CommonName::Sometimes => rng.random_bool(0.5),
            CommonName::WhenItFits => true,
        };
        let fitting = names.dns.iter().find(|name| name.len() <= MAX_COMMON_NAME);
        fitting.filter(|_| wanted).map(String::as_str)
    }

    fn validity(&self, now: DateTime<Utc>, rng: &mut impl Rng) -> Validity {
        let days = TimeDelta::days(self.profile.validity_days);
        match self.profile.manner {
            Manner::Commercial => whole_days(now, days),
            Manner::Automated => {
                // Backdated for clients whose clocks are slow.
                let not_before = now - TimeDelta::seconds(rng.random_range(3_510..3_600));
                Validity { not_before, not_after: not_before + days - TimeDelta::seconds(1) }
            }
        }
    }
}

impl PrecertSigner {
    /// Creates an authority with this name and key, below `chain`.
    fn new(
        profile: &IssuerProfile,
        (issuer, issuer_key): (&DistinguishedName, &KeyPair),
        chain: &[Vec<u8>; 2],
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> Result<Self, ErrorStack> {
        let key = KeyPair::ecdsa()?;
        let name = DistinguishedName::authority(profile.country, profile.organization, "CT Precert Signing");
        let fields = Fields {
            serial: serial(rng),
            issuer,
            validity: whole_days(now - TimeDelta::days(100), TimeDelta::days(2 * 365)),
            subject: &name,
            subject_key: &key,
        };
        let draft = Draft::new(&fields, issuer_key, |der| {
            extensions::key_usage(der, usage::CERT_SIGN);
            extensions::precert_signing_usage(der);
            extensions::is_authority(der, Some(0));
            extensions::subject_key_identifier(der, &key.key_id);
            extensions::authority_key_identifier(der, &issuer_key.key_id);
        });
        let certificate = sign(&draft.tbs_certificate(), issuer_key)?;
        let [of_issuer, of_root] = chain.clone();
        Ok(Self { key, name, chain: Arc::new(Chain::new([certificate, of_issuer, of_root])) })
    }
}

impl Root {
    fn new(
        profile: &IssuerProfile,
        key: KeyPair,
        now: DateTime<Utc>,
        rng: &mut impl Rng,
    ) -> Result<Self, ErrorStack> {
        let name = DistinguishedName::authority(profile.country, profile.organization, profile.root_name);
        let fields = Fields {
            serial: serial(rng),
            issuer: &name,
            // Ends after 2049, where the encoding of times changes.
            validity: whole_days(now - TimeDelta::days(5 * 365), TimeDelta::days(35 * 365)),
            subject: &name,
            subject_key: &key,
        };
        let draft = Draft::new(&fields, &key, |der| {
            extensions::key_usage(der, usage::CERT_SIGN | usage::CRL_SIGN);
            extensions::is_authority(der, None);
            extensions::subject_key_identifier(der, &key.key_id);
        });
        let certificate = sign(&draft.tbs_certificate(), &key)?;
        Ok(Self { key, name, certificate })
    }
}

/// From the midnight before `start` to the last second of the last day.
fn whole_days(start: DateTime<Utc>, length: TimeDelta) -> Validity {
    let midnight = start.date_naive().and_time(NaiveTime::MIN).and_utc();
    Validity { not_before: midnight, not_after: midnight + length - TimeDelta::seconds(1) }
}

/// 128 random bits: twice the minimum of the Baseline Requirements (section 7.1).
fn serial(rng: &mut impl Rng) -> [u8; 16] {
    rng.random()
}
