//! Distinguished names: their encoding, and those of the demo's fictitious organizations.

use super::der::{Der, tag};
use super::issuer_profile::Level;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// An AttributeType, by its OID.
type AttributeType = &'static [u32];

const COMMON_NAME: AttributeType = &[2, 5, 4, 3];
const SERIAL_NUMBER: AttributeType = &[2, 5, 4, 5];
const COUNTRY: AttributeType = &[2, 5, 4, 6];
const LOCALITY: AttributeType = &[2, 5, 4, 7];
const STATE: AttributeType = &[2, 5, 4, 8];
const STREET: AttributeType = &[2, 5, 4, 9];
const ORGANIZATION: AttributeType = &[2, 5, 4, 10];
const ORGANIZATIONAL_UNIT: AttributeType = &[2, 5, 4, 11];
const BUSINESS_CATEGORY: AttributeType = &[2, 5, 4, 15];
const POSTAL_CODE: AttributeType = &[2, 5, 4, 17];
const ORGANIZATION_IDENTIFIER: AttributeType = &[2, 5, 4, 97];
const JURISDICTION_LOCALITY: AttributeType = &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 1];
const JURISDICTION_STATE: AttributeType = &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 2];
const JURISDICTION_COUNTRY: AttributeType = &[1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3];

/// A Name as a list of attributes, each in its own RDN.
#[derive(Clone, Debug, Default)]
pub(super) struct DistinguishedName {
    attributes: Vec<(AttributeType, String)>,
}

struct Organization {
    name: &'static str,
    country: &'static str,
    state: &'static str,
    locality: &'static str,
    street: &'static str,
    postal_code: &'static str,
    /// The place of registration, as specific as applicable.
    jurisdiction: &'static [(AttributeType, &'static str)],
    registration: &'static str,
    category: &'static str,
}

const ORGANIZATIONS: &[Organization] = &[
    Organization {
        name: "Opalfern Outfitters, Inc.",
        country: "US",
        state: "Oregon",
        locality: "Portland",
        street: "1200 NW Imaginary Ave, Suite 4",
        postal_code: "97209",
        jurisdiction: &[(JURISDICTION_COUNTRY, "US"), (JURISDICTION_STATE, "Delaware")],
        registration: "0000471-1",
        category: "Private Organization",
    },
    Organization {
        name: "Bäckerei Öhlwind GmbH & Co. KG",
        country: "DE",
        state: "Bayern",
        locality: "München",
        street: "Luftschloßgasse 7",
        postal_code: "80331",
        jurisdiction: &[
            (JURISDICTION_COUNTRY, "DE"),
            (JURISDICTION_STATE, "Bayern"),
            (JURISDICTION_LOCALITY, "München"),
        ],
        registration: "HRB 000471",
        category: "Private Organization",
    },
    Organization {
        name: "Société Rêveverte SAS",
        country: "FR",
        state: "Île-de-France",
        locality: "Paris",
        street: "12 rue de l'Invention",
        postal_code: "75000",
        jurisdiction: &[(JURISDICTION_COUNTRY, "FR")],
        registration: "000 471 108",
        category: "Private Organization",
    },
    Organization {
        name: "株式会社架空茶舗",
        country: "JP",
        state: "Tokyo",
        locality: "Chiyoda-ku",
        street: "架空町1-2-3",
        postal_code: "100-0000",
        jurisdiction: &[(JURISDICTION_COUNTRY, "JP")],
        registration: "0000-01-000471",
        category: "Private Organization",
    },
    Organization {
        name: "County of Nowhere + Elsewhere / Records",
        country: "GB",
        state: "Nowhereshire",
        locality: "Little Fiction",
        street: "The Old \"Mill\"",
        postal_code: "NW0 0WN",
        jurisdiction: &[(JURISDICTION_COUNTRY, "GB")],
        registration: "Government Entity",
        category: "Government Entity",
    },
    Organization {
        name: "Fundação Nuvem Inventada",
        country: "BR",
        state: "São Paulo",
        locality: "São Paulo",
        street: "Rua do Faz de Conta, 100",
        postal_code: "01000-000",
        jurisdiction: &[(JURISDICTION_COUNTRY, "BR")],
        registration: "00.000.471/0001-00",
        category: "Non-Commercial Entity",
    },
];

impl DistinguishedName {
    pub(super) fn authority(country: &str, organization: &str, common_name: &str) -> Self {
        let mut name = Self::default();
        name.push(COUNTRY, country);
        name.push(ORGANIZATION, organization);
        name.push(COMMON_NAME, common_name);
        name
    }

    /// The subject of a site's certificate.
    pub(super) fn site(level: Level, common_name: Option<&str>, rng: &mut impl Rng) -> Self {
        let mut name = Self::default();
        if let Some(organization) = ORGANIZATIONS.choose(rng) {
            match level {
                Level::Domain => {}
                Level::Organization => {
                    name.push_organization(organization);
                    if rng.random_bool(0.2) {
                        name.push(ORGANIZATIONAL_UNIT, "Web Operations");
                    }
                }
                Level::Extended => {
                    name.push_registration(organization);
                    if rng.random_bool(0.3) {
                        name.push(STREET, organization.street);
                        name.push(POSTAL_CODE, organization.postal_code);
                    }
                    name.push_organization(organization);
                    if rng.random_bool(0.2) {
                        let identifier = format!("VAT{}-000471108", organization.country);
                        name.push(ORGANIZATION_IDENTIFIER, &identifier);
                    }
                }
            }
        }
        if let Some(common_name) = common_name {
            name.push(COMMON_NAME, common_name);
        }
        name
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    pub(super) fn write(&self, der: &mut Der) {
        der.sequence(|der| {
            for (attribute_type, text) in &self.attributes {
                der.set(|der| {
                    der.sequence(|der| {
                        der.oid(attribute_type);
                        der.value(string_tag(attribute_type), text.as_bytes());
                    });
                });
            }
        });
    }

    fn push(&mut self, attribute_type: AttributeType, text: &str) {
        self.attributes.push((attribute_type, text.to_owned()));
    }

    fn push_organization(&mut self, organization: &Organization) {
        self.push(COUNTRY, organization.country);
        self.push(STATE, organization.state);
        self.push(LOCALITY, organization.locality);
        self.push(ORGANIZATION, organization.name);
    }

    /// Adds the other attributes that the Extended Validation Guidelines (section 7.1.4.2) require.
    fn push_registration(&mut self, organization: &Organization) {
        for (attribute_type, text) in organization.jurisdiction {
            self.push(attribute_type, text);
        }
        self.push(BUSINESS_CATEGORY, organization.category);
        self.push(SERIAL_NUMBER, organization.registration);
    }
}

/// RFC 5280 appendix A.1 requires PrintableString for countries and serial numbers. Everything else is
/// UTF8String (section 4.1.2.4).
fn string_tag(attribute_type: AttributeType) -> u8 {
    match attribute_type {
        COUNTRY | SERIAL_NUMBER | JURISDICTION_COUNTRY => tag::PRINTABLE_STRING,
        _ => tag::UTF8_STRING,
    }
}
