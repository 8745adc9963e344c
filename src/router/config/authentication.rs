//! Who may join a realm, and how that is proved.

/// Who may join a realm.
#[derive(Clone, Debug, Default)]
pub struct AuthenticationConfig {
    /// The role of clients that prove nothing. None: as [`anonymous_role`](Self::anonymous_role)
    /// says.
    pub anonymous: Option<Box<str>>,
}

impl AuthenticationConfig {
    /// The role of clients that prove nothing; `None` if they are not admitted.
    ///
    /// Where nothing is said of who may join, everybody may.
    #[must_use]
    pub fn anonymous_role(&self) -> Option<&str> {
        Some(self.anonymous.as_deref().unwrap_or("anonymous"))
    }
}
