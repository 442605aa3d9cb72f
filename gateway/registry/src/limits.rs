//! How much may be declared.

/// Limits of the registry, with the values of AWS IoT Core where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLimits {
    /// Certificates that may be registered. They are held in memory, about one kilobyte each.
    pub certificates_max: usize,
    /// Things that may exist.
    pub things_max: usize,
    /// Policies that may exist.
    pub policies_max: usize,
    /// Users that may exist. They are held in memory, half a kilobyte each.
    pub users_max: usize,
    /// Policies attached to one user.
    pub policies_per_user_max: usize,
    /// Policies attached to one certificate.
    pub policies_per_certificate_max: usize,
    /// Things attached to one certificate.
    pub things_per_certificate_max: usize,
    /// Attributes of a thing that has a type.
    pub attributes_with_type_max: usize,
    /// Attributes of a thing that has none.
    pub attributes_without_type_max: usize,
    /// Characters of a policy document, white space not counted.
    pub policy_document_characters_max: usize,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        Self {
            certificates_max: 1_000_000,
            things_max: 1_000_000,
            policies_max: 10_000,
            users_max: 100_000,
            policies_per_user_max: 10,
            policies_per_certificate_max: 10,
            things_per_certificate_max: 100,
            attributes_with_type_max: 50,
            attributes_without_type_max: 3,
            policy_document_characters_max: 2_048,
        }
    }
}
